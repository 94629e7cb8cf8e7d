// Reads what a server answers, RESP3 (and what of it is RESP2), one head or string at a time: whoever asked knows what
// is due, and takes it where it belongs.
//
// Thread-safety: none; a reader belongs to one connection.
//
// Invariants:
//  1. What a server announces is never believed: memory grows with the bytes that come, and lines, strings and depth
//     have limits. Counts of elements are the caller's to check.
//  2. After a failure the reader stays failed: the connection is out of step, and of no further use.
//  3. Pushes and attributes are passed over: no command asked for them.
//  4. Every read ends: 64 KiB of an answer, or its rest, have to come within the time limit, and an answer has limits
//     of bytes and of heads.
#pragma once

#include <string>
#include <vector>

#include "core/os/transport.h"

namespace zkdb {

enum class ReplyKind {
  kNull,
  kText,     // a simple string: `text`
  kError,    // `text` is all of it: the code, a blank, and what happened
  kInteger,  // and booleans: 0 or 1
  kString,   // `size` bytes follow: ReadString, or Skip
  kArray,    // `size` elements follow; a set is an array
  kMap,      // `size` pairs follow
  kOther     // a double or a big number: `text`
};

struct ReplyHead {
  ReplyKind kind = ReplyKind::kNull;
  int64_t integer = 0;
  uint64_t size = 0;
  std::string text;
};

class ReplyReader {
 public:
  static constexpr size_t kMaxLine = size_t{16} << 10;       // bytes
  static constexpr uint64_t kMaxString = uint64_t{1} << 30;  // bytes: the largest value
  static constexpr uint64_t kProgress = uint64_t{64} << 10;  // bytes that set the clock back
  static constexpr uint32_t kMaxDepth = 8;
  static constexpr uint32_t kMaxHeads = 1u << 20;                            // of one answer
  static constexpr uint64_t kMaxAnswer = kMaxString + (uint64_t{64} << 20);  // bytes

  // `socket` and `transport` outlive the reader.
  ReplyReader(Transport* transport, Socket* socket, uint64_t timeout_ms);

  // Time and other limits begin anew. Call before the first read of an answer.
  void StartAnswer();
  void SetTimeout(uint64_t timeout_ms) { timeout_ms_ = timeout_ms; }

  // The next head. ZKDB_UNREACHABLE, ZKDB_TIMEOUT, ZKDB_PROTOCOL.
  Status ReadHead(ReplyHead* out);
  // The bytes of the string whose head was read. `to` has room for `size` of them.
  Status ReadString(uint64_t size, uint8_t* to);
  // As above, appended to *out.
  Status AppendString(uint64_t size, std::string* out);
  // Passes over the rest of the value whose head was read.
  Status Skip(const ReplyHead& head, uint32_t depth = 0);

  // Whether bytes lie here that no one has read.
  bool empty() const { return at_ == end_; }
  const Status& failed() const { return failed_; }

 private:
  Status Fail(Status status);
  Status Garbage(const std::string& found);
  Status Fill();
  Status ReadLine(std::string* line);
  Status ReadLineEnd();
  Status ParseHead(ReplyHead* out, bool* passed_over);
  Status ParseSize(ReplyHead* out, ReplyKind kind, uint64_t most);

  Transport* transport_;
  Socket* socket_;
  uint64_t timeout_ms_;
  uint64_t deadline_ms_ = 0;
  uint64_t since_ = 0;  // bytes since the deadline was set
  uint64_t bytes_ = 0;  // of this answer
  uint32_t heads_ = 0;  // of this answer
  std::vector<uint8_t> buffer_;
  size_t at_ = 0;
  size_t end_ = 0;
  Status failed_;
};

}  // namespace zkdb
