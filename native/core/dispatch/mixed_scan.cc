#include "core/dispatch/mixed_scan.h"

#include "core/dispatch/remote_store.h"

namespace zkdb {

// A remote partition's chunks, with its name in failures, or with what is missing noted instead.
class MixedScan::RemotePart : public ChunkSource {
 public:
  RemotePart(const RemoteStore* store, uint32_t partition, std::unique_ptr<ChunkSource> source,
             std::vector<MissingPart>* missing)
      : store_(store), partition_(partition), source_(std::move(source)), missing_(missing) {}

  void Restart() override { source_->Restart(); }
  void Prepare() override { source_->Prepare(); }
  void Await() override { source_->Await(); }
  Status Next(PackedChunk* out) override {
    Status status = source_->Next(out);
    if (status.ok()) return status;
    status = store_->Named(status);
    if (missing_ == nullptr) return status;
    out->Clear();
    Slice from;
    const bool has_from = source_->Position(&from);
    missing_->push_back({partition_, has_from, from.ToString(), std::move(status)});
    return Status::Ok();
  }

 private:
  const RemoteStore* store_;
  const uint32_t partition_;
  const std::unique_ptr<ChunkSource> source_;
  std::vector<MissingPart>* const missing_;  // nullptr: a failure ends the scan
};

Status MixedScan::Open(const Engine* engine, std::shared_ptr<DispatchSnapshot> snapshot, bool opened,
                       const std::vector<Part>& parts, const KeyRange& range, const ScanOptions& options, bool partial,
                       std::unique_ptr<MixedScan>* out) {
  std::unique_ptr<MixedScan> scan(new MixedScan(engine, std::move(snapshot), range, options));
  const ScanBounds* bounds = scan->merge_.bounds();
  for (const Part& part : parts) {
    std::unique_ptr<ChunkSource> source;
    ZKDB_RETURN_IF_ERROR(part.store->OpenChunks(scan->snapshot_->Of(part.number), bounds, &source));
    if (part.remote != nullptr) {
      auto remote = std::make_unique<RemotePart>(part.remote, part.partition, std::move(source),
                                                 partial ? &scan->missing_ : nullptr);
      scan->remotes_.push_back(remote.get());
      source = std::move(remote);
    }
    scan->merge_.Add(std::make_unique<PackedStream>(std::move(source), bounds));
  }
  const bool pin = !opened && !options.pin_later;
  for (size_t i = 0; pin && i < scan->remotes_.size(); ++i) scan->remotes_[i]->Prepare();
  for (size_t i = 0; pin && i < scan->remotes_.size(); ++i) scan->remotes_[i]->Await();
  *out = std::move(scan);
  return Status::Ok();
}

Status MixedScan::Pack(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count,
                       bool* done, bool* too_small) {
  if (engine_->closed()) return engine_->ClosedStatus();
  snapshot_->KeepAlive();
  if (!prepared_ && !merge_.bounds()->options.unordered) {
    for (RemotePart* remote : remotes_) remote->Prepare();
  }
  prepared_ = true;
  return merge_.Pack(buffer, capacity, max_records, used, count, done, too_small);
}

Status MixedScan::Seek(Slice key) {
  if (engine_->closed()) return engine_->ClosedStatus();
  missing_.clear();
  prepared_ = false;
  return merge_.Seek(key);
}

}  // namespace zkdb
