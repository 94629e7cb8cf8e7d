// Connections that follow a script, for tests: what they are sent is kept, what they answer is given in pieces, and
// they end as the script says.
//
// Thread-safety: none; a test has one thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "core/os/transport.h"

namespace zkdb::test {

struct Script {
  enum class End { kSilence, kClose, kReset };

  std::string answers;      // all that the server says, ready from the start
  size_t piece = SIZE_MAX;  // bytes that a Receive gives at most
  End end = End::kSilence;  // behind the answers
  size_t takes = SIZE_MAX;  // bytes that the server takes before it resets the connection
  bool refuses = false;     // to be connected to
};

class ScriptTransport : public Transport {
 public:
  // What each connection does, in the order in which they are made; a further one is refused.
  std::deque<Script> scripts;
  std::vector<std::string> received;  // of each connection
  uint64_t now_ms = 1000;
  uint64_t connect_ms = 0;  // that a refusal takes
  uint32_t attempts = 0;

  Status Connect(const ServerAddress&, uint64_t, std::unique_ptr<Socket>* out) override {
    ++attempts;
    const bool refuses = scripts.empty() || scripts.front().refuses;
    const Script script = refuses ? Script{} : scripts.front();
    if (!scripts.empty()) scripts.pop_front();
    now_ms += connect_ms;
    if (refuses) return {ZKDB_UNREACHABLE, "connect: Connection refused"};
    received.emplace_back();
    *out = std::make_unique<ScriptSocket>(this, script, received.size() - 1);
    return Status::Ok();
  }
  uint64_t MonotonicMs() override { return now_ms; }
  uint64_t Random(uint64_t below) override { return below - 1; }

 private:
  class ScriptSocket : public Socket {
   public:
    ScriptSocket(ScriptTransport* transport, Script script, size_t number)
        : transport_(transport), script_(std::move(script)), number_(number) {}

    Status Send(Slice bytes, uint64_t, size_t* sent) override {
      if (script_.takes == 0) return {ZKDB_UNREACHABLE, "send: Broken pipe"};
      *sent = std::min({bytes.size, script_.piece, script_.takes});
      if (script_.takes != SIZE_MAX) script_.takes -= *sent;
      transport_->received[number_].append(reinterpret_cast<const char*>(bytes.data), *sent);
      return Status::Ok();
    }
    Status Receive(uint8_t* buffer, size_t capacity, uint64_t deadline_ms, size_t* got) override {
      const size_t left = script_.answers.size() - at_;
      *got = std::min({capacity, script_.piece, left});
      if (*got > 0) {
        std::memcpy(buffer, script_.answers.data() + at_, *got);
        at_ += *got;
        return Status::Ok();
      }
      if (script_.end == Script::End::kClose) return Status::Ok();
      if (script_.end == Script::End::kReset) return {ZKDB_UNREACHABLE, "recv: Connection reset by peer"};
      transport_->now_ms = std::max(transport_->now_ms, deadline_ms);
      return {ZKDB_TIMEOUT, "the answer took longer than its limit"};
    }
    // Answers lie ready from the start, so they are not what disturbs the quiet.
    bool IsQuiet() override { return at_ < script_.answers.size() || script_.end == Script::End::kSilence; }

   private:
    ScriptTransport* transport_;
    Script script_;
    size_t number_;
    size_t at_ = 0;
  };
};

}  // namespace zkdb::test
