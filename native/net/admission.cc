#include "net/admission.h"

#include <utility>

namespace zkdb::net {

Verdict Admission::Admit(const std::string& address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!address.empty() && !listed_.Has(address)) return Verdict::kNotListed;
  if (connections_ >= max_connections_) return Verdict::kTooMany;
  if (!address.empty()) {
    uint32_t& count = of_address_[address];
    if (count >= max_per_address_) {
      if (count == 0) of_address_.erase(address);
      return Verdict::kTooManyOfAddress;
    }
    ++count;
  }
  ++connections_;
  return Verdict::kAdmitted;
}

void Admission::Leave(const std::string& address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  --connections_;
  if (address.empty()) return;
  const auto found = of_address_.find(address);
  if (--found->second == 0) of_address_.erase(found);
}

uint32_t Admission::connections() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return connections_;
}

void Admission::SetListed(AddressList listed) {
  const std::lock_guard<std::mutex> lock(mutex_);
  listed_ = std::move(listed);
}

bool Admission::Lists(const std::string& address) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return address.empty() || listed_.Has(address);
}

}  // namespace zkdb::net
