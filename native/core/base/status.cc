#include "core/base/status.h"

namespace zkdb {

const std::string& Status::message() const {
  static const std::string kNone;
  return failure_ ? failure_->message : kNone;
}

}  // namespace zkdb
