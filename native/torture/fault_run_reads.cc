// The reads of a FaultRun that damage can take out: ranges, batches of gets, estimates, transactions; and which of them
// it may take out.
#include "torture/fault_run.h"

namespace zkdb::test {
namespace {

// Appends packed records.
void Unpack(const char* bytes, uint32_t count, RecordList* out) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t k = Load32(p);
    const uint32_t v = Load32(p + 4);
    out->emplace_back(std::string(p + 8, p + 8 + k), std::string(p + 8 + k, p + 8 + k + v));
    p += 8 + k + v;
  }
}

// What a scan without keys or values gives of a record.
std::pair<std::string, std::string> Shown(const std::pair<std::string, std::string>& record, uint32_t flags) {
  return {(flags & ZKDB_SCAN_NO_KEYS) != 0 ? "" : record.first,
          (flags & ZKDB_SCAN_NO_VALUES) != 0 ? "" : record.second};
}

}  // namespace

// Reads what `cursor` gives from the record `from` of `expected` on.
void FaultRun::ReadScan(zkdb_cursor* cursor, const RecordList& expected, uint32_t flags, size_t capacity, size_t from) {
  std::vector<char> buffer(capacity);
  for (int done = 0; done == 0;) {
    size_t used = 0;
    uint32_t count = 0;
    const zkdb_code code = zkdb_cursor_next(cursor, buffer.data(), buffer.size(), 7, &used, &count, &done, &error_);
    if (code == ZKDB_BUFFER_TOO_SMALL) {
      buffer.resize(used), done = 0;
      continue;
    }
    if (!Allowed(code, "scan of a range")) return;
    RecordList got;
    Unpack(buffer.data(), count, &got);
    for (const auto& record : got) {
      if (!Note(from < expected.size() && record == Shown(expected[from], flags), "a scan of a range goes wrong"))
        return;
      ++from;
    }
  }
  Note(from == expected.size(), "a scan of a range ends early");
}

void FaultRun::Scan(const std::string& lo, const std::string& hi, uint32_t range_flags, uint32_t scan_flags,
                    size_t capacity, bool seeks) {
  if (db_ == nullptr) return;
  RecordList expected;
  for (const auto& record : Published()) {
    if (InRange(record.first, lo, hi, range_flags)) expected.push_back(record);
  }
  if ((scan_flags & ZKDB_SCAN_REVERSE) != 0) std::reverse(expected.begin(), expected.end());
  const zkdb_range range = RangeFrom(lo, hi, range_flags);
  zkdb_cursor* cursor = nullptr;
  if (!Allowed(zkdb_cursor_open(db_, nullptr, nullptr, &range, scan_flags, &cursor, &error_), "cursor")) return;
  ReadScan(cursor, expected, scan_flags, capacity, 0);
  if (seeks && !expected.empty()) {
    const size_t middle = expected.size() / 2;
    const std::string& key = expected[middle].first;
    if (Allowed(zkdb_cursor_seek(cursor, key.data(), key.size(), &error_), "seek"))
      ReadScan(cursor, expected, scan_flags, capacity, middle);
  }
  zkdb_cursor_close(cursor);
}

void FaultRun::GetMany() {
  if (db_ == nullptr) return;
  std::vector<std::pair<std::string, const std::string*>> asked;
  const Model all = Published();
  for (const auto& [k, v] : all) asked.insert(asked.end(), {{k, &v}, {k + "-", nullptr}});
  constexpr size_t kAtOnce = 20;
  std::vector<char> buffer(1u << 21);
  for (size_t i = 0; i < asked.size(); i += kAtOnce) {
    const auto n = static_cast<uint32_t>(std::min(kAtOnce, asked.size() - i));
    std::string keys;
    std::vector<uint32_t> offsets{0};
    for (size_t k = i; k < i + n; ++k) offsets.push_back(static_cast<uint32_t>(keys.append(asked[k].first).size()));
    std::vector<uint32_t> sizes(n);
    uint32_t done = 0;
    size_t needed = 0;
    const zkdb_code code = zkdb_get_many(db_, nullptr, keys.data(), offsets.data(), n, buffer.data(), buffer.size(),
                                         sizes.data(), &done, &needed, &error_);
    if (!Allowed(code, "many gets")) continue;
    Note(done == n, "a batch of gets is not answered");
    const char* value = buffer.data();
    for (uint32_t k = 0; k < n; ++k) {
      const std::string* expected = asked[i + k].second;
      if (!Note((sizes[k] != UINT32_MAX) == (expected != nullptr), "a batch of gets misses or invents a key")) return;
      if (expected == nullptr) continue;
      if (!Note(std::string_view(value, sizes[k]) == *expected, "a batch of gets gives something else")) return;
      value += sizes[k];
    }
  }
}

void FaultRun::Estimate() {
  if (db_ == nullptr) return;
  const Model all = Published();
  const std::string middle = all.empty() ? "k" : std::next(all.begin(), static_cast<ptrdiff_t>(all.size() / 2))->first;
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    const uint64_t limit = 2 * all.size() + 1;
    for (const uint32_t flags : {0u, uint32_t{ZKDB_RANGE_HAS_HI}}) {
      for (const std::string& bound : {std::string(), std::string("kd"), middle}) {
        const std::string none;
        const zkdb_range range = RangeFrom(flags == 0 ? bound : none, flags == 0 ? none : bound, flags);
        uint64_t records = 0;
        if (Allowed(zkdb_estimate(db_, p, &range, &records, &error_), "estimate"))
          Note(records <= limit, "an estimate is far beyond what there is");
      }
    }
  }
}

