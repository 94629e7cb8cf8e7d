// Reading: point gets, interleaved batches of gets, snapshots, estimates.
#include <algorithm>
#include <array>

#include "core/engine/engine.h"
#include "core/segment/epoch.h"

namespace zkdb {

Snapshot::Snapshot(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {
  roots_.resize(engine_->partition_count());
  const EpochGuard guard;
  // Nothing behind it needs memory. Claimed with a number that is not newer than what CopyRoots then reads, so nothing
  // it needs is given away between.
  slot_ = engine_->snapshots_.Claim(engine_->queue_->published(), engine_->env_->MonotonicMs());
  sequence_ = engine_->queue_->CopyRoots(&roots_);
  slot_->sequence.store(sequence_, std::memory_order_seq_cst);
}

Snapshot::~Snapshot() { engine_->snapshots_.Release(slot_); }

Status Snapshot::Check() const {
  if (engine_->closed()) return engine_->ClosedStatus();
  if (!slot_->IsExpired()) return Status::Ok();
  return {ZKDB_SNAPSHOT_EXPIRED, "the snapshot of commit " + std::to_string(sequence_) +
                                     " has expired: it pinned more than SnapshotLimit; open a new one"};
}

namespace {

// A root reference as a tree: its depth is read from its page.
Status MakeTree(PageSpace* space, PageRef root, TreeRoot* out) {
  *out = TreeRoot{root, 0, 0};
  if (root.number == kNoPage) return Status::Ok();
  const uint8_t* page = nullptr;
  ZKDB_RETURN_IF_ERROR(space->Read(root, &page));
  out->levels = static_cast<uint8_t>(PageView(page).level() + 1);
  return Status::Ok();
}

zkdb_code Report(Status status, Status* out) {
  *out = std::move(status);
  return out->code();
}

}  // namespace

Status Engine::TreeOf(uint32_t partition, const Snapshot* snapshot, TreeRoot* out) {
  if (snapshot != nullptr) {
    ZKDB_RETURN_IF_ERROR(snapshot->Check());
  } else if (closed()) {
    return ClosedStatus();
  }
  const PageRef root = snapshot != nullptr ? snapshot->root(partition) : queue_->Root(partition);
  return MakeTree(&partitions_[partition]->space, root, out);
}

zkdb_code Engine::Expiry(const Snapshot* snapshot, Slice key, uint64_t* time, Status* status) {
  const EpochGuard guard;
  const uint32_t index = selector_.Select(key);
  TreeRoot root;
  RecordPlace place;
  ReadClock clock(env_);
  Status s = TreeOf(index, snapshot, &root);
  if (s.ok()) s = FindRecord(&partitions_[index]->space, root, key, &place, &clock);
  if (!s.ok()) return Report(std::move(s), status);
  if (!place.found) return ZKDB_NOT_FOUND;
  *time = place.time();
  return ZKDB_OK;
}

zkdb_code Engine::Get(const Snapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size,
                      Status* status) {
  const EpochGuard guard;
  const uint32_t index = selector_.Select(key);
  PageSpace* space = &partitions_[index]->space;
  TreeRoot root;
  if (Status s = TreeOf(index, snapshot, &root); !s.ok()) [[unlikely]]
    return Report(std::move(s), status);
  RecordPlace place;
  ReadClock clock(env_);
  if (Status s = FindRecord(space, root, key, &place, &clock); !s.ok()) [[unlikely]]
    return Report(std::move(s), status);
  if (!place.found) return ZKDB_NOT_FOUND;
  *size = place.value_size();
  if (*size > capacity) return ZKDB_BUFFER_TOO_SMALL;
  if (Status s = CopyValue(space, place.leaf, place.index, buffer); !s.ok()) [[unlikely]]
    return Report(std::move(s), status);
  return ZKDB_OK;
}

// ---- many at once

namespace {

constexpr uint32_t kInterleave = 16;  // lookups in flight: enough to keep the memory system busy

// A lookup on its way down. Each step reads lines that the step before asked for, while others take theirs.
struct Lookup {
  enum class Step : uint8_t { kSearchPage, kCompareKeys, kDone };

  Slice key;
  PageSpace* space = nullptr;
  PageRef ref;
  PageView page;  // of `ref`
  uint32_t level = 0;
  Step step = Step::kDone;
  HeadPosition heads;
  Position position;  // once it is done, in the leaf
};

// Goes on to the child that holds the key, which is asked for unless it has to be verified first.
Status GoDown(Lookup* l) {
  ZKDB_RETURN_IF_ERROR(SearchTreePage(l->space, l->page, l->key, &l->position));
  l->ref = l->page.child(ChildIndex(l->position));
  --l->level;
  const uint8_t* bytes = l->space->Find(l->ref.number);
  if (bytes == nullptr) return ReadTreePage(l->space, l->ref, l->level, &l->page);
  PrefetchPage(bytes);
  l->page = PageView(bytes);
  return Status::Ok();
}

Status StepLookup(Lookup* l) {
  if (l->step == Lookup::Step::kCompareKeys) {
    l->step = Lookup::Step::kDone;
    return SearchTreeTails(l->space, l->page, l->heads, l->key, &l->position);
  }
  // A page that was verified as another one: reading it says what and where.
  if (!IsTreePage(l->page, l->ref, l->level)) return ReadTreePage(l->space, l->ref, l->level, &l->page);
  if (l->level != 0) return GoDown(l);
  l->heads = SearchHeads(l->page, 0, l->key, MaxInlineKey(l->space->page_size()));
  l->step = Lookup::Step::kCompareKeys;
  return Status::Ok();
}

Status Descend(Lookup* lookups, uint32_t count) {
  for (bool any = true; any;) {
    any = false;
    for (uint32_t i = 0; i < count; ++i) {
      Lookup& l = lookups[i];
      if (l.step == Lookup::Step::kDone) continue;
      ZKDB_RETURN_IF_ERROR(StepLookup(&l));
      any |= l.step != Lookup::Step::kDone;
    }
  }
  return Status::Ok();
}

}  // namespace

zkdb_code Engine::GetMany(const Snapshot* snapshot, const uint8_t* keys, const uint32_t* offsets, uint32_t count,
                          uint8_t* buffer, size_t capacity, uint32_t* sizes, uint32_t* done, size_t* needed,
                          Status* status) {
  const EpochGuard guard;
  // All lookups see one commit, whatever is published meanwhile.
  std::vector<PageRef> latest;
  if (snapshot == nullptr) {
    if (closed()) return Report(ClosedStatus(), status);
    queue_->CopyRoots(&latest);
  } else if (Status s = snapshot->Check(); !s.ok()) {
    return Report(std::move(s), status);
  }
  size_t used = 0;
  ReadClock clock(env_);
  for (*done = 0; *done < count;) {
    std::array<Lookup, kInterleave> lookups;
    const uint32_t n = std::min(kInterleave, count - *done);
    for (uint32_t i = 0; i < n; ++i) {
      Lookup& l = lookups[i];
      const uint32_t at = *done + i;
      l.key = Slice(keys + offsets[at], offsets[at + 1] - offsets[at]);
      const uint32_t index = selector_.Select(l.key);
      l.space = &partitions_[index]->space;
      TreeRoot root;
      const PageRef ref = snapshot == nullptr ? latest[index] : snapshot->root(index);
      if (Status s = MakeTree(l.space, ref, &root); !s.ok()) return Report(std::move(s), status);
      if (root.levels == 0) continue;
      l.step = Lookup::Step::kSearchPage;
      l.level = root.levels - 1u;
      l.ref = root.page;
      if (Status s = ReadTreePage(l.space, root.page, l.level, &l.page); !s.ok()) return Report(std::move(s), status);
    }
    if (Status s = Descend(lookups.data(), n); !s.ok()) return Report(std::move(s), status);
    for (uint32_t i = 0; i < n; ++i) {
      const Lookup& l = lookups[i];
      if (!l.position.exact || clock.Ended(l.page.time(l.page.slot(l.position.index)))) {
        sizes[(*done)++] = UINT32_MAX;
        continue;
      }
      const uint32_t size = l.page.value_size(l.page.slot(l.position.index));
      if (size > capacity - used) {
        *needed = size;
        return ZKDB_BUFFER_TOO_SMALL;
      }
      if (Status s = CopyValue(l.space, l.page, l.position.index, buffer + used); !s.ok())
        return Report(std::move(s), status);
      used += size;
      sizes[(*done)++] = size;
    }
  }
  return ZKDB_OK;
}

Status Engine::Estimate(uint32_t partition, const KeyRange& range, uint64_t* records) {
  const EpochGuard guard;
  TreeRoot root;
  *records = 0;
  ZKDB_RETURN_IF_ERROR(TreeOf(partition, nullptr, &root));
  root.records = partitions_[partition]->records.load();
  if (!selector_.MayHold(partition, range.lo, range.has_hi, range.hi)) return Status::Ok();
  return EstimateRecords(&partitions_[partition]->space, root, range, records);
}

}  // namespace zkdb
