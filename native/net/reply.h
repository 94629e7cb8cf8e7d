// What a session answers: a byte buffer with a hard limit, and a writer of RESP2 and RESP3 replies into it.
//
// Thread-safety: none; both belong to one connection.
//
// Invariants:
//  1. The buffer never holds more than its limit. What does not fit is left out and overflowed() stays true until
//     Truncate: the caller takes the half reply back.
//  2. A reply is correct for the protocol version that is set when it is written: what RESP2 does not have (maps, sets,
//     push, null, booleans) is written as RESP2 clients expect it.
#pragma once

#include <memory>

#include "core/base/slice.h"

namespace zkdb::net {

class OutputBuffer {
 public:
  explicit OutputBuffer(size_t limit) : limit_(limit) {}

  const uint8_t* data() const { return bytes_.get() + begin_; }
  size_t size() const { return end_ - begin_; }
  size_t limit() const { return limit_; }
  bool overflowed() const { return overflowed_; }

  // Room for `n` more bytes behind the content, or nullptr and overflowed() when they pass the limit.
  // Valid until the next call; Commit makes the first bytes of it content.
  uint8_t* Reserve(size_t n) {
    if (n > capacity_ - end_) [[unlikely]]
      return Grow(n);
    return n > limit_ - size() ? Overflow() : bytes_.get() + end_;
  }
  void Commit(size_t n) { end_ += n; }
  void Append(const void* bytes, size_t n) {
    uint8_t* to = Reserve(n);
    if (to == nullptr || n == 0) return;
    std::memcpy(to, bytes, n);
    end_ += n;
  }
  // The content from byte `at` on, to be changed in place.
  uint8_t* At(size_t at) { return bytes_.get() + begin_ + at; }
  // Drops what is behind the first `size` bytes, and the mark of an overflow.
  void Truncate(size_t size) {
    end_ = begin_ + size;
    overflowed_ = false;
  }
  // Drops the first `n` bytes: they were sent. Gives back memory beyond `kKept` when the buffer is empty.
  void Consume(size_t n);
  // Gives all memory back when the buffer is empty.
  void ReleaseMemory();

 private:
  static constexpr size_t kKept = size_t{16} << 10;

  uint8_t* Grow(size_t n);
  uint8_t* Overflow() {
    overflowed_ = true;
    return nullptr;
  }

  const size_t limit_;
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool overflowed_ = false;
};

class ReplyWriter {
 public:
  // Bytes around the value of a bulk string, at the most.
  static constexpr size_t kBulkOverhead = 25;

  explicit ReplyWriter(OutputBuffer* out) : out_(out) {}

  OutputBuffer* out() const { return out_; }
  int protocol() const { return protocol_; }
  void set_protocol(int version) { protocol_ = version; }

  void Ok() { out_->Append("+OK\r\n", 5); }
  void Simple(std::string_view text);
  // `text` begins with a code in capitals ("ERR ..."). Line ends in it become spaces; it is cut at 1,200 bytes.
  void Error(std::string_view text);
  void Integer(int64_t n);
  void Boolean(bool value);
  void Bulk(Slice value);
  void Verbatim(Slice text);  // a text for people; a bulk string in RESP2
  void Null();                // a value that is not there
  void NullArray();           // an array that is not there
  void Array(size_t count) { Head('*', count); }
  void Map(size_t pairs) { protocol_ == 3 ? Head('%', pairs) : Head('*', pairs * 2); }
  void Set(size_t count) { Head(protocol_ == 3 ? '~' : '*', count); }
  void Push(size_t count) { Head(protocol_ == 3 ? '>' : '*', count); }

  // A bulk string whose value is written by someone else, straight into the buffer: room for `capacity` bytes, or
  // nullptr (overflow). FinishBulk with the size that it has got; without it nothing is written.
  uint8_t* StartBulk(size_t capacity);
  void FinishBulk(size_t size);

  // An array whose length is known at its end only. Gives the place to hand to FinishArray.
  size_t StartArray();
  void FinishArray(size_t place, size_t count);

 private:
  void Head(char kind, size_t n);

  OutputBuffer* const out_;
  int protocol_ = 2;
  size_t bulk_head_ = 6;  // bytes of the last bulk string's head: the next one is probably as long
};

// Writes `kind`, `n` in decimal and a line end; returns the bytes written, at most 23.
size_t WriteHead(uint8_t* to, char kind, uint64_t n);
// Writes a null value of that protocol version; returns the bytes written, at most 5.
size_t WriteNull(uint8_t* to, int protocol);

}  // namespace zkdb::net
