// The commands that took long, newest first; the oldest are forgotten.
//
// Thread-safety: all functions may be called by any thread.
//
// Invariants:
//  1. At most `most` entries, of some 5 KiB at most: arguments and their number are cut.
//  2. No argument of a command that takes passwords is kept.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "net/resp_parser.h"

namespace zkdb::net {

struct SlowCommand {
  uint64_t id = 0;
  uint64_t time_s = 0;  // since 1970
  uint64_t took_us = 0;
  std::vector<std::string> arguments;
  std::string address;  // of the client
  std::string name;     // that the client has given itself
};

class SlowLog {
 public:
  explicit SlowLog(uint64_t threshold_us = 10'000, size_t most = 128) : threshold_us_(threshold_us), most_(most) {}

  bool on() const { return most_ > 0; }
  uint64_t threshold_us() const { return threshold_us_; }

  // Keeps a command; `more` commands of the same kind took the time together with it. `address` and `name` are the
  // client's.
  void Add(uint64_t now_us, uint64_t took_us, Arguments arguments, size_t more, const std::string& address,
           const std::string& name);
  std::vector<SlowCommand> Newest(size_t count) const;
  size_t size() const;
  void Reset();

 private:
  const uint64_t threshold_us_;
  const size_t most_;
  mutable std::mutex mutex_;
  uint64_t next_id_ = 0;
  std::deque<SlowCommand> commands_;  // the newest first
};

}  // namespace zkdb::net
