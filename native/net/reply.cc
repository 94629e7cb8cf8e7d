#include "net/reply.h"

#include <algorithm>
#include <charconv>

namespace zkdb::net {

namespace {

constexpr size_t kHeadLimit = 23;     // bytes: kind, 20 digits, line end
constexpr size_t kErrorLimit = 1200;  // bytes

void WriteLineEnd(uint8_t* to) {
  to[0] = '\r';
  to[1] = '\n';
}

}  // namespace

// ---- the buffer

uint8_t* OutputBuffer::Grow(size_t n) {
  const size_t held = size();
  if (n > limit_ - held) return Overflow();
  if (begin_ > 0 && n <= capacity_ - held && begin_ >= held) {
    if (held != 0) std::memcpy(bytes_.get(), bytes_.get() + begin_, held);
  } else {
    const size_t capacity = std::min(limit_, std::max<size_t>({held + n, held * 2, 4096}));
    auto bytes = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    if (held != 0) std::memcpy(bytes.get(), bytes_.get() + begin_, held);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }
  begin_ = 0;
  end_ = held;
  return bytes_.get() + end_;
}

void OutputBuffer::Consume(size_t n) {
  begin_ += n;
  if (begin_ != end_) return;
  begin_ = end_ = 0;
  if (capacity_ > kKept) ReleaseMemory();
}

void OutputBuffer::ReleaseMemory() {
  if (begin_ != end_) return;
  bytes_.reset();
  capacity_ = begin_ = end_ = 0;
}

// ---- the writer

size_t WriteHead(uint8_t* to, char kind, uint64_t n) {
  to[0] = static_cast<uint8_t>(kind);
  size_t size = 2;
  if (n < 10) {
    to[1] = static_cast<uint8_t>('0' + n);
  } else {
    char* const digits = reinterpret_cast<char*>(to) + 1;
    size = 1 + static_cast<size_t>(std::to_chars(digits, digits + 20, n).ptr - digits);
  }
  WriteLineEnd(to + size);
  return size + 2;
}

size_t WriteNull(uint8_t* to, int protocol) {
  const std::string_view null = protocol == 3 ? "_\r\n" : "$-1\r\n";
  std::memcpy(to, null.data(), null.size());
  return null.size();
}

void ReplyWriter::Head(char kind, size_t n) {
  uint8_t* to = out_->Reserve(kHeadLimit);
  if (to != nullptr) out_->Commit(WriteHead(to, kind, n));
}

void ReplyWriter::Simple(std::string_view text) {
  uint8_t* to = out_->Reserve(text.size() + 3);
  if (to == nullptr) return;
  *to = '+';
  std::memcpy(to + 1, text.data(), text.size());
  WriteLineEnd(to + 1 + text.size());
  out_->Commit(text.size() + 3);
}

void ReplyWriter::Error(std::string_view text) {
  text = text.substr(0, kErrorLimit);
  uint8_t* to = out_->Reserve(text.size() + 3);
  if (to == nullptr) return;
  *to = '-';
  std::transform(text.begin(), text.end(), to + 1,
                 [](char c) { return static_cast<uint8_t>(c == '\r' || c == '\n' ? ' ' : c); });
  WriteLineEnd(to + 1 + text.size());
  out_->Commit(text.size() + 3);
}

void ReplyWriter::Integer(int64_t n) {
  uint8_t* to = out_->Reserve(kHeadLimit);
  if (to == nullptr) return;
  char* const digits = reinterpret_cast<char*>(to) + 1;
  to[0] = ':';
  const size_t size = static_cast<size_t>(std::to_chars(digits, digits + 20, n).ptr - digits);
  WriteLineEnd(to + 1 + size);
  out_->Commit(size + 3);
}

void ReplyWriter::Boolean(bool value) {
  if (protocol_ != 3) return Integer(value ? 1 : 0);
  out_->Append(value ? "#t\r\n" : "#f\r\n", 4);
}

void ReplyWriter::Null() {
  uint8_t* to = out_->Reserve(5);
  if (to != nullptr) out_->Commit(WriteNull(to, protocol_));
}

void ReplyWriter::NullArray() { protocol_ == 3 ? out_->Append("_\r\n", 3) : out_->Append("*-1\r\n", 5); }

void ReplyWriter::Verbatim(Slice text) {
  constexpr std::string_view kFormat = "txt:";
  if (protocol_ != 3) return Bulk(text);
  uint8_t* to = out_->Reserve(text.size + kFormat.size() + kHeadLimit + 2);
  if (to == nullptr) return;
  size_t size = WriteHead(to, '=', kFormat.size() + text.size);
  std::memcpy(to + size, kFormat.data(), kFormat.size());
  size += kFormat.size();
  if (!text.empty()) std::memcpy(to + size, text.data, text.size);
  size += text.size;
  WriteLineEnd(to + size);
  out_->Commit(size + 2);
}

void ReplyWriter::Bulk(Slice value) {
  uint8_t* to = out_->Reserve(value.size + kHeadLimit + 2);
  if (to == nullptr) return;
  const size_t head = WriteHead(to, '$', value.size);
  if (!value.empty()) std::memcpy(to + head, value.data, value.size);
  WriteLineEnd(to + head + value.size);
  out_->Commit(head + value.size + 2);
}

uint8_t* ReplyWriter::StartBulk(size_t capacity) {
  uint8_t* to = out_->Reserve(capacity + kHeadLimit + 2);
  return to == nullptr ? nullptr : to + bulk_head_;
}

void ReplyWriter::FinishBulk(size_t size) {
  uint8_t* const to = out_->Reserve(0);
  uint8_t head[kHeadLimit];
  const size_t head_size = WriteHead(head, '$', size);
  if (head_size != bulk_head_) std::memmove(to + head_size, to + bulk_head_, size);
  std::memcpy(to, head, head_size);
  bulk_head_ = head_size;
  WriteLineEnd(to + head_size + size);
  out_->Commit(head_size + size + 2);
}

size_t ReplyWriter::StartArray() {
  const size_t place = out_->size();
  if (out_->Reserve(kHeadLimit) != nullptr) out_->Commit(kHeadLimit);
  return place;
}

void ReplyWriter::FinishArray(size_t place, size_t count) {
  if (out_->overflowed()) return;
  uint8_t* const to = out_->At(place);
  const size_t content = out_->size() - place - kHeadLimit;
  const size_t head = WriteHead(to, '*', count);
  std::memmove(to + head, to + kHeadLimit, content);
  out_->Truncate(place + head + content);
}

}  // namespace zkdb::net
