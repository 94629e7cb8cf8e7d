#include "torture/model_run.h"

#include <algorithm>
#include <cstdio>

namespace zkdb::test {
namespace {

OptionList OptionsOf(const ModelShape& shape) {
  return {{"PageSize", shape.page_size}, {"SegmentSize", shape.page_size == std::string("4096") ? "64K" : "256K"},
          {"LogFileSize", "64K"},        {"MinCheckpointSize", "512K"},
          {"Durability", "none"},        {"VerifyAll", shape.verify_all ? "Yes" : "No"}};
}

bool IsOperation(Act act) { return act <= Act::kExpire; }

}  // namespace

ModelRun::ModelRun(const ModelPlan& plan, const std::string& directory, ModelReport* report)
    : plan_(plan),
      path_(MakeShape(directory, plan.shape.partitions, plan.shape.isolated)),
      report_(report),
      model_(plan.keys.size()),
      segments_(plan.shape.partitions) {}

ModelRun::~ModelRun() {
  ReleasePins();
  if (txn_ != nullptr) zkdb_txn_abort(txn_);
}

bool ModelRun::Require(bool holds, const std::string& what) {
  if (holds || report_->failed) return holds;
  std::snprintf(report_->message, sizeof report_->message, "%s", what.c_str());
  report_->failed = true;
  return false;
}

bool ModelRun::RequireCode(zkdb_code code, zkdb_code expected, const std::string& what) {
  if (code == expected) return true;
  return Require(
      false, what + ": " + zkdb_code_name(code) + ", not " + zkdb_code_name(expected) + " (" + db_.error.message + ")");
}

bool ModelRun::Open() {
  if (!RequireCode(db_.Open(path_, OptionsOf(plan_.shape)), ZKDB_OK, "open")) return false;
  if (!partition_of_.empty()) return true;
  for (const std::string& key : plan_.keys) {
    partition_of_.push_back(zkdb_partition_of(db_.get(), key.data(), key.size()));
  }
  return true;
}

void ModelRun::Run() {
  if (!Open()) return;
  for (report_->step = 0; report_->step < plan_.operations.size() && !report_->failed; ++report_->step) {
    Do(plan_.operations[report_->step]);
  }
  if (report_->failed) return;
  if (txn_ != nullptr) End(false, {});
  const Range all = MakeRange("", "", 0);
  CompareScan(all, 0, nullptr, model_.committed());
  const std::string found = db_.Check();
  Require(found.empty(), "the check at the end: " + found);
  Reopen(true);
  CompareScan(all, 0, nullptr, model_.committed());
  report_->finished = !report_->failed;
}

void ModelRun::Do(const Step& step) {
  if (IsOperation(step.act)) return Gather(step);
  switch (step.act) {
    case Act::kWrite: return Write(step);
    case Act::kBegin: return Begin();
    case Act::kCommit: return End(true, step);
    case Act::kAbort: return End(false, step);
    case Act::kGet: return Get(step);
    case Act::kGetMany: return GetMany(step);
    case Act::kScan:
      return CompareScan(MakeRange(BoundOf(plan_, step.a), BoundOf(plan_, step.b), step.flags), step.more, nullptr,
                         model_.committed());
    default: return DoPinned(step);
  }
}

void ModelRun::DoPinned(const Step& step) {
  switch (step.act) {
    case Act::kSnapshotOpen: return SnapshotOpen(step.slot);
    case Act::kSnapshotScan:
      if (snapshots_[step.slot].handle == nullptr) return;
      return CompareScan(MakeRange("", "", 0), step.more, snapshots_[step.slot].handle, snapshots_[step.slot].version);
    case Act::kSnapshotClose: return SnapshotClose(step.slot);
    case Act::kCursorOpen: return CursorOpen(step);
    case Act::kCursorNext: return CursorNext(step);
    case Act::kCursorSeek: return CursorSeek(step);
    case Act::kCursorClose: return CursorClose(step.slot);
    default:
      if (txn_ == nullptr) DoWhole(step);  // they wait for the transaction of this thread, or are refused
  }
}

void ModelRun::DoWhole(const Step& step) {
  if (step.act == Act::kStats) return Stats();
  if (step.act == Act::kReopen) return Reopen(step.slot != 0);
  if (step.act == Act::kCheck) {
    const std::string found = db_.Check();
    Require(found.empty(), "check: " + found);
    return;
  }
  const bool checkpoint = step.act == Act::kCheckpoint;
  const zkdb_code code = checkpoint                  ? zkdb_checkpoint(db_.get(), &db_.error)
                         : step.act == Act::kCompact ? zkdb_compact(db_.get(), nullptr, nullptr, &db_.error)
                                                     : zkdb_sync(db_.get(), &db_.error);
  RequireCode(code, ZKDB_OK, "checkpoint, compact or sync");
  Stats();
}

// ---- transactions

void ModelRun::Begin() {
  if (txn_ != nullptr) {
    zkdb_txn* second = nullptr;
    RequireCode(zkdb_txn_begin(db_.get(), &second, &db_.error), ZKDB_INVALID, "a second transaction");
    return;
  }
  const bool refused = plan_.shape.isolated && plan_.shape.partitions > 1;
  RequireCode(zkdb_txn_begin(db_.get(), &txn_, &db_.error), refused ? ZKDB_CROSS_PARTITION : ZKDB_OK, "begin");
}

void ModelRun::End(bool commit, const Step& step) {
  if (txn_ == nullptr) return;
  for (uint32_t slot = 0; slot < kCursorSlots; ++slot) {
    if (cursors_[slot].of_transaction) CursorClose(slot);
  }
  zkdb_txn* const txn = std::exchange(txn_, nullptr);
  if (!commit) {
    zkdb_txn_abort(txn);
    return model_.Rollback();
  }
  const auto durability = static_cast<zkdb_durability>(step.flags & 3);
  if (RequireCode(zkdb_txn_commit(txn, durability, nullptr, &db_.error), ZKDB_OK, "commit")) model_.Commit();
  ++report_->commits;
}

// ---- reading

// Source 0 is the latest state, 1 to kSnapshotSlots a snapshot, kFromTransaction the transaction (false here).
bool ModelRun::Source(uint32_t number, zkdb_snapshot** snapshot, uint64_t* version) const {
  *snapshot = nullptr;
  *version = model_.committed();
  if (number == kFromTransaction) return txn_ == nullptr;
  if (number == 0 || snapshots_[number - 1].handle == nullptr) return true;
  *snapshot = snapshots_[number - 1].handle;
  *version = snapshots_[number - 1].version;
  return true;
}

std::optional<std::string> ModelRun::TransactionGet(const std::string& key) {
  std::string value(64, '\0');
  size_t size = 0;
  for (int i = 0; i < 2; ++i) {
    db_.code = zkdb_txn_get(txn_, key.data(), key.size(), value.data(), value.size(), &size, &db_.error);
    if (db_.code != ZKDB_BUFFER_TOO_SMALL) break;
    value.resize(size);
  }
  if (db_.code != ZKDB_OK) return std::nullopt;
  value.resize(size);
  return value;
}

void ModelRun::Get(const Step& step) {
  zkdb_snapshot* snapshot = nullptr;
  uint64_t version = 0;
  const bool committed = Source(step.slot, &snapshot, &version);
  const std::string& key = plan_.keys[step.a];
  const auto seen = committed ? db_.Get(key, snapshot) : TransactionGet(key);
  const ValueRef* expected = committed ? model_.At(step.a, version) : model_.Latest(step.a);
  const bool same = seen.has_value() == (expected != nullptr) && (!seen || *seen == BytesOf(*expected));
  if (!Require(same && (seen || db_.code == ZKDB_NOT_FOUND), "get from source " + std::to_string(step.slot))) return;
  CompareTime(step, committed, snapshot, expected);
}

void ModelRun::CompareTime(const Step& step, bool committed, zkdb_snapshot* snapshot, const ValueRef* expected) {
  const std::string& key = plan_.keys[step.a];
  uint64_t time = 0;
  const zkdb_code code = committed ? zkdb_expiry(db_.get(), snapshot, key.data(), key.size(), &time, &db_.error)
                                   : zkdb_txn_expiry(txn_, key.data(), key.size(), &time, &db_.error);
  if (!RequireCode(code, expected == nullptr ? ZKDB_NOT_FOUND : ZKDB_OK, "expiry") || expected == nullptr) return;
  Require(time == TimeOf(*expected),
          "a record ends at " + std::to_string(time) + ", not " + std::to_string(TimeOf(*expected)));
}

void ModelRun::GetMany(const Step& step) {
  zkdb_snapshot* snapshot = nullptr;
  uint64_t version = 0;
  if (!Source(step.slot, &snapshot, &version)) return;
  std::string keys;
  std::vector<uint32_t> offsets = {0};
  const auto rank = [&](uint32_t i) { return (step.a + 37 * i) % plan_.keys.size(); };
  for (uint32_t i = 0; i < step.b; ++i) {
    keys += plan_.keys[rank(i)];
    offsets.push_back(static_cast<uint32_t>(keys.size()));
  }
  buffer_.resize(1u << 16);
  std::vector<uint32_t> sizes(step.b);
  for (uint32_t from = 0; from < step.b;) {
    uint32_t done = 0;
    size_t needed = 0;
    const zkdb_code code = zkdb_get_many(db_.get(), snapshot, keys.data(), &offsets[from], step.b - from,
                                         buffer_.data(), buffer_.size(), sizes.data(), &done, &needed, &db_.error);
    const char* p = buffer_.data();
    for (uint32_t i = 0; i < done; ++i) {
      const ValueRef* expected = model_.At(rank(from + i), version);
      const bool there = sizes[i] != UINT32_MAX;
      const bool same =
          there == (expected != nullptr) && (!there || std::string_view(p, sizes[i]) == BytesOf(*expected));
      if (!Require(same, "getMany, key " + std::to_string(from + i))) return;
      if (there) p += sizes[i];
    }
    from += done;
    if (code == ZKDB_BUFFER_TOO_SMALL) {
      if (!Require(done > 0 || needed > buffer_.size(), "getMany says that a buffer is too small that is not")) return;
      buffer_.resize(std::max(buffer_.size(), needed));
    } else if (!RequireCode(code, ZKDB_OK, "getMany") || !Require(from == step.b, "getMany left keys out")) {
      return;
    }
  }
}

size_t ModelRun::RankAtOrAfter(const std::string& key) const {
  return static_cast<size_t>(std::lower_bound(plan_.keys.begin(), plan_.keys.end(), key) - plan_.keys.begin());
}

ModelRun::Range ModelRun::MakeRange(const std::string& lo, const std::string& hi, uint32_t flags) const {
  Range r{lo, hi, flags, RankAtOrAfter(lo), plan_.keys.size()};
  const auto is = [&](size_t rank, const std::string& key) {
    return rank < plan_.keys.size() && plan_.keys[rank] == key;
  };
  if ((flags & ZKDB_RANGE_LO_EXCLUSIVE) != 0 && is(r.first, lo)) ++r.first;
  if ((flags & ZKDB_RANGE_HAS_HI) == 0) return r;
  r.end = RankAtOrAfter(hi);
  if ((flags & ZKDB_RANGE_HI_INCLUSIVE) != 0 && is(r.end, hi)) ++r.end;
  r.end = std::max(r.first, r.end);
  return r;
}

// Reads a range at once, also unordered, which is compared as a set.
void ModelRun::CompareScan(const Range& range, uint32_t scan_flags, zkdb_snapshot* snapshot, uint64_t version) {
  RecordList seen;
  const uint32_t flags = scan_flags & (ZKDB_SCAN_REVERSE | ZKDB_SCAN_UNORDERED);
  const zkdb_range given = RangeFrom(range.lo, range.hi, range.flags);
  if (!RequireCode(db_.Scan(&seen, &given, flags, snapshot), ZKDB_OK, "scan")) return;
  if ((flags & ZKDB_SCAN_UNORDERED) != 0)
    std::sort(seen.begin(), seen.end());
  else if ((flags & ZKDB_SCAN_REVERSE) != 0)
    std::reverse(seen.begin(), seen.end());
  size_t at = 0;
  for (size_t rank = range.first; rank < range.end; ++rank) {
    const ValueRef* expected = model_.At(rank, version);
    if (expected == nullptr) continue;
    const bool same = at < seen.size() && seen[at].first == plan_.keys[rank] && seen[at].second == BytesOf(*expected);
    if (!Require(same, "record " + std::to_string(at) + " of a scan is not key " + std::to_string(rank))) return;
    ++at;
  }
  Require(at == seen.size(), "a scan gives " + std::to_string(seen.size()) + " records, not " + std::to_string(at));
  report_->records_compared += at;
}

void ModelRun::SnapshotOpen(uint32_t slot) {
  SnapshotClose(slot);
  OpenSnapshot& s = snapshots_[slot];
  if (!RequireCode(zkdb_snapshot_open(db_.get(), &s.handle, &db_.error), ZKDB_OK, "snapshot")) return;
  s.version = model_.committed();
  model_.Pin(s.version);
}

void ModelRun::SnapshotClose(uint32_t slot) {
  OpenSnapshot& s = snapshots_[slot];
  if (s.handle == nullptr) return;
  zkdb_snapshot_close(std::exchange(s.handle, nullptr));
  model_.Unpin(s.version);
}

// ---- the whole database

void ModelRun::Stats() {
  uint64_t records = 0;
  uint64_t expiring = 0;
  // Figures count what has ended until it is removed.
  if (!RequireCode(zkdb_sweep(db_.get(), nullptr, &db_.error), ZKDB_OK, "sweep")) return;
  for (uint32_t i = 0; i < plan_.shape.partitions; ++i) {
    zkdb_partition_stats stats{};
    if (!RequireCode(zkdb_stats_partition(db_.get(), i, 0, &stats, &db_.error), ZKDB_OK, "stats")) return;
    records += stats.records;
    expiring += stats.expiring;
    report_->depth_max = std::max<uint64_t>(report_->depth_max, stats.depth);
    report_->segments_max = std::max<uint64_t>(report_->segments_max, stats.segments);
    report_->segments_shrunk += stats.segments < segments_[i] ? 1 : 0;
    segments_[i] = stats.segments;
  }
  Require(records == model_.Count(),
          "the figures count " + std::to_string(records) + " records, not " + std::to_string(model_.Count()));
  Require(expiring == model_.CountExpiring(), "the figures count " + std::to_string(expiring) +
                                                  " records that expire, not " +
                                                  std::to_string(model_.CountExpiring()));
}

void ModelRun::ReleasePins() {
  for (uint32_t slot = 0; slot < kCursorSlots; ++slot) CursorClose(slot);
  for (uint32_t slot = 0; slot < kSnapshotSlots; ++slot) SnapshotClose(slot);
}

// Snapshots and cursors may outlive the database's handle: they then say so.
void ModelRun::Reopen(bool before_release) {
  if (before_release) ReleasePins();
  if (!RequireCode(db_.Close(), ZKDB_OK, "close")) return;
  for (const OpenCursor& c : cursors_) {
    if (c.handle == nullptr) continue;
    size_t used = 0;
    uint32_t count = 0;
    int done = 0;
    const zkdb_code code = zkdb_cursor_next(c.handle, buffer_.data(), buffer_.size(), 1, &used, &count, &done, nullptr);
    RequireCode(code, ZKDB_CLOSED, "a cursor of a closed database");
  }
  if (!Open()) return;
  ReleasePins();
  Require(db_.Stats().recovered_records == 0, "a clean close leaves nothing to replay");
  Stats();
}

}  // namespace zkdb::test
