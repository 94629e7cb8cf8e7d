// The data that a command works on: a database, an open transaction of it while EXEC runs, or a snapshot that the
// client names; and the builder of packed batches (zkdb.h).
//
// Thread-safety: none; a store belongs to one session.
#pragma once

#include <memory>
#include <string>

#include "core/base/coding.h"
#include "core/base/slice.h"
#include "include/zkdb.h"

namespace zkdb::net {

// The time that a put gives its record.
struct NewTime {
  uint8_t flags = 0;  // zkdb_put_flag
  uint64_t time = 0;  // with ZKDB_PUT_EXPIRES: ms since 1970
};

// A packed batch. REQUIRES of every key: at most ZKDB_MAX_KEY_SIZE bytes; of every value: at most ZKDB_MAX_VALUE_SIZE.
class BatchBuilder {
 public:
  void Add(zkdb_op kind, Slice key, Slice value = {}, uint8_t flags = 0) {
    AddHead(kind, flags, key.size, value.size);
    Append(key);
    Append(value);
    ++count_;
  }
  // A put, without an expected value, that says when its record ends; no flags as in NewTime: never.
  void PutTimed(zkdb_op kind, Slice key, Slice value, const NewTime& time) {
    AddHead(kind, time.flags, key.size, TimeSize(time) + value.size);
    Append(key);
    AppendTime(time);
    Append(value);
    ++count_;
  }
  void PutIfValue(Slice key, Slice expected, Slice value, const NewTime& time = {}) {
    AddHead(ZKDB_OP_PUT_IF_VALUE, time.flags, key.size, sizeof(uint32_t) + expected.size + TimeSize(time) + value.size);
    Append(key);
    uint8_t size[sizeof(uint32_t)];
    Store32(size, static_cast<uint32_t>(expected.size));
    Append({size, sizeof size});
    Append(expected);
    AppendTime(time);
    Append(value);
    ++count_;
  }
  // Another time for the record that is there; `flags`: zkdb_expire_flag set.
  void Expire(Slice key, uint64_t time, uint8_t flags) {
    uint8_t times[2 * ZKDB_TIME_SIZE] = {};
    Store64(times, time);
    Add(ZKDB_OP_EXPIRE, key, {times, sizeof times}, flags);
  }
  // Empties it; memory beyond 16 KiB is given back.
  void Clear() {
    if (bytes_.capacity() > kKept) std::string().swap(bytes_);
    bytes_.clear();
    count_ = 0;
  }
  // Empties it and gives all memory back.
  void Release() {
    std::string().swap(bytes_);
    count_ = 0;
  }
  Slice bytes() const { return bytes_; }
  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }

 private:
  static constexpr size_t kKept = size_t{16} << 10;

  void AddHead(zkdb_op kind, uint8_t flags, size_t key_size, size_t value_size) {
    uint8_t head[ZKDB_OP_HEADER_SIZE] = {static_cast<uint8_t>(kind), flags};
    Store16(head + 2, static_cast<uint16_t>(key_size));
    Store32(head + 4, static_cast<uint32_t>(value_size));
    Append({head, sizeof head});
  }
  static size_t TimeSize(const NewTime& time) { return time.flags != 0 ? ZKDB_TIME_SIZE : 0; }
  void AppendTime(const NewTime& time) {
    uint8_t bytes[ZKDB_TIME_SIZE];
    Store64(bytes, time.time);
    Append({bytes, TimeSize(time)});
  }
  void Append(Slice s) { bytes_.append(reinterpret_cast<const char*>(s.data), s.size); }

  std::string bytes_;
  size_t count_ = 0;
};

struct CursorCloser {
  void operator()(zkdb_cursor* cursor) const { zkdb_cursor_close(cursor); }
};
struct SnapshotCloser {
  void operator()(zkdb_snapshot* snapshot) const { zkdb_snapshot_close(snapshot); }
};
struct TransactionAborter {
  void operator()(zkdb_txn* txn) const { zkdb_txn_abort(txn); }
};
using CursorHandle = std::unique_ptr<zkdb_cursor, CursorCloser>;
using SnapshotHandle = std::unique_ptr<zkdb_snapshot, SnapshotCloser>;
using TransactionHandle = std::unique_ptr<zkdb_txn, TransactionAborter>;

// The functions of zkdb.h of the same names, on the transaction when there is one. The codes are theirs.
struct Store {
  zkdb_db* db = nullptr;
  zkdb_txn* txn = nullptr;
  zkdb_snapshot* snapshot = nullptr;  // to read from; only without a transaction

  zkdb_code Get(Slice key, void* buffer, size_t capacity, size_t* size, zkdb_error* err) const {
    if (txn != nullptr) return zkdb_txn_get(txn, key.data, key.size, buffer, capacity, size, err);
    return zkdb_get(db, snapshot, key.data, key.size, buffer, capacity, size, err);
  }
  // Only the value's size. ZKDB_OK or ZKDB_NOT_FOUND, or a failure.
  zkdb_code Size(Slice key, size_t* size, zkdb_error* err) const {
    uint8_t nothing = 0;
    const zkdb_code code = Get(key, &nothing, 0, size, err);
    return code == ZKDB_BUFFER_TOO_SMALL ? ZKDB_OK : code;
  }
  zkdb_code Expiry(Slice key, uint64_t* time, zkdb_error* err) const {
    if (txn != nullptr) return zkdb_txn_expiry(txn, key.data, key.size, time, err);
    return zkdb_expiry(db, snapshot, key.data, key.size, time, err);
  }
  zkdb_code Write(const BatchBuilder& batch, uint32_t write_flags, zkdb_write_result* result, zkdb_error* err,
                  zkdb_durability durability = ZKDB_DURABILITY_DEFAULT) const {
    const Slice bytes = batch.bytes();
    *result = {0, 0, -1};
    if (txn != nullptr) return zkdb_txn_write(txn, bytes.data, bytes.size, result, err);
    return zkdb_write(db, bytes.data, bytes.size, durability, write_flags, result, err);
  }
  zkdb_code OpenCursor(const zkdb_range* range, uint32_t scan_flags, CursorHandle* out, zkdb_error* err) const {
    zkdb_cursor* cursor = nullptr;
    const zkdb_code code = zkdb_cursor_open(db, snapshot, txn, range, scan_flags, &cursor, err);
    out->reset(cursor);
    return code;
  }
};

}  // namespace zkdb::net
