#include "net/resp_parser.h"

#include <algorithm>

#include "net/numbers.h"

namespace zkdb::net {

namespace {

constexpr size_t kKeptLine = 4096;       // bytes of an inline command that memory is kept for
constexpr size_t kLineLimit = 32;        // bytes of a line that holds a number
constexpr size_t kKeptArguments = 256;   // that memory is kept for
constexpr size_t kSmallestArgument = 6;  // bytes of an empty bulk string: $0, CR LF, CR LF

bool IsSpace(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int HexDigit(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  const int lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The byte that stands behind a backslash in double quotes.
char Unescaped(uint8_t c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return static_cast<char>(c);
  }
}

}  // namespace

Parsed RespParser::Next(Slice in) {
  if (state_ == State::kFailed) return Parsed::kError;
  if (state_ == State::kStart || state_ == State::kDone) {
    Begin(in);
    if (in.empty()) return Parsed::kNeedMore;
  }
  if (in.size < needed_) return Parsed::kNeedMore;
  return Step(in);
}

void RespParser::ReleaseArguments() {
  std::vector<std::pair<size_t, size_t>>().swap(places_);
  std::vector<Slice>().swap(arguments_);
}

void RespParser::ReleaseMemory() {
  if (state_ != State::kStart && state_ != State::kDone) return;
  ReleaseArguments();
  std::string().swap(decoded_);
}

void RespParser::Begin(Slice in) {
  at_ = searched_ = 0;
  needed_ = 1;
  if (places_.capacity() > kKeptArguments) ReleaseArguments();
  places_.clear();
  arguments_.clear();
  state_ = State::kStart;
  if (!in.empty()) state_ = in.data[0] == '*' ? State::kCount : State::kInline;
}

Parsed RespParser::Step(Slice in) {
  for (;;) {
    Parsed result = Parsed::kCommand;
    switch (state_) {
      case State::kInline: return ReadInline(in);
      case State::kCount: result = ReadCount(in); break;
      case State::kBulkLength: result = ReadBulkLength(in); break;
      case State::kBulk: result = ReadBulk(in); break;
      default: return Fail("Protocol error: the parser has no state");
    }
    if (result != Parsed::kCommand) return result;
    if (missing_ == 0) return FinishArray(in);
  }
}

Parsed RespParser::FinishArray(Slice in) {
  arguments_.reserve(places_.size());
  for (const auto& [offset, size] : places_) arguments_.push_back(in.Sub(offset, size));
  state_ = State::kDone;
  return Parsed::kCommand;
}

Parsed RespParser::Fail(std::string what) {
  state_ = State::kFailed;
  error_ = "ERR " + std::move(what);
  return Parsed::kError;
}

Parsed RespParser::ReadNumber(Slice in, const char* error, int64_t* number) {
  const size_t window = std::min(in.size - at_, kLineLimit);
  const auto* line = in.data + at_;
  const auto* end = static_cast<const uint8_t*>(std::memchr(line, '\r', window));
  const bool whole = end != nullptr && end + 1 != in.data + in.size;
  const bool full = (end == nullptr && window == kLineLimit) || in.size >= limits_.frame_bytes;
  if (!whole && full) return Fail(std::string("Protocol error: too big ") + error + " string");
  if (!whole) {
    needed_ = in.size + 1;
    return Parsed::kNeedMore;
  }
  const Slice digits(line + 1, static_cast<size_t>(end - line) - 1);
  const bool good = ParseInteger(digits, number) && end[1] == '\n';
  if (!good) *number = INT64_MAX;
  at_ += digits.size + 3;
  return Parsed::kCommand;
}

Parsed RespParser::ReadCount(Slice in) {
  int64_t count = 0;
  const Parsed read = ReadNumber(in, "mbulk count", &count);
  if (read != Parsed::kCommand) return read;
  const bool fits = count <= int64_t{limits_.arguments} &&
                    (count <= 0 || static_cast<uint64_t>(count) * kSmallestArgument <= limits_.frame_bytes);
  if (!fits) {
    return Fail(limits_.authenticated || count == INT64_MAX ? "Protocol error: invalid multibulk length"
                                                            : "Protocol error: unauthenticated multibulk length");
  }
  missing_ = count <= 0 ? 0 : static_cast<uint32_t>(count);
  state_ = State::kBulkLength;
  return Parsed::kCommand;
}

Parsed RespParser::FailBulkLength() {
  return Fail(limits_.authenticated ? "Protocol error: invalid bulk length"
                                    : "Protocol error: unauthenticated bulk length");
}

Parsed RespParser::ReadBulkLength(Slice in) {
  if (at_ == in.size) {
    needed_ = at_ + 1;
    return Parsed::kNeedMore;
  }
  if (in.data[at_] != '$') {
    const uint8_t got = in.data[at_];
    const char shown = got >= 0x20 && got < 0x7f ? static_cast<char>(got) : '?';
    return Fail(std::string("Protocol error: expected '$', got '") + shown + "'");
  }
  int64_t size = 0;
  const Parsed read = ReadNumber(in, "bulk count", &size);
  if (read != Parsed::kCommand) return read;
  if (size < 0 || size == INT64_MAX) return Fail("Protocol error: invalid bulk length");
  // What is announced and what has to follow at the least.
  const size_t rest = (missing_ - 1) * kSmallestArgument + 2;
  const bool fits =
      at_ + rest <= limits_.frame_bytes && static_cast<uint64_t>(size) <= limits_.frame_bytes - at_ - rest;
  if (!fits) return FailBulkLength();
  bulk_size_ = static_cast<size_t>(size);
  state_ = State::kBulk;
  return Parsed::kCommand;
}

Parsed RespParser::ReadBulk(Slice in) {
  const size_t end = at_ + bulk_size_;
  if (in.size < end + 2) {
    needed_ = end + 2;
    return Parsed::kNeedMore;
  }
  if (in.data[end] != '\r' || in.data[end + 1] != '\n') {
    return Fail("Protocol error: expected a line end behind a bulk string");
  }
  places_.emplace_back(at_, bulk_size_);
  at_ = end + 2;
  --missing_;
  state_ = State::kBulkLength;
  return Parsed::kCommand;
}

// ---- inline commands

Parsed RespParser::ReadInline(Slice in) {
  const size_t limit = std::min(limits_.inline_bytes, limits_.frame_bytes);
  const size_t window = std::min(in.size, limit);
  const auto* end = window <= searched_
                        ? nullptr
                        : static_cast<const uint8_t*>(std::memchr(in.data + searched_, '\n', window - searched_));
  if (end == nullptr) {
    if (in.size >= limit) return Fail("Protocol error: too big inline request");
    searched_ = in.size;
    needed_ = in.size + 1;
    return Parsed::kNeedMore;
  }
  size_t size = static_cast<size_t>(end - in.data);
  at_ = size + 1;
  if (size > 0 && in.data[size - 1] == '\r') --size;
  if (!SplitWords(in.Sub(0, size))) return Fail("Protocol error: unbalanced quotes in request");
  state_ = State::kDone;
  return Parsed::kCommand;
}

// Words are divided by white space; a word that begins with a quote is decoded. False when quotes do not match.
bool RespParser::SplitWords(Slice line) {
  if (decoded_.capacity() > kKeptLine) std::string().swap(decoded_);
  decoded_.clear();
  decoded_.reserve(line.size);  // slices of it are handed out while it grows
  for (size_t at = 0; at < line.size;) {
    const uint8_t c = line.data[at];
    if (IsSpace(c)) {
      ++at;
    } else if (c == '"' || c == '\'') {
      if (!QuotedWord(line, &at)) return false;
    } else {
      const size_t from = at;
      while (at < line.size && !IsSpace(line.data[at]) && line.data[at] != '"' && line.data[at] != '\'') ++at;
      if (at < line.size && !IsSpace(line.data[at])) return false;  // a quote inside a word
      arguments_.push_back(line.Sub(from, at - from));
    }
  }
  return true;
}

bool RespParser::QuotedWord(Slice line, size_t* at) {
  const uint8_t quote = line.data[*at];
  const size_t from = decoded_.size();
  size_t i = *at + 1;
  for (; i < line.size && line.data[i] != quote; ++i) {
    uint8_t c = line.data[i];
    if (c == '\\' && i + 1 < line.size) {
      const uint8_t next = line.data[i + 1];
      if (quote == '\'') {
        if (next == '\'') c = line.data[++i];
      } else if (next == 'x' && i + 3 < line.size && HexDigit(line.data[i + 2]) >= 0 &&
                 HexDigit(line.data[i + 3]) >= 0) {
        c = static_cast<uint8_t>(HexDigit(line.data[i + 2]) * 16 + HexDigit(line.data[i + 3]));
        i += 3;
      } else {
        c = static_cast<uint8_t>(Unescaped(next));
        ++i;
      }
    }
    decoded_.push_back(static_cast<char>(c));
  }
  if (i >= line.size) return false;
  if (i + 1 < line.size && !IsSpace(line.data[i + 1])) return false;
  *at = i + 1;
  arguments_.emplace_back(decoded_.data() + from, decoded_.size() - from);
  return true;
}

}  // namespace zkdb::net
