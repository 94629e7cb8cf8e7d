#include "core/dispatch/dispatcher.h"

#include <algorithm>

#include "core/dispatch/local_store.h"

namespace zkdb {
namespace {

constexpr uint32_t kLocal = 0;  // the place of the local store

RemotePlace PlaceOf(const PartitionConfig& p) {
  return {p.server, p.tls, p.login, p.database, p.connect_timeout_ms, p.reply_timeout_ms};
}

zkdb_code Give(Status status, Status* out) {
  *out = std::move(status);
  return out->code();
}

// What a store reads from, for a use of the snapshot.
StoreSnapshot* StateOf(DispatchSnapshot* snapshot, uint32_t store) {
  if (snapshot == nullptr) return nullptr;
  snapshot->KeepAlive();
  return snapshot->Of(store).get();
}

}  // namespace

std::unique_ptr<Dispatcher> Dispatcher::For(std::shared_ptr<Engine> engine, Transport* transport) {
  if (engine->partition_count() == engine->whole_config().partitions.size()) return nullptr;
  return std::unique_ptr<Dispatcher>(new Dispatcher(std::move(engine), transport));
}

Dispatcher::Dispatcher(std::shared_ptr<Engine> engine, Transport* transport)
    : engine_(std::move(engine)), transport_(transport), selector_(engine_->whole_selector()) {
  stores_.push_back(std::make_unique<LocalStore>(engine_));
  uint32_t local = 0;
  for (const PartitionConfig& p : config().partitions) {
    remotes_.push_back(nullptr);
    if (!p.is_remote) {
      places_.push_back({kLocal, local++});
      continue;
    }
    places_.push_back({static_cast<uint32_t>(stores_.size()), 0});
    auto store = std::make_unique<RemoteStore>(transport, p.name, PlaceOf(p));
    remotes_.back() = store.get();
    stores_.push_back(std::move(store));
  }
}

Status Dispatcher::Refuse(const std::string& what) const {
  const auto remote = std::find_if(config().partitions.begin(), config().partitions.end(),
                                   [](const PartitionConfig& p) { return p.is_remote; });
  return {ZKDB_REMOTE, config().file + ": [" + remote->name + "] is remote: " + what};
}

std::shared_ptr<DispatchSnapshot> Dispatcher::OpenSnapshot(bool only_local) {
  std::vector<std::shared_ptr<StoreSnapshot>> states(stores_.size());
  for (size_t i = 0; i < (only_local ? 1 : stores_.size()); ++i) states[i] = stores_[i]->MakeSnapshot();
  auto snapshot = std::make_shared<DispatchSnapshot>(transport_, std::move(states));
  snapshot->Open();
  return snapshot;
}

zkdb_code Dispatcher::Get(DispatchSnapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size,
                          Status* status) {
  if (engine_->closed()) return Give(engine_->ClosedStatus(), status);
  const uint32_t store = StoreOf(key);
  return stores_[store]->Get(StateOf(snapshot, store), key, buffer, capacity, size, status);
}

zkdb_code Dispatcher::Expiry(DispatchSnapshot* snapshot, Slice key, uint64_t* time, Status* status) {
  if (engine_->closed()) return Give(engine_->ClosedStatus(), status);
  const uint32_t store = StoreOf(key);
  return stores_[store]->Expiry(StateOf(snapshot, store), key, time, status);
}

zkdb_code Dispatcher::GetMany(DispatchSnapshot* snapshot, const uint8_t* keys, const uint32_t* offsets, uint32_t count,
                              uint8_t* buffer, size_t capacity, uint32_t* sizes, uint32_t* done, size_t* needed,
                              Status* status) {
  *done = 0;
  if (engine_->closed()) return Give(engine_->ClosedStatus(), status);
  std::vector<std::vector<Slice>> parts(stores_.size());
  std::vector<uint32_t> store_of(count);
  for (uint32_t i = 0; i < count; ++i) {
    const Slice key(keys + offsets[i], offsets[i + 1] - offsets[i]);
    store_of[i] = StoreOf(key);
    parts[store_of[i]].push_back(key);
  }
  std::vector<std::unique_ptr<PendingGets>> pending(stores_.size());
  for (uint32_t s = 0; s < stores_.size(); ++s) {
    if (!parts[s].empty()) pending[s] = stores_[s]->StartGets(StateOf(snapshot, s), std::move(parts[s]));
  }
  size_t used = 0;
  for (; *done < count; ++*done) {
    size_t size = 0;
    const zkdb_code code = pending[store_of[*done]]->Next(buffer + used, capacity - used, &size, status);
    if (code == ZKDB_BUFFER_TOO_SMALL) *needed = size;
    if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return code;
    sizes[*done] = code == ZKDB_NOT_FOUND ? UINT32_MAX : static_cast<uint32_t>(size);
    used += size;
  }
  return ZKDB_OK;
}

// ---- writing

// Takes the operations of each store together, in their order. A range of several local partitions is one operation.
void Dispatcher::Split(const Batch& batch, std::vector<Part>* parts) const {
  std::vector<size_t> part_of(stores_.size(), SIZE_MAX);
  for (const Operation& op : batch.operations()) {
    const uint32_t store = places_[op.partition].store;
    if (part_of[store] == SIZE_MAX) {
      part_of[store] = parts->size();
      parts->push_back({store, {}, nullptr});
    }
    std::vector<Operation>& operations = (*parts)[part_of[store]].operations;
    if (operations.empty() || operations.back().index != op.index) operations.push_back(op);
  }
}

Status Dispatcher::CrossesStores(const std::vector<Part>& parts) const {
  std::string where;
  for (const Part& part : parts) {
    if (!where.empty()) where += ", ";
    if (part.store == kLocal) where += "the local partitions";
    for (uint32_t i = 0; part.store != kLocal && i < places_.size(); ++i) {
      if (places_[i].store == part.store) where += "[" + config().partitions[i].name + "]";
    }
  }
  return {ZKDB_CROSS_PARTITION,
          "the batch spans " + where + ", which commit by themselves; split it, or allow it to be non-atomic"};
}

Status Dispatcher::Write(Slice bytes, zkdb_durability durability, bool non_atomic, WriteResult* result) {
  *result = WriteResult{};
  if (engine_->closed()) return engine_->ClosedStatus();
  if (engine_->read_only()) return {ZKDB_READ_ONLY, config().file + ": the database was opened read-only"};
  Batch batch;
  ZKDB_RETURN_IF_ERROR(batch.Parse(bytes, selector_));
  std::vector<Part> parts;
  Split(batch, &parts);
  if (parts.empty()) return Status::Ok();
  if (parts.size() > 1 && !non_atomic) return CrossesStores(parts);
  if (parts.size() == 1 && parts[0].store == kLocal) return engine_->Write(bytes, durability, non_atomic, result);
  return WriteParts(&parts, durability, non_atomic, result);
}

Status Dispatcher::WriteParts(std::vector<Part>* parts, zkdb_durability durability, bool non_atomic,
                              WriteResult* result) {
  for (Part& part : *parts) {
    part.pending = stores_[part.store]->StartWrite(std::move(part.operations), durability, non_atomic);
  }
  Status failure;
  for (Part& part : *parts) {
    WriteResult one;
    const Status status = part.pending->Finish(&one);
    result->existed += one.existed;
    result->sequence = std::max(result->sequence, one.sequence);
    if (one.failed_index >= 0 && (result->failed_index < 0 || one.failed_index < result->failed_index)) {
      result->failed_index = one.failed_index;
    }
    if (!status.ok() && (failure.ok() || status.code() == ZKDB_UNKNOWN_OUTCOME)) failure = status;
  }
  if (failure.ok() || parts->size() == 1) return failure;
  return {failure.code(), failure.message() + "; the batch was not atomic: its other parts may have been carried out"};
}

Status Dispatcher::Sync() {
  Status failure;
  for (const auto& store : stores_) {
    Status status = store->Sync();
    if (failure.ok()) failure = std::move(status);
  }
  return failure;
}

// ---- scans and figures

Status Dispatcher::OpenScan(std::shared_ptr<DispatchSnapshot> snapshot, const KeyRange& range,
                            const ScanOptions& options, bool partial, std::unique_ptr<MixedScan>* out) {
  if (engine_->closed()) return engine_->ClosedStatus();
  const bool opened = snapshot != nullptr;
  std::vector<std::shared_ptr<StoreSnapshot>> states(stores_.size());
  std::vector<MixedScan::Part> parts;
  for (uint32_t i = 0; i < places_.size(); ++i) {
    if (!selector_.MayHold(i, range.lo, range.has_hi, range.hi)) continue;
    const bool local = remotes_[i] == nullptr;
    if (local && !parts.empty() && parts.front().remote == nullptr) continue;
    const uint32_t store = places_[i].store;
    if (!opened) states[store] = stores_[store]->MakeSnapshot();
    const MixedScan::Part part{stores_[store].get(), remotes_[i], i, store};
    parts.insert(local ? parts.begin() : parts.end(), part);
  }
  if (!opened) snapshot = std::make_shared<DispatchSnapshot>(transport_, std::move(states));
  return MixedScan::Open(engine_.get(), std::move(snapshot), opened, parts, range, options, partial, out);
}

Status Dispatcher::PartitionFigures(uint32_t partition, bool full, zkdb_partition_stats* out) {
  const Place place = places_[partition];
  return stores_[place.store]->PartitionFigures(place.partition, full, out);
}

Status Dispatcher::Estimate(uint32_t partition, const KeyRange& range, uint64_t* records) {
  *records = 0;
  if (engine_->closed()) return engine_->ClosedStatus();
  if (!selector_.MayHold(partition, range.lo, range.has_hi, range.hi)) return Status::Ok();
  const Place place = places_[partition];
  return stores_[place.store]->Estimate(place.partition, range, records);
}

// Every store is checked, whatever the others say; the first that could not be is told.
Status Dispatcher::Check(const PartitionStore::Finding& finding, const Progress& progress, uint64_t* findings) {
  *findings = 0;
  Status failure;
  for (const auto& store : stores_) {
    uint64_t here = 0;
    Status status = store->Check(finding, progress, &here);
    *findings += here;
    if (status.code() == ZKDB_ABORTED) return status;
    if (failure.ok()) failure = std::move(status);
  }
  return failure;
}

Status Dispatcher::Probe(uint32_t partition) {
  return remotes_[partition] == nullptr ? Status::Ok() : remotes_[partition]->Probe();
}

}  // namespace zkdb
