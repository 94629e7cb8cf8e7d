#include "core/dispatch/local_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/coding.h"
#include "core/engine/scan.h"

namespace zkdb {
namespace {

constexpr uint32_t kKeysAtOnce = 256;
constexpr size_t kValueBytes = size_t{64} << 10;   // of values looked up ahead, unless one is larger
constexpr size_t kChunkBytes = size_t{256} << 10;  // of a scan, unless a record is larger
constexpr uint32_t kChunkRecords = 4096;

// Looks up some keys at a time, all in the state of one snapshot.
class LocalGets : public PendingGets {
 public:
  LocalGets(std::shared_ptr<Engine> engine, std::shared_ptr<Snapshot> snapshot, std::vector<Slice> keys)
      : engine_(std::move(engine)), snapshot_(std::move(snapshot)), keys_(std::move(keys)) {}

  zkdb_code Next(uint8_t* buffer, size_t capacity, size_t* size, Status* status) override {
    if (at_ == done_) {
      *status = LookUp();
      if (!status->ok()) return status->code();
    }
    const uint32_t found = sizes_[at_];
    if (found == UINT32_MAX) return ++at_, ZKDB_NOT_FOUND;
    *size = found;
    if (found > capacity) return ZKDB_BUFFER_TOO_SMALL;
    if (found != 0) std::memcpy(buffer, values_.data() + value_at_, found);
    value_at_ += found;
    ++at_;
    return ZKDB_OK;
  }

 private:
  Status LookUp() {
    if (snapshot_ == nullptr) {
      if (engine_->closed()) return engine_->ClosedStatus();
      snapshot_ = std::make_shared<Snapshot>(engine_);
    }
    first_ += done_;
    const auto count = static_cast<uint32_t>(std::min<size_t>(kKeysAtOnce, keys_.size() - first_));
    packed_.clear();
    offsets_.assign(1, 0);
    for (uint32_t i = 0; i < count; ++i) {
      const Slice key = keys_[first_ + i];
      packed_.insert(packed_.end(), key.data, key.data + key.size);
      offsets_.push_back(static_cast<uint32_t>(packed_.size()));
    }
    sizes_.resize(count);
    at_ = 0;
    value_at_ = 0;
    if (values_.size() < kValueBytes) values_.resize(kValueBytes);
    size_t needed = 0;
    Status status;
    zkdb_code code = ZKDB_BUFFER_TOO_SMALL;
    while (code == ZKDB_BUFFER_TOO_SMALL) {
      code = engine_->GetMany(snapshot_.get(), packed_.data(), offsets_.data(), count, values_.data(), values_.size(),
                              sizes_.data(), &done_, &needed, &status);
      if (code != ZKDB_BUFFER_TOO_SMALL || done_ > 0) break;
      values_.resize(needed);
    }
    return status;
  }

  const std::shared_ptr<Engine> engine_;
  std::shared_ptr<Snapshot> snapshot_;
  const std::vector<Slice> keys_;
  size_t first_ = 0;     // key of the ones looked up
  uint32_t done_ = 0;    // keys looked up
  uint32_t at_ = 0;      // of these, given out
  size_t value_at_ = 0;  // place of the next value
  std::vector<uint8_t> packed_;
  std::vector<uint32_t> offsets_;
  std::vector<uint32_t> sizes_;
  std::vector<uint8_t> values_;
};

// Works when it is waited for: the other stores have been asked by then.
class LocalWrite : public PendingWrite {
 public:
  LocalWrite(std::shared_ptr<Engine> engine, std::vector<Operation> operations, zkdb_durability durability,
             bool non_atomic)
      : engine_(std::move(engine)),
        operations_(std::move(operations)),
        durability_(durability),
        non_atomic_(non_atomic) {}

  Status Finish(WriteResult* result) override {
    std::vector<uint8_t> batch;
    for (const Operation& op : operations_) batch.insert(batch.end(), op.bytes, op.bytes + op.size);
    const Status status = engine_->Write({batch.data(), batch.size()}, durability_, non_atomic_, result);
    if (result->failed_index >= 0) {
      result->failed_index = operations_[static_cast<size_t>(result->failed_index)].index;
    }
    return status;
  }

 private:
  const std::shared_ptr<Engine> engine_;
  const std::vector<Operation> operations_;
  const zkdb_durability durability_;
  const bool non_atomic_;
};

class LocalChunks : public ChunkSource {
 public:
  LocalChunks(std::unique_ptr<DatabaseScan> scan, const ScanBounds* bounds) : scan_(std::move(scan)), bounds_(bounds) {}

  void Restart() override {
    done_ = false;
    moved_ = true;
  }

  Status Next(PackedChunk* out) override {
    if (std::exchange(moved_, false)) ZKDB_RETURN_IF_ERROR(scan_->Seek(bounds_->start));
    if (done_) return Status::Ok();
    size_t capacity = kChunkBytes;
    for (;;) {
      out->bytes.resize(capacity);
      size_t used = 0;
      uint32_t count = 0;
      bool too_small = false;
      ZKDB_RETURN_IF_ERROR(scan_->Pack(out->bytes.data(), capacity, kChunkRecords, &used, &count, &done_, &too_small));
      capacity = used;
      if (too_small) continue;
      out->bytes.resize(used);
      return Index(count, out);
    }
  }

 private:
  static Status Index(uint32_t count, PackedChunk* out) {
    size_t at = 0;
    for (uint32_t i = 0; i < count; ++i) {
      out->places.push_back(at);
      const uint8_t* record = out->bytes.data() + at;
      at += size_t{PackBuffer::kRecordHead} + Load32(record) + Load32(record + 4);
    }
    return Status::Ok();
  }

  const std::unique_ptr<DatabaseScan> scan_;
  const ScanBounds* const bounds_;
  bool moved_ = false;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<PendingGets> LocalStore::StartGets(StoreSnapshot* snapshot, std::vector<Slice> keys) {
  return std::make_unique<LocalGets>(engine_, Of(snapshot), std::move(keys));
}

std::unique_ptr<PendingWrite> LocalStore::StartWrite(std::vector<Operation> operations, zkdb_durability durability,
                                                     bool non_atomic) {
  return std::make_unique<LocalWrite>(engine_, std::move(operations), durability, non_atomic);
}

Status LocalStore::OpenChunks(std::shared_ptr<StoreSnapshot> snapshot, const ScanBounds* bounds,
                              std::unique_ptr<ChunkSource>* out) {
  ScanOptions options = bounds->options;
  options.no_keys = false;  // the merge needs them
  const KeyRange range{bounds->lo, bounds->hi, bounds->has_hi, bounds->lo_exclusive, bounds->hi_inclusive};
  std::unique_ptr<DatabaseScan> scan;
  ZKDB_RETURN_IF_ERROR(DatabaseScan::Open(Of(snapshot.get()), range, options, &scan));
  *out = std::make_unique<LocalChunks>(std::move(scan), bounds);
  return Status::Ok();
}

}  // namespace zkdb
