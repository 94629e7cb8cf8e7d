// Takes a client's bytes apart into commands: RESP arrays of bulk strings, and inline commands (a line of words).
//
// Thread-safety: none; a parser belongs to one connection.
//
// Invariants:
//  1. Nothing is copied: arguments point into the caller's buffer. Only quoted words of an inline command are
//     decoded into the parser's own memory, at most one line.
//  2. An announced count or length is checked against the limits before anything is allocated or waited for. What is
//     allocated is a few bytes per argument that has arrived.
//  3. A command that arrives in pieces is never read from its start again: positions are kept as offsets from its first
//     byte, so the buffer may move between two calls.
//  4. After an error the parser stays where it is: the connection is out of step and has to be closed.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/slice.h"

namespace zkdb::net {

using Arguments = std::span<const Slice>;

struct ParserLimits {
  size_t frame_bytes = size_t{16} << 20;   // of one command as it is sent
  size_t inline_bytes = size_t{64} << 10;  // of one inline command
  uint32_t arguments = 1u << 20;           // of one command, its name included
  bool authenticated = true;               // chooses the words of an error
};

enum class Parsed { kCommand, kNeedMore, kError };

class RespParser {
 public:
  explicit RespParser(const ParserLimits& limits) : limits_(limits) {}

  // From the next command on.
  void SetLimits(const ParserLimits& limits) { limits_ = limits; }

  // Reads one command. `in` starts with the first byte of the command, and after kNeedMore with the same bytes again
  // and more behind them. After kCommand, arguments() is the command (empty for an empty line or an array of nothing)
  // and consumed() its size in bytes; the next call begins behind it. After kError, error() says what is wrong.
  Parsed Next(Slice in);

  // Valid until the next call and as long as the caller's buffer.
  Arguments arguments() const { return arguments_; }
  size_t consumed() const { return at_; }
  // After kNeedMore: the command has at least so many bytes.
  size_t needed() const { return needed_; }
  // The text of an error reply, without its "-" and line end.
  const std::string& error() const { return error_; }
  // Forgets a command that was read in part: the next call begins with a command.
  void Reset() { state_ = State::kStart; }
  // Gives back the memory that is kept for the next command. Ends the validity of arguments().
  void ReleaseMemory();

 private:
  enum class State { kStart, kInline, kCount, kBulkLength, kBulk, kDone, kFailed };

  void Begin(Slice in);
  void ReleaseArguments();
  Parsed Step(Slice in);
  Parsed ReadCount(Slice in);
  Parsed ReadBulkLength(Slice in);
  Parsed ReadBulk(Slice in);
  Parsed ReadInline(Slice in);
  bool SplitWords(Slice line);
  bool QuotedWord(Slice line, size_t* at);
  // A number in the line at at_, behind its first byte. kNeedMore when the line is not there whole.
  Parsed ReadNumber(Slice in, const char* error, int64_t* number);
  Parsed Fail(std::string what);
  Parsed FailBulkLength();
  Parsed FinishArray(Slice in);

  ParserLimits limits_;
  State state_ = State::kStart;
  size_t at_ = 0;                                  // read up to here
  size_t searched_ = 0;                            // an inline command has no line end before here
  size_t needed_ = 1;                              // bytes
  uint32_t missing_ = 0;                           // arguments of the array that are still to come
  size_t bulk_size_ = 0;                           // of the argument that is to come
  std::vector<std::pair<size_t, size_t>> places_;  // offset and size of each argument
  std::vector<Slice> arguments_;
  std::string decoded_;  // quoted words of an inline command
  std::string error_;
};

}  // namespace zkdb::net
