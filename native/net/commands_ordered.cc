// SCAN KEYS DBSIZE FLUSHDB, ZK.RANGE ZK.CLEAR: what works on ranges of keys in order.
#include <algorithm>
#include <optional>
#include <vector>

#include "net/commands.h"
#include "net/glob.h"
#include "net/numbers.h"
#include "net/range_arguments.h"
#include "net/record_reader.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

constexpr size_t kRecordCost = 32;       // bytes that a record counts for besides its own
constexpr uint64_t kMostHidden = 65536;  // keys of others that one SCAN passes over

// The keys that begin with a pattern's literal start, behind `after` when it is given.
class PatternRange {
 public:
  PatternRange(Slice prefix, const std::string* after) : hi_(PrefixEnd(prefix)) {
    const bool resumes = after != nullptr && Compare(*after, prefix) >= 0;
    const Slice lo = resumes ? Slice(*after) : prefix;
    const uint32_t flags =
        (resumes ? uint32_t{ZKDB_RANGE_LO_EXCLUSIVE} : 0) | (hi_.empty() ? 0 : uint32_t{ZKDB_RANGE_HAS_HI});
    range_ = {lo.data, lo.size, hi_.data(), hi_.size(), flags};
  }
  PatternRange(const PatternRange&) = delete;
  PatternRange& operator=(const PatternRange&) = delete;
  const zkdb_range* get() const { return &range_; }

 private:
  const std::string hi_;
  zkdb_range range_;
};

// ---- SCAN

struct ScanOptions {
  Slice pattern = "*";
  uint64_t count = 10;
  bool strings = true;
};

// False after an error reply.
bool ParseCount(Session* s, Slice text, uint64_t* out) {
  int64_t count = 0;
  const bool number = ParseInteger(text, &count);
  if (number && count >= 1) {
    *out = static_cast<uint64_t>(count);
    return true;
  }
  number ? s->FailSyntax() : s->reply()->Error(kNotAnInteger);
  return false;
}

// False after an error reply.
bool ParseScanOptions(Session* s, Arguments options, ScanOptions* out) {
  bool good = options.size() % 2 == 0;
  for (size_t i = 0; good && i < options.size(); i += 2) {
    const Slice value = options[i + 1];
    if (IsWord(options[i], "COUNT")) {
      if (!ParseCount(s, value, &out->count)) return false;
    } else if (IsWord(options[i], "MATCH")) {
      out->pattern = value;
    } else if (IsWord(options[i], "TYPE")) {
      out->strings = IsWord(value, "STRING");
    } else {
      good = false;
    }
  }
  if (!good) s->FailSyntax();
  return good;
}

// Where a scan goes on: the key behind which it does, or nothing at its start. False after an error reply.
bool FindPosition(Session* s, Slice cursor, std::optional<std::string>* after) {
  int64_t number = 0;
  if (!ParseInteger(cursor, &number) || number < 0) {
    s->reply()->Error("ERR invalid cursor");
    return false;
  }
  if (number == 0) return true;
  if (s->server()->scan_cursors()->Find(static_cast<uint64_t>(number), s->info().database, s->info().user,
                                        &after->emplace())) {
    return true;
  }
  s->reply()->Error("ERR invalid cursor: it is not one of this database, or too old; begin again with 0");
  return false;
}

void ReplyScan(Session* s, uint64_t cursor, const std::vector<std::string>& keys) {
  s->reply()->Array(2);
  s->reply()->Bulk(std::to_string(cursor));
  s->reply()->Array(keys.size());
  for (const std::string& key : keys) s->reply()->Bulk(key);
}

// What one SCAN has come to.
struct ScanStep {
  ScanStep(uint64_t most_keys, size_t most_bytes) : most(most_keys), max_bytes(most_bytes) {}
  const uint64_t most;     // keys to look at
  const size_t max_bytes;  // of them
  uint64_t count = 0;
  uint64_t hidden = 0;
  size_t bytes = 0;
  std::string last;
  std::vector<std::string> keys;
  bool exhausted = true;
};

// Whether a scan that has reached `after` is through with the keys that begin with `prefix`.
bool IsBehind(Slice after, Slice prefix) {
  const std::string end = PrefixEnd(prefix);
  return !end.empty() && Compare(after, end) >= 0;
}

