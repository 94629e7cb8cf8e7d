#include "torture/isolation_client.h"

#include <array>
#include <thread>

namespace zkdb::test {

std::string ListKey(uint64_t round, uint32_t list) {
  return "L" + std::string(1, static_cast<char>('a' + list * 7 % 26)) + "/" + std::to_string(round) + "/" +
         std::to_string(list);
}

List ListFromBytes(std::string_view bytes) {
  List list(bytes.size() / 4);
  for (size_t i = 0; i < list.size(); ++i) list[i] = Load32(reinterpret_cast<const uint8_t*>(bytes.data()) + 4 * i);
  if (bytes.size() % 4 != 0) list.push_back(UINT32_MAX);  // nobody appends it
  return list;
}

std::string BytesFromList(const List& list) {
  std::string bytes(list.size() * 4, '\0');
  for (size_t i = 0; i < list.size(); ++i) Store32(reinterpret_cast<uint8_t*>(bytes.data()) + 4 * i, list[i]);
  return bytes;
}

std::string BallastKey(uint32_t number) {
  return "L" + std::string(1, static_cast<char>('a' + number % 26)) + "-" + std::to_string(number);
}

IsolationClient::IsolationClient(const std::string& path, Clock* clock, uint64_t seed, uint32_t thread)
    : path_(path), clock_(clock), random_(seed * 31 + thread), thread_(thread) {}

bool IsolationClient::Open(const OptionList& options) { return Ok(db_.Open(path_, options), "open"); }

bool IsolationClient::Ok(zkdb_code code, const char* what) {
  if (code == ZKDB_OK) return true;
  if (ok_) Fail(__FILE__, __LINE__, std::string(what) + ": " + zkdb_code_name(code) + ": " + db_.message());
  return ok_ = false;
}

void IsolationClient::Run(uint64_t round, size_t count) {
  if (round != round_) own_.assign(kOwnLists, {});
  round_ = round;
  elements_ = 0;
  history_.clear();
  while (ok_ && history_.size() < count) Step();
}

void IsolationClient::Step() {
  const uint64_t kind = Below(100);
  if (kind < 20) return SnapshotReads();
  if (kind < 23) return Scan();
  if (kind < 35) return PlainGet();
  if (kind < 40) return PlainGetMany();
  if (kind < 62) return Transact();
  if (kind < 85) return ConditionalBatch();
  OwnBatch();
}

zkdb_durability IsolationClient::AnyDurability() {
  const uint64_t kind = Below(100);
  return kind < 5 ? ZKDB_DURABILITY_COMMIT : (kind < 12 ? ZKDB_DURABILITY_INTERVAL : ZKDB_DURABILITY_NONE);
}

HistoryEntry IsolationClient::Begin(HistoryEntry::Kind kind) {
  HistoryEntry entry;
  entry.kind = kind;
  entry.thread = thread_;
  entry.begin = clock_->Tick();
  return entry;
}

void IsolationClient::End(HistoryEntry entry) {
  if (entry.end == 0) entry.end = clock_->Tick();
  if (ok_) history_.push_back(std::move(entry));
}

// ---- reading

// A list that is not there is an empty one.
bool IsolationClient::ReadThrough(zkdb_snapshot* snapshot, zkdb_txn* txn, uint32_t list, List* out) {
  const std::string key = ListKey(round_, list);
  std::array<char, 4096> buffer;
  size_t size = 0;
  const zkdb_code code =
      txn != nullptr
          ? zkdb_txn_get(txn, key.data(), key.size(), buffer.data(), buffer.size(), &size, &db_.error)
          : zkdb_get(db_.get(), snapshot, key.data(), key.size(), buffer.data(), buffer.size(), &size, &db_.error);
  out->clear();
  if (code == ZKDB_NOT_FOUND) return true;
  if (!Ok(code, "get")) return false;
  *out = ListFromBytes(std::string_view(buffer.data(), size));
  return true;
}

bool IsolationClient::ReadMany(zkdb_snapshot* snapshot, const std::vector<uint32_t>& lists, HistoryEntry* entry) {
  std::string keys;
  std::vector<uint32_t> offsets = {0};
  for (uint32_t list : lists) {
    keys += ListKey(round_, list);
    offsets.push_back(static_cast<uint32_t>(keys.size()));
  }
  std::string buffer(lists.size() * 4096, '\0');
  std::vector<uint32_t> sizes(lists.size());
  uint32_t done = 0;
  size_t needed = 0;
  const auto count = static_cast<uint32_t>(lists.size());
  if (!Ok(zkdb_get_many(db_.get(), snapshot, keys.data(), offsets.data(), count, buffer.data(), buffer.size(),
                        sizes.data(), &done, &needed, &db_.error),
          "getMany")) {
    return false;
  }
  const char* p = buffer.data();
  for (uint32_t i = 0; i < count; ++i) {
    const bool there = sizes[i] != UINT32_MAX;
    List list = there ? ListFromBytes(std::string_view(p, sizes[i])) : List();
    entry->accesses.push_back({Access::Kind::kRead, lists[i], 0, std::move(list)});
    if (there) p += sizes[i];
  }
  return true;
}

// All lists of the round with one scan.
bool IsolationClient::ReadAll(zkdb_snapshot* snapshot, zkdb_txn* txn, HistoryEntry* entry) {
  RecordList records;
  const zkdb_range range = RangeFrom("L", "M", ZKDB_RANGE_HAS_HI);
  zkdb_cursor* cursor = nullptr;
  const auto reverse = static_cast<uint32_t>(Below(2) == 0 ? ZKDB_SCAN_REVERSE : 0);
  if (!Ok(zkdb_cursor_open(db_.get(), snapshot, txn, &range, reverse, &cursor, &db_.error), "cursor")) return false;
  if (entry->end == 0 && txn == nullptr) entry->end = clock_->Tick();
  const zkdb_code code = Drain(cursor, &records, 8192, &db_.error);
  zkdb_cursor_close(cursor);
  if (!Ok(code, "scan")) return false;
  std::map<std::string, std::string> found(records.begin(), records.end());
  if (!EXPECT(found.size() == records.size())) return ok_ = false;
  for (uint32_t list = 0; list < kLists; ++list) {
    const auto at = found.find(ListKey(round_, list));
    entry->accesses.push_back({Access::Kind::kRead, list, 0, at == found.end() ? List() : ListFromBytes(at->second)});
  }
  return true;
}

// Several reads of one snapshot, some of them twice, with time for others to write between.
void IsolationClient::SnapshotReads() {
  HistoryEntry entry = Begin(HistoryEntry::Kind::kSnapshot);
  zkdb_snapshot* snapshot = nullptr;
  if (!Ok(zkdb_snapshot_open(db_.get(), &snapshot, &db_.error), "snapshot")) return;
  entry.end = clock_->Tick();
  entry.sequence = zkdb_snapshot_sequence(snapshot);
  const uint64_t way = Below(12);
  if (way == 0) ReadAll(snapshot, nullptr, &entry);
  if (way == 1) ReadMany(snapshot, {AnyList(), AnyList(), AnyList(), AnyList()}, &entry);
  for (uint64_t i = 1 + Below(5); i > 0 && ok_; --i) {
    const uint32_t list = entry.accesses.empty() || Below(3) != 0 ? AnyList() : entry.accesses.front().key;
    List seen;
    if (ReadThrough(snapshot, nullptr, list, &seen)) {
      entry.accesses.push_back({Access::Kind::kRead, list, 0, std::move(seen)});
    }
    if (Below(4) == 0) std::this_thread::yield();
  }
  zkdb_snapshot_close(snapshot);
  End(std::move(entry));
}

// A cursor with a snapshot of its own.
void IsolationClient::Scan() {
  HistoryEntry entry = Begin(HistoryEntry::Kind::kScan);
  if (ReadAll(nullptr, nullptr, &entry)) End(std::move(entry));
}

void IsolationClient::PlainGet() {
  HistoryEntry entry = Begin(HistoryEntry::Kind::kGet);
  const uint32_t list = AnyList();
  List seen;
  if (!ReadThrough(nullptr, nullptr, list, &seen)) return;
  entry.accesses.push_back({Access::Kind::kRead, list, 0, std::move(seen)});
  End(std::move(entry));
}

void IsolationClient::PlainGetMany() {
  HistoryEntry entry = Begin(HistoryEntry::Kind::kGet);
  if (ReadMany(nullptr, {AnyList(), AnyList(), AnyList()}, &entry)) End(std::move(entry));
}

// ---- transactions

// A read, or a read and an append. `own` is what the transaction made of this client's own lists.
bool IsolationClient::TransactionStep(zkdb_txn* txn, HistoryEntry* entry, std::vector<std::optional<List>>* own) {
  const bool mine = Below(4) == 0;
  const uint64_t which = Below(kOwnLists);
  const uint32_t list = mine ? Own(which) : (Below(3) == 0 ? AnyList() : AnyShared());
  List seen;
  if (!ReadThrough(nullptr, txn, list, &seen)) return false;
  entry->accesses.push_back({Access::Kind::kRead, list, 0, seen});
  const bool may_append = list < kSharedLists || mine;
  if (!may_append || Below(5) < 2) return true;
  const uint32_t element = NewElement();
  seen.push_back(element);
  BatchBytes batch;
  batch.Put(ListKey(round_, list), BytesFromList(seen));
  AddBallast(&batch);
  if (!Ok(zkdb_txn_write(txn, batch.bytes().data(), batch.bytes().size(), nullptr, &db_.error), "txn write")) {
    return false;
  }
  entry->accesses.push_back({Access::Kind::kAppend, list, element, {}});
  if (mine) (*own)[which] = seen;
  return true;
}

void IsolationClient::Transact() {
  HistoryEntry entry = Begin(HistoryEntry::Kind::kTransaction);
  zkdb_txn* txn = nullptr;
  if (!Ok(zkdb_txn_begin(db_.get(), &txn, &db_.error), "begin")) return;
  std::vector<std::optional<List>> own(kOwnLists);
  if (Below(4) == 0) {
    for (uint64_t i = 1 + Below(3); i > 0 && ok_; --i) {
      const uint32_t list = AnyList();
      List seen;
      if (ReadThrough(nullptr, txn, list, &seen)) entry.accesses.push_back({Access::Kind::kRead, list, 0, seen});
    }
  } else {
    for (uint64_t i = 1 + Below(4); i > 0 && ok_; --i) TransactionStep(txn, &entry, &own);
    if (Below(30) == 0 && ok_) ReadAll(nullptr, txn, &entry);
  }
  if (Below(6) == 0 || !ok_) {
    entry.committed = false;
    zkdb_txn_abort(txn);
    return End(std::move(entry));
  }
  zkdb_write_result result{};
  if (!Ok(zkdb_txn_commit(txn, AnyDurability(), &result, &db_.error), "commit")) return;
  entry.sequence = result.sequence;
  for (uint32_t i = 0; i < kOwnLists; ++i) {
    if (own[i]) own_[i] = *own[i];
  }
  End(std::move(entry));
}

// ---- batches

void IsolationClient::AddBallast(BatchBytes* batch) {
  for (uint64_t i = Below(4); i > 0; --i) {
    batch->Put(BallastKey(static_cast<uint32_t>(Below(kBallast))), std::string(20 + Below(180), 'b'));
  }
}

// Appends to lists that others append to as well: reads them, and writes when they are still what was read.
// `conditions` holds for each operation of the batch which access of the entry its condition is about, or -1.
void IsolationClient::ConditionalBatch() {
  std::vector<List> seen;
  std::vector<uint32_t> lists;
  for (uint64_t i = 1 + Below(3); i > 0; --i) {
    const uint32_t list = AnyShared();
    if (std::find(lists.begin(), lists.end(), list) != lists.end()) continue;
    HistoryEntry get = Begin(HistoryEntry::Kind::kGet);
    List now;
    if (!ReadThrough(nullptr, nullptr, list, &now)) return;
    get.accesses.push_back({Access::Kind::kRead, list, 0, now});
    End(std::move(get));
    lists.push_back(list);
    seen.push_back(now);
  }
  HistoryEntry entry = Begin(HistoryEntry::Kind::kBatch);
  BatchBytes batch;
  std::vector<int> conditions;
  for (size_t i = 0; i < lists.size(); ++i) {
    List next = seen[i];
    next.push_back(NewElement());
    const std::string key = ListKey(round_, lists[i]);
    if (seen[i].empty()) {
      batch.Add(ZKDB_OP_PUT_IF_ABSENT, key, BytesFromList(next));
    } else {
      batch.PutIfValue(key, BytesFromList(seen[i]), BytesFromList(next));
    }
    conditions.push_back(static_cast<int>(entry.accesses.size()));
    entry.accesses.push_back({Access::Kind::kRead, lists[i], 0, seen[i]});
    entry.accesses.push_back({Access::Kind::kAppend, lists[i], next.back(), {}});
  }
  AddBallast(&batch);
  if (Below(3) == 0) std::this_thread::yield();  // others may change what the conditions are about
  WriteBatch(&batch, std::move(entry), conditions);
}

// Appends to lists that nobody else appends to, in several partitions, without conditions.
void IsolationClient::OwnBatch() {
  HistoryEntry entry = Begin(HistoryEntry::Kind::kBatch);
  BatchBytes batch;
  const std::vector<List> before = own_;
  for (uint32_t i = 0; i < kOwnLists; ++i) {
    if (Below(4) == 0) continue;
    own_[i].push_back(NewElement());
    batch.Put(ListKey(round_, Own(i)), BytesFromList(own_[i]));
    entry.accesses.push_back({Access::Kind::kAppend, Own(i), own_[i].back(), {}});
  }
  AddBallast(&batch);
  WriteBatch(&batch, std::move(entry), {});
}

void IsolationClient::WriteBatch(BatchBytes* batch, HistoryEntry entry, const std::vector<int>& conditions) {
  if (!Ok(db_.Write(*batch, AnyDurability()), "write")) return;
  entry.sequence = db_.result.sequence;
  const int64_t failed = db_.result.failed_index;
  if (failed < 0) return End(std::move(entry));
  if (!EXPECT(static_cast<size_t>(failed) < conditions.size())) {
    ok_ = false;
    return;
  }
  // The batch was dropped; that a condition failed tells that its list has grown.
  entry.end = clock_->Tick();
  HistoryEntry knows = entry;
  Access known = entry.accesses[static_cast<size_t>(conditions[static_cast<size_t>(failed)])];
  known.kind = Access::Kind::kBeyond;
  knows.accesses = {known};
  entry.committed = false;
  // What it read before is no read of the dropped batch.
  std::erase_if(entry.accesses, [](const Access& a) { return a.kind == Access::Kind::kRead; });
  History more = {std::move(entry), std::move(knows)};
  for (HistoryEntry& e : more) history_.push_back(std::move(e));
}

}  // namespace zkdb::test
