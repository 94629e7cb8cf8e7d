#include "core/remote/reply_reader.h"

#include <algorithm>
#include <cstring>

#include "core/partition/values.h"

namespace zkdb {
namespace {

constexpr size_t kBuffer = size_t{64} << 10;

// A signed decimal number that is the whole line.
bool ParseSigned(std::string_view text, int64_t* out) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (negative || text.front() == '+')) text.remove_prefix(1);
  uint64_t number = 0;
  if (text.empty() || !ParseInteger(text, &number) || number > static_cast<uint64_t>(INT64_MAX)) return false;
  *out = negative ? -static_cast<int64_t>(number) : static_cast<int64_t>(number);
  return true;
}

}  // namespace

ReplyReader::ReplyReader(Transport* transport, Socket* socket, uint64_t timeout_ms)
    : transport_(transport), socket_(socket), timeout_ms_(timeout_ms), buffer_(kBuffer) {
  StartAnswer();
}

void ReplyReader::StartAnswer() {
  deadline_ms_ = transport_->MonotonicMs() + timeout_ms_;
  since_ = bytes_ = 0;
  heads_ = 0;
}

Status ReplyReader::Fail(Status status) {
  if (failed_.ok()) failed_ = std::move(status);
  return failed_;
}

Status ReplyReader::Garbage(const std::string& found) {
  return Fail({ZKDB_PROTOCOL, "the server sent " + found + ": is it a zkdb server?"});
}

Status ReplyReader::Fill() {
  if (!failed_.ok()) return failed_;
  at_ = end_ = 0;
  size_t got = 0;
  Status status = socket_->Receive(buffer_.data(), buffer_.size(), deadline_ms_, &got);
  if (status.ok() && got == 0) status = Status(ZKDB_UNREACHABLE, "the server closed the connection");
  if (!status.ok()) return Fail(std::move(status));
  end_ = got;
  bytes_ += got;
  since_ += got;
  if (bytes_ > kMaxAnswer) return Garbage("an answer of more than 1 GiB");
  if (since_ < kProgress) return Status::Ok();
  deadline_ms_ = transport_->MonotonicMs() + timeout_ms_;
  since_ = 0;
  return Status::Ok();
}

// The bytes up to CR LF, without them.
Status ReplyReader::ReadLine(std::string* line) {
  line->clear();
  for (;;) {
    if (at_ == end_) ZKDB_RETURN_IF_ERROR(Fill());
    const uint8_t* from = buffer_.data() + at_;
    const auto* end = static_cast<const uint8_t*>(std::memchr(from, '\n', end_ - at_));
    const size_t n = end == nullptr ? end_ - at_ : static_cast<size_t>(end - from) + 1;
    if (line->size() + n > kMaxLine) return Garbage("a line of more than 16 KiB");
    line->append(reinterpret_cast<const char*>(from), n);
    at_ += n;
    if (end == nullptr) continue;
    if (line->size() < 2 || (*line)[line->size() - 2] != '\r') return Garbage("a line that does not end in CR LF");
    line->resize(line->size() - 2);
    return Status::Ok();
  }
}

Status ReplyReader::ParseSize(ReplyHead* out, ReplyKind kind, uint64_t most) {
  int64_t size = 0;
  if (!ParseSigned(out->text, &size) || size < -1) return Garbage("a size that is no number");
  out->kind = size == -1 ? ReplyKind::kNull : kind;
  out->size = size == -1 ? 0 : static_cast<uint64_t>(size);
  return out->size > most ? Garbage("an answer that is too large (" + out->text + ")") : Status::Ok();
}

Status ReplyReader::ParseHead(ReplyHead* out, bool* passed_over) {
  std::string line;
  ZKDB_RETURN_IF_ERROR(ReadLine(&line));
  if (line.empty()) return Garbage("an empty line");
  if (++heads_ > kMaxHeads) return Garbage("an answer of more than a million elements");
  const char type = line.front();
  out->text = line.substr(1);
  out->integer = 0;
  out->size = 0;
  *passed_over = type == '>' || type == '|';
  switch (type) {
    case '+': out->kind = ReplyKind::kText; return Status::Ok();
    case '-': out->kind = ReplyKind::kError; return Status::Ok();
    case '_': out->kind = ReplyKind::kNull; return Status::Ok();
    case ',':
    case '(': out->kind = ReplyKind::kOther; return Status::Ok();
    case ':': out->kind = ReplyKind::kInteger; break;
    case '#':
      out->kind = ReplyKind::kInteger;
      out->integer = out->text == "t" ? 1 : 0;
      return out->text == "t" || out->text == "f" ? Status::Ok() : Garbage("a boolean that is none");
    case '$':
    case '!':
    case '=': return ParseSize(out, ReplyKind::kString, kMaxString);
    case '*':
    case '~':
    case '>': return ParseSize(out, ReplyKind::kArray, UINT32_MAX);
    case '%':
    case '|': return ParseSize(out, ReplyKind::kMap, UINT32_MAX);
    default: return Garbage("the byte " + std::to_string(static_cast<uint8_t>(type)) + " where an answer begins");
  }
  return ParseSigned(out->text, &out->integer) ? Status::Ok() : Garbage("an integer that is none");
}

Status ReplyReader::ReadHead(ReplyHead* out) {
  if (!failed_.ok()) return failed_;
  for (;;) {
    bool passed_over = false;
    ZKDB_RETURN_IF_ERROR(ParseHead(out, &passed_over));
    if (!passed_over) return Status::Ok();
    ZKDB_RETURN_IF_ERROR(Skip(*out));
  }
}

Status ReplyReader::ReadLineEnd() {
  std::string line;
  ZKDB_RETURN_IF_ERROR(ReadLine(&line));
  return line.empty() ? Status::Ok() : Garbage("a string that is longer than it was announced");
}

Status ReplyReader::ReadString(uint64_t size, uint8_t* to) {
  while (size > 0) {
    if (at_ == end_) ZKDB_RETURN_IF_ERROR(Fill());
    const auto n = static_cast<size_t>(std::min<uint64_t>(size, end_ - at_));
    std::memcpy(to, buffer_.data() + at_, n);
    at_ += n;
    to += n;
    size -= n;
  }
  return ReadLineEnd();
}

Status ReplyReader::AppendString(uint64_t size, std::string* out) {
  while (size > 0) {
    if (at_ == end_) ZKDB_RETURN_IF_ERROR(Fill());
    const auto n = static_cast<size_t>(std::min<uint64_t>(size, end_ - at_));
    out->append(reinterpret_cast<const char*>(buffer_.data() + at_), n);
    at_ += n;
    size -= n;
  }
  return ReadLineEnd();
}

Status ReplyReader::Skip(const ReplyHead& head, uint32_t depth) {
  if (depth > kMaxDepth) return Garbage("an answer of more than 8 levels");
  if (head.kind == ReplyKind::kString) {
    uint64_t left = head.size;
    while (left > 0) {
      if (at_ == end_) ZKDB_RETURN_IF_ERROR(Fill());
      const auto n = static_cast<size_t>(std::min<uint64_t>(left, end_ - at_));
      at_ += n;
      left -= n;
    }
    return ReadLineEnd();
  }
  uint64_t elements = head.kind == ReplyKind::kArray ? head.size : 0;
  if (head.kind == ReplyKind::kMap) elements = 2 * head.size;
  ReplyHead element;
  for (; elements > 0; --elements) {
    ZKDB_RETURN_IF_ERROR(ReadHead(&element));
    ZKDB_RETURN_IF_ERROR(Skip(element, depth + 1));
  }
  return Status::Ok();
}

}  // namespace zkdb