// Takes keys that begin with `prefix`. Those of others count as little as if they were not there, but that so many of
// them end the step. False after an error reply.
bool ScanBelow(Session* s, Slice prefix, const std::string* after, const ScanOptions& options, ScanStep* step) {
  const PatternRange range(prefix, after);
  const bool filters = s->access().filters();
  RecordReader reader(s->limits().max_output);
  Slice key;
  Slice value;
  reader.Open(s->store(), range.get(), ZKDB_SCAN_NO_VALUES, filters ? UINT64_MAX : step->most - step->count);
  while (step->count < step->most && step->bytes < step->max_bytes && step->hidden < kMostHidden &&
         reader.Next(&key, &value)) {
    step->last.assign(reinterpret_cast<const char*>(key.data), key.size);
    if (!s->access().Sees(key)) {
      ++step->hidden;
      continue;
    }
    ++step->count;
    step->bytes += kRecordCost + key.size;
    if (options.strings && GlobMatches(options.pattern, key)) step->keys.push_back(step->last);
  }
  if (reader.code() != ZKDB_OK) s->Fail(reader.error());
  step->exhausted = reader.exhausted();
  return reader.code() == ZKDB_OK;
}

// ---- ranges as arguments

// False after an error reply.
bool TakeRange(Session* s, Arguments options, bool bounds_only, RangeOptions* out) {
  if (!ParseRange(options, bounds_only, out)) {
    s->FailSyntax();
    return false;
  }
  const zkdb_range& range = out->range;
  return s->KeyFits({static_cast<const uint8_t*>(range.lo), range.lo_size}) &&
         s->KeyFits({static_cast<const uint8_t*>(range.hi), range.hi_size});
}

// Writes the records up to a limit of bytes; *last is then the key of the last one.
size_t ReplyRecords(Session* s, const RangeOptions& options, RecordReader* reader, std::string* last) {
  size_t count = 0;
  size_t bytes = 0;
  Slice key;
  Slice value;
  while (bytes < s->limits().pause_output && !s->output()->overflowed() && reader->Next(&key, &value)) {
    if (options.keys) s->reply()->Bulk(key);
    if (options.values) s->reply()->Bulk(value);
    ++count;
    bytes += kRecordCost + key.size + (options.values ? value.size : 0);
    if (bytes >= s->limits().pause_output || count == options.limit) last->assign(key.ToString());
  }
  return count;
}

// The records of a range and where it goes on; with `pinned` (not 0) the number of that snapshot when it does. Gives
// whether it does.
bool ReplyRange(Session* s, const RangeOptions& options, uint64_t pinned = 0) {
  RecordReader reader(s->limits().max_output);
  if (reader.Open(s->store(), &options.range, options.scan_flags, options.limit) != ZKDB_OK) {
    s->Fail(reader.error());
    return false;
  }
  OutputBuffer* const out = s->output();
  const size_t mark = out->size();
  std::string last;
  s->reply()->Array(options.pin ? 3 : 2);
  const size_t place = s->reply()->StartArray();
  const size_t count = ReplyRecords(s, options, &reader, &last);
  if (reader.code() != ZKDB_OK && !out->overflowed()) {
    out->Truncate(mark);
    s->Fail(reader.error());
    return false;
  }
  s->reply()->FinishArray(place, count * (options.keys && options.values ? 2 : 1));
  const bool more = count > 0 && !reader.exhausted();
  more ? s->reply()->Bulk(last) : s->reply()->Null();
  if (options.pin) more ? s->reply()->Integer(static_cast<int64_t>(pinned)) : s->reply()->Null();
  return more && !out->overflowed();
}

// The same of a state that stays when there is more: it is closed when nobody would know its number.
void ReplyPinnedRange(Session* s, const RangeOptions& options) {
  uint64_t id = 0;
  if (!s->OpenSnapshot(&id) || !s->ReadAt(id)) return;
  const bool more = ReplyRange(s, options, id);
  s->ReadLatest();
  if (!more) s->snapshots()->Close(id);
}

// ---- numbers of keys

// Records of the partitions as they are committed. False after an error reply.
bool CountCommitted(Session* s, uint64_t* count) {
  zkdb_db* const db = s->store().db;
  for (uint32_t i = 0; i < zkdb_partition_count(db); ++i) {
    zkdb_error error{};
    zkdb_partition_stats stats{};
    if (zkdb_stats_partition(db, i, 0, &stats, &error) != ZKDB_OK) {
      s->Fail(error);
      return false;
    }
    *count += stats.records;
  }
  return true;
}

// Records that a transaction sees, one by one. False after an error reply.
bool CountSeen(Session* s, uint64_t* count) {
  RecordReader reader(s->limits().max_output);
  Slice key;
  Slice value;
  if (reader.Open(s->store(), nullptr, ZKDB_SCAN_NO_KEYS | ZKDB_SCAN_NO_VALUES, UINT64_MAX) == ZKDB_OK) {
    while (reader.Next(&key, &value)) ++*count;
  }
  if (reader.code() != ZKDB_OK) s->Fail(reader.error());
  return reader.code() == ZKDB_OK;
}

