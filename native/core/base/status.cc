#include "core/base/status.h"

namespace zkdb {

Status::Failure& Status::no_memory_ =
    *new Failure{ZKDB_NO_MEMORY, "out of memory; free some, or work in smaller parts"};

Status Status::NoMemory() noexcept {
  Status status;
  status.failure_ = Pointer(&no_memory_);
  return status;
}

const std::string& Status::message() const {
  static const std::string kNone;
  return failure_ ? failure_->message : kNone;
}

}  // namespace zkdb
