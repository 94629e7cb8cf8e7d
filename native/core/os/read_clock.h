// The wall clock as one call of the engine reads it: at most once, and only when a record that expires needs it.
//
// Thread-safety: one thread; one call has its own.
#pragma once

#include "core/os/env.h"

namespace zkdb {

class ReadClock {
 public:
  explicit ReadClock(Env* env) : env_(env) {}

  uint64_t Now() {
    if (!read_) now_ = env_->WallClockMs();
    read_ = true;
    return now_;
  }
  // Whether a record of this time, 0 for never, has ended.
  bool Ended(uint64_t time) { return time != 0 && time <= Now(); }

 private:
  Env* env_;
  uint64_t now_ = 0;  // ms since 1970
  bool read_ = false;
};

}  // namespace zkdb
