// Who may come in: from which addresses, and how many connections there are, of all and of one address.
//
// Thread-safety: all functions may be called by any thread.
//
// Invariants:
//  1. Each Admit that answered kAdmitted is followed by one Leave with the same address.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "net/address_list.h"

namespace zkdb::net {

enum class Verdict { kAdmitted, kTooMany, kTooManyOfAddress, kNotListed };

class Admission {
 public:
  Admission(uint32_t max_connections, uint32_t max_per_address)
      : max_connections_(max_connections), max_per_address_(max_per_address) {}

  // `address` without its port; empty (a Unix socket): it counts for all alone.
  Verdict Admit(const std::string& address);
  void Leave(const std::string& address);
  uint32_t connections() const;

  // From now on these alone may come in, besides Unix sockets. Who is in stays.
  void SetListed(AddressList listed);
  bool Lists(const std::string& address) const;

 private:
  const uint32_t max_connections_;
  const uint32_t max_per_address_;
  mutable std::mutex mutex_;
  AddressList listed_;
  uint32_t connections_ = 0;
  std::map<std::string, uint32_t> of_address_;
};

}  // namespace zkdb::net