zkdb_code FaultRun::ScanInTransaction(zkdb_txn* txn, bool reverse, RecordList* out) {
  zkdb_cursor* cursor = nullptr;
  const uint32_t flags = reverse ? uint32_t{ZKDB_SCAN_REVERSE} : 0;
  zkdb_code code = zkdb_cursor_open(db_, nullptr, txn, nullptr, flags, &cursor, &error_);
  std::vector<char> buffer(1u << 21);
  int done = 0;
  for (int chunk = 0; code == ZKDB_OK && done == 0; ++chunk) {
    size_t used = 0;
    uint32_t count = 0;
    code = zkdb_cursor_next(cursor, buffer.data(), buffer.size(), 11, &used, &count, &done, &error_);
    if (code != ZKDB_OK) break;
    Unpack(buffer.data(), count, out);
    // A key that is written in the middle of the scan and deleted again: the scan finds its place anew.
    const std::string change = BatchBytes().Put("kh-between", "x").Delete("kh-between").bytes();
    if (chunk % 3 == 1) code = zkdb_txn_write(txn, change.data(), change.size(), nullptr, &error_);
  }
  zkdb_cursor_close(cursor);
  return code;
}

void FaultRun::ReadInTransaction(bool reverse) {
  if (db_ == nullptr) return;
  zkdb_txn* txn = nullptr;
  if (!Allowed(zkdb_txn_begin(db_, &txn, &error_), "transaction")) return;
  const Model all = Published();
  std::vector<char> value(1u << 21);
  for (const auto& [k, v] : all) {
    size_t size = 0;
    const zkdb_code code = zkdb_txn_get(txn, k.data(), k.size(), value.data(), value.size(), &size, &error_);
    if (Allowed(code, "get in a transaction")) {
      Note(std::string_view(value.data(), size) == v, "a get in a transaction gives something else");
    }
  }
  RecordList got;
  const zkdb_code code = ScanInTransaction(txn, reverse, &got);
  RecordList expected(all.begin(), all.end());
  if (reverse) std::reverse(expected.begin(), expected.end());
  const bool whole = Allowed(code, "scan in a transaction");
  if (!whole) expected.resize(std::min(expected.size(), got.size()));
  Note(got == expected, "a scan in a transaction gives something else");
  zkdb_txn_abort(txn);
}

// Whether a key that the last state changed is read as that state has it.
bool FaultRun::ShowsLast(const History& h) {
  std::vector<char> value(2u << 20);
  Model changed = h.states[h.current];
  changed.insert(h.states.back().begin(), h.states.back().end());
  for (const auto& [k, was] : changed) {
    const auto before = h.states[h.current].find(k);
    const auto after = h.states.back().find(k);
    const bool had = before != h.states[h.current].end();
    const bool has = after != h.states.back().end();
    if (had == has && before->second == after->second) continue;
    size_t size = 0;
    const zkdb_code code = zkdb_get(db_, nullptr, k.data(), k.size(), value.data(), value.size(), &size, &error_);
    if (code == ZKDB_OK) return has && after->second == std::string_view(value.data(), size);
    if (code == ZKDB_NOT_FOUND) return !has;
  }
  return false;
}

// Whether a state that may be published holds `key` with that value, or without a value does not hold it.
bool FaultRun::MayHold(const std::string& key, const std::string* value) const {
  const History& h = histories_[UnitOf(key)];
  for (size_t i = h.floor; i < h.states.size(); ++i) {
    const auto at = h.states[i].find(key);
    if (value == nullptr ? at == h.states[i].end() : at != h.states[i].end() && at->second == *value) return true;
  }
  return false;
}

void FaultRun::ExpectReadsAround(uint32_t damaged) {
  if (db_ == nullptr) return;
  std::vector<char> value(2u << 20);
  int stretches = 0;  // of neighbours that fail
  bool failing = false;
  for (const auto& [k, v] : Published()) {
    size_t size = 0;
    const zkdb_code code = zkdb_get(db_, nullptr, k.data(), k.size(), value.data(), value.size(), &size, &error_);
    const bool here = zkdb_partition_of(db_, k.data(), k.size()) == damaged;
    if (code == ZKDB_OK || code == ZKDB_NOT_FOUND) {
      const std::string got(value.data(), code == ZKDB_OK ? size : 0);
      Note(MayHold(k, code == ZKDB_OK ? &got : nullptr), "beside the damage a get gives something else");
    } else {
      Allowed(code, "get");
      Note(here, "the damage takes out a read of another partition");
    }
    if (!here) continue;
    const bool fails = code == ZKDB_CORRUPT;
    stretches += fails && !failing ? 1 : 0;
    failing = fails;
  }
  Note(stretches < 2, "the damage of a page takes out reads that do not need it");
}

}  // namespace zkdb::test
