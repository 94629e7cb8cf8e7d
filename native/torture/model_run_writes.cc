// The writing half of ModelRun: batches of all operations, with and without conditions.
#include <algorithm>

#include "torture/model_run.h"

namespace zkdb::test {
namespace {

bool IsCondition(Act act) { return act >= Act::kPutIfAbsent && act <= Act::kDeleteIfValue; }

zkdb_op KindOf(Act act) { return static_cast<zkdb_op>(static_cast<int>(act) + 1); }
static_assert(static_cast<int>(Act::kPut) + 1 == ZKDB_OP_PUT);
static_assert(static_cast<int>(Act::kDeleteIfValue) + 1 == ZKDB_OP_DELETE_IF_VALUE);

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
    case Act::kPutIfValue: batch->PutIfValue(key, expected, BytesOf(p.step.value)); return;
    case Act::kDeleteIfValue: batch->Add(ZKDB_OP_DELETE_IF_VALUE, key, expected); return;
    default: batch->Add(KindOf(p.act), key, BytesOf(p.step.value));
  }
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
    const bool there = model_.Latest(p.rank) != nullptr;
    existed += there ? 1 : 0;
    if (p.act != Act::kDelete && p.act != Act::kDeleteIfValue) {
      model_.Put(p.rank, p.step.value);
    } else if (there) {
      model_.Delete(p.rank);
    }
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