// Deletes a range. False after an error reply.
bool Clear(Session* s, const zkdb_range& range, uint64_t* deleted) {
  BatchBuilder* batch = s->StartBatch();
  const Slice lo(static_cast<const uint8_t*>(range.lo), range.lo_size);
  const Slice hi(static_cast<const uint8_t*>(range.hi), range.hi_size);
  batch->Add(ZKDB_OP_DELETE_RANGE, lo, hi, static_cast<uint8_t>(range.flags));
  zkdb_error error{};
  zkdb_write_result result{};
  if (s->Write(*batch, 0, &result, &error) != ZKDB_OK) {
    s->Fail(error);
    return false;
  }
  *deleted = result.existed;
  return true;
}

}  // namespace

void Scan(Session* s, Arguments args) {
  ScanOptions options;
  std::optional<std::string> after;
  if (!FindPosition(s, args[1], &after) || !ParseScanOptions(s, args.subspan(2), &options)) return;
  ScanStep step(options.count, s->limits().pause_output);
  for (const std::string& prefix : s->access().VisiblePrefixes(GlobPrefix(options.pattern))) {
    if (after && IsBehind(*after, prefix)) continue;
    if (!ScanBelow(s, prefix, after ? &*after : nullptr, options, &step)) return;
    if (!step.exhausted) break;
  }
  const uint64_t next =
      step.exhausted ? 0 : s->server()->scan_cursors()->Save(s->info().database, s->info().user, step.last);
  ReplyScan(s, next, step.keys);
}

void Keys(Session* s, Arguments args) {
  const Slice pattern = args[1];
  OutputBuffer* const out = s->output();
  const size_t mark = out->size();
  const size_t place = s->reply()->StartArray();
  size_t count = 0;
  Slice key;
  Slice value;
  for (const std::string& prefix : s->access().VisiblePrefixes(GlobPrefix(pattern))) {
    const PatternRange range(prefix, nullptr);
    RecordReader reader(s->limits().max_output);
    if (reader.Open(s->store(), range.get(), ZKDB_SCAN_NO_VALUES, UINT64_MAX) == ZKDB_OK) {
      while (!out->overflowed() && reader.Next(&key, &value)) {
        if (!GlobMatches(pattern, key) || !s->access().Sees(key)) continue;
        s->reply()->Bulk(key);
        ++count;
      }
    }
    if (reader.code() == ZKDB_OK) continue;
    out->Truncate(mark);
    return s->Fail(reader.error());
  }
  s->reply()->FinishArray(place, count);
}

void DbSize(Session* s, Arguments) {
  uint64_t count = 0;
  const bool counted = s->store().txn == nullptr ? CountCommitted(s, &count) : CountSeen(s, &count);
  if (counted) s->reply()->Integer(static_cast<int64_t>(count));
}

void FlushDb(Session* s, Arguments args) {
  const bool known = args.size() == 1 || (args.size() == 2 && (IsWord(args[1], "ASYNC") || IsWord(args[1], "SYNC")));
  if (!known) return s->FailSyntax();
  uint64_t deleted = 0;
  if (Clear(s, zkdb_range{}, &deleted)) s->reply()->Ok();
}

// ZK.CLEAR [GT key | GTE key] [LT key | LTE key]: the number of keys that were deleted.
void ZkClear(Session* s, Arguments args) {
  RangeOptions options;
  uint64_t deleted = 0;
  if (!TakeRange(s, args.subspan(1), true, &options) || !Clear(s, options.range, &deleted)) return;
  s->reply()->Integer(static_cast<int64_t>(deleted));
}

// ZK.RANGE [GT key | GTE key] [LT key | LTE key] [REVERSE] [LIMIT n] [KEYS | VALUES] [SNAPSHOT id | PIN]: an array of
// two: the records (key, value, key, value, ... or only one of them) and the key to go on behind, null when the range
// ends here. With PIN of three: the number of a snapshot to go on with, null as the key.
void ZkRange(Session* s, Arguments args) {
  RangeOptions options;
  if (!TakeRange(s, args.subspan(1), false, &options)) return;
  if (s->store().txn != nullptr && (options.pin || options.snapshot != 0)) {
    return s->reply()->Error(std::string("ERR ") + (options.pin ? "PIN" : "SNAPSHOT") + " is not allowed behind MULTI");
  }
  if (options.pin) return ReplyPinnedRange(s, options);
  if (options.snapshot == 0) return static_cast<void>(ReplyRange(s, options));
  if (!s->ReadAt(options.snapshot)) return;
  ReplyRange(s, options);
  s->ReadLatest();
}

}  // namespace zkdb::net
