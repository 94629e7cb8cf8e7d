// The writing half of ModelRun: batches of all operations, with and without conditions.
#include <algorithm>

#include "torture/model_run.h"

namespace zkdb::test {
namespace {

bool IsCondition(Act act) { return act >= Act::kPutIfAbsent && act <= Act::kDeleteIfValue; }

zkdb_op KindOf(Act act) { return static_cast<zkdb_op>(static_cast<int>(act) + 1); }
static_assert(static_cast<int>(Act::kPut) + 1 == ZKDB_OP_PUT);
static_assert(static_cast<int>(Act::kExpire) + 1 == ZKDB_OP_EXPIRE);

}  // namespace

void ModelRun::Gather(const Step& step) {
  if (IsCondition(step.act)) return GatherCondition(step);
  Pending p{step.act, step.a, step, {}, {}, {}, {}};
  if (step.act == Act::kDeleteRange) {
    p.rank = step.a / 4;  // of the key that the bound is near
    p.lo = BoundOf(plan_, step.a);
    p.hi = BoundOf(plan_, step.b);
  }
  pending_.push_back(std::move(p));
}

// Slot 0 asks for a condition that holds; the others expect: 1 a value that no key has, 2 other bytes, 3 a shorter, 4 a
// longer value than the key has.
void ModelRun::GatherCondition(Step step) {
  const ValueRef* has = model_.Latest(step.a);
  if (step.slot == 0 && has == nullptr) step.act = Act::kPutIfAbsent;
  if (step.slot == 0 && has != nullptr && step.act == Act::kPutIfAbsent) step.act = Act::kPutIfPresent;
  if (step.act == Act::kPutIfAbsent && step.more == kAsBefore) step.more = kNever;
  Pending p{step.act, step.a, step, {}, {}, {}, {}};
  if (has != nullptr) p.expected = *has;
  p.expects_other = has == nullptr || step.slot == 1;
  const auto table = static_cast<uint32_t>(ValueTable().size());
  if (step.slot == 2) p.expected.offset = (p.expected.offset + 4099) % (table - p.expected.size);
  if (step.slot == 3 && p.expected.size > 0) --p.expected.size;
  if (step.slot == 4 && p.expected.offset + p.expected.size < table) ++p.expected.size;
  pending_.push_back(std::move(p));
}

void ModelRun::Pack(const Pending& p, BatchBytes* batch) const {
  static constexpr std::string_view kOther = "a value that no key has";
  const std::string_view expected = p.expects_other ? kOther : BytesOf(p.expected);
  const std::string_view key = plan_.keys[p.rank];
  switch (p.act) {
    case Act::kDelete: batch->Delete(key); return;
    case Act::kDeleteRange: batch->Add(ZKDB_OP_DELETE_RANGE, p.lo, p.hi, p.step.flags); return;
    case Act::kDeleteIfValue: batch->Add(ZKDB_OP_DELETE_IF_VALUE, key, expected); return;
    case Act::kExpire: batch->Expire(key, p.step.more == kPast ? 1 : TimeOf(p.step.value), p.step.flags); return;
    default: break;
  }
  uint8_t flags = 0;
  if (p.step.more == kLater || p.step.more == kPast) flags = ZKDB_PUT_EXPIRES;
  if (p.step.more == kAsBefore) flags = ZKDB_PUT_KEEPS_TIME;
  std::string value(BytesOf(p.step.value));
  if (flags != 0) value.insert(0, BatchBytes::TimeBytes(p.step.more == kPast ? 1 : TimeOf(p.step.value)));
  if (p.act == Act::kPutIfValue) {
    batch->PutIfValue(key, expected, value, flags);
  } else {
    batch->Add(KindOf(p.act), key, value, flags);
  }
}

// Whether kExpire changes the record, which is `has`.
bool ModelRun::Expires(const Step& step, const ValueRef* has) {
  if (has == nullptr) return false;
  const uint64_t was = has->ends == 0 ? UINT64_MAX : TimeOf(*has);
  uint64_t will = step.more == kPast ? 1 : TimeOf(step.value);
  if (will == 0) will = UINT64_MAX;
  if ((step.flags & ZKDB_EXPIRE_IF_NONE) != 0 && has->ends != 0) return false;
  if ((step.flags & ZKDB_EXPIRE_IF_ANY) != 0 && has->ends == 0) return false;
  if ((step.flags & ZKDB_EXPIRE_IF_LATER) != 0 && will <= was) return false;
  return (step.flags & ZKDB_EXPIRE_IF_EARLIER) == 0 || will < was;
}

// What an operation on one key leaves in the model; returns whether it counts as one that found its key.
bool ModelRun::ApplyOne(const Pending& p) {
  const ValueRef* has = model_.Latest(p.rank);
  const bool there = has != nullptr;
  ValueRef next = p.step.value;
  if (p.act == Act::kExpire) {
    if (!Expires(p.step, has)) return false;
    next = *has;
    next.ends = p.step.value.ends;
  } else if (p.step.more == kAsBefore) {
    next.ends = there ? has->ends : 0;
  }
  const bool deletes = p.act == Act::kDelete || p.act == Act::kDeleteIfValue || p.step.more == kPast;
  if (!deletes) {
    model_.Put(p.rank, next);
  } else if (there) {
    model_.Delete(p.rank);
  }
  return there;
}

// Whether the operation's condition holds in the state before the batch.
bool ModelRun::Holds(const Pending& p) const {
  const ValueRef* has = model_.Latest(p.rank);
  if (p.act == Act::kPutIfAbsent) return has == nullptr;
  if (p.act == Act::kPutIfPresent) return has != nullptr;
  if (p.act != Act::kPutIfValue && p.act != Act::kDeleteIfValue) return true;
  return has != nullptr && !p.expects_other && BytesOf(*has) == BytesOf(p.expected);
}

int64_t ModelRun::FirstFailure(uint32_t partition) const {
  for (size_t i = 0; i < pending_.size(); ++i) {
    const Pending& p = pending_[i];
    if (p.act == Act::kDeleteRange || (partition != kAll && partition_of_[p.rank] != partition)) continue;
    if (!Holds(p)) return static_cast<int64_t>(i);
  }
  return -1;
}

uint64_t ModelRun::Apply(uint32_t partition) {
  uint64_t existed = 0;
  const auto mine = [&](size_t rank) { return partition == kAll || partition_of_[rank] == partition; };
  for (const Pending& p : pending_) {
    if (p.act == Act::kDeleteRange) {
      const Range range = MakeRange(p.lo, p.hi, p.step.flags);
      for (size_t rank = range.first; rank < range.end; ++rank) {
        if (!mine(rank) || model_.Latest(rank) == nullptr) continue;
        model_.Delete(rank);
        ++existed;
      }
      continue;
    }
    if (!mine(p.rank)) continue;
    existed += ApplyOne(p) ? 1 : 0;
  }
  return existed;
}

void ModelRun::Write(const Step& step) {
  BatchBytes batch;
  for (const Pending& p : pending_) Pack(p, &batch);
  const auto durability = static_cast<zkdb_durability>(step.flags & 3);
  zkdb_code code = ZKDB_OK;
  if (txn_ != nullptr) {
    code = zkdb_txn_write(txn_, batch.bytes().data(), batch.bytes().size(), &db_.result, &db_.error);
  } else {
    code = db_.Write(batch, durability, step.more);
  }
  ++report_->commits;
  if (plan_.shape.isolated && Spans()) {
    if ((step.more & ZKDB_WRITE_NON_ATOMIC) == 0 && code == ZKDB_CROSS_PARTITION) {
      pending_.clear();
      return;
    }
    return WriteIsolated(code);
  }
  const int64_t failure = FirstFailure(kAll);
  const uint64_t existed = failure < 0 ? Apply(kAll) : 0;
  if (txn_ == nullptr) model_.Commit();
  pending_.clear();
  if (!RequireCode(code, ZKDB_OK, "write")) return;
  Require(db_.result.failed_index == failure, "the failed operation is said to be " +
                                                  std::to_string(db_.result.failed_index) + ", not " +
                                                  std::to_string(failure));
  Require(db_.result.existed == existed, "the write says that " + std::to_string(db_.result.existed) +
                                             " keys existed, not " + std::to_string(existed));
}

// Whether the batch must, or by a range may, touch several partitions.
bool ModelRun::Spans() const {
  for (const Pending& p : pending_) {
    if (p.act == Act::kDeleteRange || partition_of_[p.rank] != partition_of_[pending_.front().rank]) {
      return plan_.shape.partitions > 1;
    }
  }
  return false;
}

// Each partition's part of the batch is a batch of its own.
void ModelRun::WriteIsolated(zkdb_code code) {
  int64_t failure = -1;
  uint64_t existed = 0;
  std::vector<bool> applies;
  for (uint32_t i = 0; i < plan_.shape.partitions; ++i) {
    const int64_t first = FirstFailure(i);
    applies.push_back(first < 0);
    if (first >= 0 && (failure < 0 || first < failure)) failure = first;
  }
  for (uint32_t i = 0; i < plan_.shape.partitions; ++i) existed += applies[i] ? Apply(i) : 0;
  model_.Commit();
  pending_.clear();
  if (!RequireCode(code, ZKDB_OK, "a batch over isolated partitions")) return;
  Require(db_.result.failed_index == failure && db_.result.existed == existed,
          "a batch over isolated partitions gives failed_index " + std::to_string(db_.result.failed_index) +
              " and existed " + std::to_string(db_.result.existed) + ", not " + std::to_string(failure) + " and " +
              std::to_string(existed));
}

}  // namespace zkdb::test
