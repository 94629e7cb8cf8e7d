// What the native measurements share: records made from a seed, a database through zkdb.h, batches, and a clock.
//
// Thread-safety: none; one thread.
//
// Invariants:
//  1. Keys are 16 bytes: 8 big-endian bytes that ascend with the rank and are distinct, and 8 random ones.
//  2. The even prefixes are those of records; the odd ones belong to no record.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "include/zkdb.h"

namespace zkdb::bench {

inline constexpr size_t kKeySize = 16;
inline constexpr size_t kValueSize = 100;
inline constexpr size_t kBatchRecords = 1000;

using Key = std::array<char, kKeySize>;

// A generator of 64-bit numbers (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

// Ends the program with a message: a measurement that went wrong gives no figure.
[[noreturn]] inline void Fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

inline void Require(bool is_right, const char* what) {
  if (!is_right) Fail(std::string("wrong answer: ") + what);
}

// `n` records in key order, and a random order of their ranks.
struct Records {
  std::vector<Key> keys;
  std::vector<Key> absent;
  std::vector<uint32_t> order;
  std::string text;

  explicit Records(size_t n) : keys(n), absent(n), order(n) {
    Random random(1);
    const uint64_t step = UINT64_MAX / (2 * n + 2);
    uint64_t prefix = 0;
    for (size_t i = 0; i < n; i++) {
      keys[i] = MakeKey(prefix += 1 + random.Next() % (2 * step - 1) / 2, random.Next());
      absent[i] = MakeKey(prefix += 1 + random.Next() % (2 * step - 1) / 2, random.Next());
      order[i] = static_cast<uint32_t>(i);
    }
    for (size_t i = n - 1; i > 0; i--) std::swap(order[i], order[random.Next() % (i + 1)]);
    text.resize(4096 + kValueSize);
    for (char& c : text) c = static_cast<char>(random.Next());
  }

  const char* Value(size_t rank) const { return text.data() + ((rank * 2654435761u) >> 7) % 4096; }

 private:
  static Key MakeKey(uint64_t prefix, uint64_t tail) {
    Key key;
    for (size_t i = 0; i < 8; i++) key[i] = static_cast<char>(prefix >> (56 - 8 * i));
    std::memcpy(key.data() + 8, &tail, 8);
    return key;
  }
};

// A database in a directory; every failure ends the program.
class Store {
 public:
  Store(const std::string& path, const char* durability) {
    zkdb_options* options = nullptr;
    Check(zkdb_options_create(&options));
    Check(zkdb_options_set(options, "Durability", durability, &error_));
    Check(zkdb_open(path.c_str(), options, &db_, &error_));
    zkdb_options_destroy(options);
  }
  ~Store() { Check(zkdb_close(db_, &error_)); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  zkdb_db* db() { return db_; }

  void Check(zkdb_code code) const {
    if (code != ZKDB_OK) Fail(std::string(zkdb_code_name(code)) + ": " + error_.message);
  }

  // Writes one batch of puts.
  void Put(const Records& records, const uint32_t* ranks, size_t count) {
    batch_.resize(count * (ZKDB_OP_HEADER_SIZE + kKeySize + kValueSize));
    char* at = batch_.data();
    for (size_t i = 0; i < count; i++) at = AppendPut(at, records.keys[ranks[i]], records.Value(ranks[i]));
    Check(zkdb_write(db_, batch_.data(), batch_.size(), ZKDB_DURABILITY_DEFAULT, 0, nullptr, &error_));
  }

  // Writes the records of `ranks` in batches.
  void Load(const Records& records, const std::vector<uint32_t>& ranks) {
    for (size_t from = 0; from < ranks.size(); from += kBatchRecords) {
      Put(records, ranks.data() + from, std::min(kBatchRecords, ranks.size() - from));
    }
  }

  // The size of the value, or -1.
  int64_t Get(const Key& key, char* buffer, size_t capacity) {
    size_t size = 0;
    const zkdb_code code = zkdb_get(db_, nullptr, key.data(), key.size(), buffer, capacity, &size, &error_);
    if (code == ZKDB_NOT_FOUND) return -1;
    Check(code);
    return static_cast<int64_t>(size);
  }

  // Looks up `count` keys that follow each other in memory. Gives the number of those found.
  size_t GetMany(const Key* keys, size_t count, std::vector<char>* buffer) {
    offsets_.resize(count + 1);
    sizes_.resize(count);
    for (size_t i = 0; i <= count; i++) offsets_[i] = static_cast<uint32_t>(i * kKeySize);
    uint32_t done = 0;
    size_t needed = 0;
    Check(zkdb_get_many(db_, nullptr, keys, offsets_.data(), static_cast<uint32_t>(count), buffer->data(),
                        buffer->size(), sizes_.data(), &done, &needed, &error_));
    size_t found = 0;
    for (size_t i = 0; i < done; i++) found += sizes_[i] == kValueSize;
    return found;
  }

  // Scans up to `limit` records from `from` (null: everything) and reads a byte of each key and value.
  // Gives the number of records.
  size_t Scan(const Key* from, uint32_t flags, size_t limit, std::vector<char>* buffer) {
    zkdb_range range{};
    if (from) range = {from->data(), from->size(), nullptr, 0, 0};
    zkdb_cursor* cursor = nullptr;
    Check(zkdb_cursor_open(db_, nullptr, nullptr, from ? &range : nullptr, flags, &cursor, &error_));
    size_t total = 0;
    for (int done = 0; !done && total < limit;) {
      size_t used = 0;
      uint32_t count = 0;
      const uint32_t wanted = static_cast<uint32_t>(std::min<size_t>(limit - total, 8192));
      Check(zkdb_cursor_next(cursor, buffer->data(), buffer->size(), wanted, &used, &count, &done, &error_));
      Touch(buffer->data(), used);
      total += count;
    }
    zkdb_cursor_close(cursor);
    return total;
  }

 private:
  static char* AppendPut(char* at, const Key& key, const char* value) {
    const uint16_t key_size = kKeySize;
    const uint32_t value_size = kValueSize;
    at[0] = ZKDB_OP_PUT;
    at[1] = 0;
    std::memcpy(at + 2, &key_size, sizeof key_size);
    std::memcpy(at + 4, &value_size, sizeof value_size);
    std::memcpy(at + ZKDB_OP_HEADER_SIZE, key.data(), kKeySize);
    std::memcpy(at + ZKDB_OP_HEADER_SIZE + kKeySize, value, kValueSize);
    return at + ZKDB_OP_HEADER_SIZE + kKeySize + kValueSize;
  }

  void Touch(const char* at, size_t used) {
    for (const char* end = at + used; at < end;) {
      uint32_t key_size = 0;
      uint32_t value_size = 0;
      std::memcpy(&key_size, at, sizeof key_size);
      std::memcpy(&value_size, at + 4, sizeof value_size);
      sink_ = sink_ + at[8] + at[8 + key_size];
      at += 8 + key_size + value_size;
    }
  }

  zkdb_db* db_ = nullptr;
  zkdb_error error_{};
  std::vector<char> batch_;
  std::vector<uint32_t> offsets_;
  std::vector<uint32_t> sizes_;
  int sink_ = 0;
};

// Nanoseconds that `run` takes.
template <typename Run>
double Nanoseconds(const Run& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace zkdb::bench
