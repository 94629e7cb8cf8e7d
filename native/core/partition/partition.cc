#include "core/partition/partition.h"

#include "core/btree/page.h"

namespace zkdb {
namespace {

SegmentOptions MakeSegmentOptions(const PartitionConfig& config, const PartitionIdentity& identity, uint32_t page_size,
                                  uint64_t segment_size, bool read_only, bool lock) {
  SegmentOptions options;
  options.directory = config.directory;
  options.page_size = page_size;
  options.segment_pages = static_cast<uint32_t>(segment_size / page_size);
  options.database_id = identity.database_id;
  options.partition_uid = identity.uid;
  options.read_only = read_only;
  options.lock = lock;
  return options;
}

}  // namespace

uint64_t PartitionUid(const DatabaseId& id, const std::string& name) {
  uint64_t h = 0xcbf29ce484222325;
  const auto mix = [&h](uint8_t b) { h = (h ^ b) * 0x100000001b3; };
  for (uint8_t b : id) mix(b);
  for (char c : name) mix(static_cast<uint8_t>(c));
  return h == 0 ? 1 : h;
}

Partition::Partition(Env* env, const PartitionConfig& partition_config, const PartitionIdentity& partition_identity,
                     uint32_t page_size, uint64_t segment_size, bool read_only, bool lock, FrameArena* arena)
    : config(partition_config),
      identity(partition_identity),
      space(env, MakeSegmentOptions(partition_config, partition_identity, page_size, segment_size, read_only, lock),
            arena, VerifyPageStructure) {}

Status Partition::Open(const Meta* meta) {
  ZKDB_RETURN_IF_ERROR(space.Open(meta));
  if (meta == nullptr) return Status::Ok();
  SetWorking({{meta->root, meta->levels, meta->records}, {meta->expiry_root, meta->expiry_levels, meta->expiring}});
  last_sequence = meta->sequence;
  checkpoint_sequence = meta->sequence;
  checkpoint_number_ = meta->checkpoint;
  opened_sequence_ = meta->sequence;
  return Status::Ok();
}

Status Partition::BeginCheckpoint(uint64_t oldest_snapshot, bool final, CheckpointPlan* plan) {
  Meta& meta = plan->meta;
  meta.magic = kMetaMagic;
  meta.version = kFormatVersion;
  meta.database_id = identity.database_id;
  meta.partition_uid = identity.uid;
  meta.checkpoint = checkpoint_number_ + 1;
  meta.page_size = space.page_size();
  meta.segment_pages = space.segment_pages();
  meta.root = working.records.page;
  meta.levels = working.records.levels;
  meta.records = working.records.records;
  meta.expiry_root = working.expiry.page;
  meta.expiry_levels = working.expiry.levels;
  meta.expiring = working.expiry.records;
  meta.fingerprint = identity.fingerprint;
  meta.partition_index = identity.index;
  return space.Capture(last_sequence.load(), oldest_snapshot, final, plan);
}

Status Partition::WriteCheckpoint(CheckpointPlan* plan, uint64_t now_ms) {
  plan->meta.time_ms = now_ms;
  ZKDB_RETURN_IF_ERROR(space.WriteCaptured(plan));
  return space.WriteMeta(*plan);
}

Status Partition::EndCheckpoint(const CheckpointPlan& plan) {
  checkpoint_number_ = plan.meta.checkpoint;
  checkpoint_sequence = plan.sequence;
  return space.Finish(plan);
}

}  // namespace zkdb
