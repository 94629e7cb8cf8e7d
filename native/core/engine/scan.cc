#include "core/engine/scan.h"

#include "core/base/coding.h"
#include "core/segment/epoch.h"

namespace zkdb {
namespace {

constexpr size_t kRecordHead = 8;  // u32 key size, u32 value size

}  // namespace

DatabaseScan::DatabaseScan(const KeyRange& range, const ScanOptions& options)
    : lo_(range.lo.ToString()), hi_(range.hi.ToString()), range_(range), options_(options) {}

KeyRange DatabaseScan::Range() const {
  KeyRange range = range_;
  range.lo = lo_;
  range.hi = hi_;
  return range;
}

Status DatabaseScan::Open(std::shared_ptr<Snapshot> snapshot, const KeyRange& range, const ScanOptions& options,
                          std::unique_ptr<DatabaseScan>* out) {
  std::unique_ptr<DatabaseScan> scan(new DatabaseScan(range, options));
  scan->engine_ = snapshot->engine().get();
  scan->snapshot_ = std::move(snapshot);
  ZKDB_RETURN_IF_ERROR(scan->Start(scan->Range()));
  *out = std::move(scan);
  return Status::Ok();
}

Status DatabaseScan::Open(Transaction* transaction, const KeyRange& range, const ScanOptions& options,
                          std::unique_ptr<DatabaseScan>* out) {
  std::unique_ptr<DatabaseScan> scan(new DatabaseScan(range, options));
  scan->engine_ = transaction->engine().get();
  scan->transaction_ = transaction;
  ZKDB_RETURN_IF_ERROR(scan->Start(scan->Range()));
  *out = std::move(scan);
  return Status::Ok();
}

Status DatabaseScan::CheckOpen() const {
  if (snapshot_ != nullptr) return snapshot_->Check();
  return transaction_->open() ? Status::Ok() : Status(ZKDB_CLOSED, "the transaction has ended");
}

// Collects the trees that can hold part of `range`, which is the scan's or less.
Status DatabaseScan::Start(const KeyRange& range) {
  const EpochGuard guard;
  ZKDB_RETURN_IF_ERROR(CheckOpen());
  std::vector<ScanSource> sources;
  for (uint32_t i = 0; i < engine_->partition_count(); ++i) {
    if (!engine_->selector().MayHold(i, range.lo, range.has_hi, range.hi)) continue;
    TreeRoot root;
    if (transaction_ != nullptr) {
      root = transaction_->RootOf(i);
    } else {
      ZKDB_RETURN_IF_ERROR(engine_->TreeOf(i, snapshot_.get(), &root));
    }
    if (root.levels > 0) sources.push_back({&engine_->partition(i).space, root});
  }
  ScanOptions options = options_;
  if (!options.times) options.clock = engine_->env();
  if (transaction_ != nullptr) {
    options.no_keys = false;  // the scan may have to find its place again
    options.unordered = false;
    version_ = transaction_->version();
  }
  scan_ = std::make_unique<RangeScan>(sources, range, options);
  return Status::Ok();
}

Status DatabaseScan::Pack(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count,
                          bool* done, bool* too_small) {
  const EpochGuard guard;
  ZKDB_RETURN_IF_ERROR(CheckOpen());
  if (transaction_ != nullptr) return PackTransaction(buffer, capacity, max_records, used, count, done, too_small);
  return scan_->Pack(buffer, capacity, max_records, used, count, done, too_small);
}

Status DatabaseScan::Seek(Slice key) {
  const EpochGuard guard;
  ZKDB_RETURN_IF_ERROR(CheckOpen());
  if (transaction_ == nullptr) return scan_->Seek(key);
  has_last_ = false;
  seek_key_ = key.ToString();
  has_seek_ = true;
  if (narrowed_ || transaction_->version() != version_) ZKDB_RETURN_IF_ERROR(Start(Range()));
  narrowed_ = false;
  return scan_->Seek(key);
}

// ---- a transaction's own state

// The transaction wrote since the last call: its pages changed, so the scan starts anew behind the last key, or where a
// seek left it.
Status DatabaseScan::Reposition() {
  if (transaction_->version() == version_) return Status::Ok();
  KeyRange range = Range();
  narrowed_ = has_last_;
  if (has_last_ && options_.reverse) {
    range.hi = last_key_;
    range.has_hi = true;
    range.hi_inclusive = false;
  } else if (has_last_) {
    range.lo = last_key_;
    range.lo_exclusive = true;
  }
  ZKDB_RETURN_IF_ERROR(Start(range));
  return has_seek_ && !has_last_ ? scan_->Seek(seek_key_) : Status::Ok();
}

Status DatabaseScan::PackTransaction(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used,
                                     uint32_t* count, bool* done, bool* too_small) {
  ZKDB_RETURN_IF_ERROR(Reposition());
  uint8_t* into = buffer;
  if (options_.no_keys) {
    whole_.resize(capacity);
    into = whole_.data();
  }
  ZKDB_RETURN_IF_ERROR(scan_->Pack(into, capacity, max_records, used, count, done, too_small));
  const uint8_t* record = into;
  for (uint32_t i = 0; i < *count; ++i) {
    const Slice key(record + kRecordHead, Load32(record));
    if (i + 1 == *count) last_key_ = key.ToString(), has_last_ = true;
    record += kRecordHead + key.size + Load32(record + 4);
  }
  if (options_.no_keys) Strip(buffer, used, *count);
  return Status::Ok();
}

// Copies the records to `buffer` without their keys.
void DatabaseScan::Strip(uint8_t* buffer, size_t* used, uint32_t count) const {
  if (count == 0) return;
  const uint8_t* from = whole_.data();
  uint8_t* to = buffer;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t key_size = Load32(from);
    const uint32_t value_size = Load32(from + 4);
    Store32(to, 0u);
    Store32(to + 4, value_size);
    std::memcpy(to + kRecordHead, from + kRecordHead + key_size, value_size);
    to += kRecordHead + value_size;
    from += kRecordHead + key_size + value_size;
  }
  *used = static_cast<size_t>(to - buffer);
}

}  // namespace zkdb
