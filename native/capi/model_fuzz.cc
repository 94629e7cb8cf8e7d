// Fuzzes the C interface: calls decoded from the input against an ordered map, with the smallest pages and segments.
// Besides reopening, a copy of the files is recovered the way that a killed process is.
//
// Input: byte 0 the shape of the database; then calls, one byte and their arguments each.
#include "capi/test_util.h"
#include "core/base/fuzz.h"

namespace zkdb::test {
namespace {

constexpr int kMostCalls = 60;

struct Held {
  zkdb_snapshot* snapshot;
  Model model;
};

class ApiRun {
 public:
  ApiRun(FuzzInput* input, const std::string& directory) : input_(input), directory_(directory) {
    static constexpr uint32_t kPartitions[] = {1, 3, 5, 16};
    const uint8_t shape = input->Byte();
    options_ = {{"PageSize", (shape & 8) != 0 ? "8192" : "4096"},
                {"SegmentSize", "64K"},
                {"LogFileSize", "64K"},
                {"CheckPoints", "No"},
                {"Durability", (shape & 16) != 0 ? "none" : "interval"},
                {"SyncInterval", "3600000"},
                {"VerifyAll", (shape & 32) != 0 ? "Yes" : "No"}};
    isolated_ = (shape & 4) != 0;
    path_ = MakeShape(directory + "/live", kPartitions[shape & 3], isolated_);
  }

  void Run() {
    EXPECT_EQ(db_.Open(path_, options_), ZKDB_OK);
    for (int n = 0; !input_->empty() && n < kMostCalls; ++n) Call();
    for (const Held& held : held_) {
      EXPECT(db_.All(held.snapshot) == held.model);
      zkdb_snapshot_close(held.snapshot);
    }
    EXPECT(db_.All() == model_);
    EXPECT_EQ(db_.Check(), "");
    EXPECT_EQ(db_.Close(), ZKDB_OK);
    EXPECT_EQ(db_.Open(path_, options_), ZKDB_OK);
    EXPECT(db_.All() == model_);
    EXPECT_EQ(db_.Stats().recovered_records, 0u);
  }

 private:
  uint32_t Below(uint32_t n) { return input_->Byte() % n; }
  bool Flip() { return Below(2) == 1; }

  std::string Key() {
    const uint8_t kind = input_->Byte();
    if (kind < 128) return std::string(1, static_cast<char>('a' + kind % 26)) + std::to_string(kind);
    if (kind < 160) return "key" + std::to_string(1000 + kind);
    if (kind < 176) return std::string(size_t{250} + kind % 16, 'p');
    if (kind < 188) return std::string(700, static_cast<char>('p' + kind % 2)) + std::to_string(kind % 5);
    if (kind == 255) return std::string(ZKDB_MAX_KEY_SIZE, 'z');
    return input_->Bytes(kind % 10).ToString();
  }

  std::string Value() {
    static constexpr size_t kSizes[] = {0, 1, 8, 50, 200, 700, 1020, 1990, 2040, 2100, 4070, 5000, 9000, 70000};
    const uint8_t kind = input_->Byte();
    return std::string(kSizes[kind % 14], static_cast<char>('a' + kind / 14));
  }

  void AddOperation(BatchBytes* batch, Model* model) {
    const uint32_t kind = Below(16);
    const std::string key = Key();
    if (kind == 0) {
      const std::string hi = Key();
      const uint32_t flags = Below(8);
      batch->Add(ZKDB_OP_DELETE_RANGE, key, hi, static_cast<uint8_t>(flags));
      std::erase_if(*model, [&](const auto& r) { return InRange(r.first, key, hi, flags); });
    } else if (kind < 6) {
      batch->Delete(key);
      model->erase(key);
    } else {
      const std::string value = Value();
      if (kind > 12) return AddTimed(kind, key, value, batch, model);
      batch->Put(key, value);
      (*model)[key] = value;
    }
  }

  // Times that have passed and times that no run sees: what is there does not depend on the clock.
  void AddTimed(uint32_t kind, const std::string& key, const std::string& value, BatchBytes* batch, Model* model) {
    const bool ended = Flip();
    const uint64_t time = ended ? 1 : uint64_t{1} << 50;
    if (kind == 13) {
      batch->Expire(key, time);
    } else if (kind == 14) {
      batch->PutTimed(key, value, time);
    } else {
      batch->Put(key, value).PutTimed(key, value, 0, ZKDB_PUT_KEEPS_TIME).Expire(key, time);
    }
    if (kind != 13) (*model)[key] = value;
    if (ended) model->erase(key);
  }

  // Ascending, descending or scattered keys in numbers that fill pages.
  void AddMany(BatchBytes* batch, Model* model) {
    const uint32_t count = 1 + Below(200);
    const uint32_t stride = 1 + Below(7);
    const uint32_t start = input_->Number(2);
    const uint32_t size = Below(256);
    const bool erase = Below(4) == 3;
    for (uint32_t i = 0; i < count; ++i) {
      const std::string key = "n" + std::string(1, static_cast<char>('a' + i % 3)) +
                              std::to_string(100000 + (start + (stride > 4 ? 0 - i : i) * stride) % 8192);
      if (erase) {
        batch->Delete(key);
        model->erase(key);
      } else {
        batch->Put(key, std::string(size, static_cast<char>('A' + i % 26)));
        (*model)[key] = std::string(size, static_cast<char>('A' + i % 26));
      }
    }
  }

  void AddSome(BatchBytes* batch, Model* model) {
    if (Below(3) == 2) return AddMany(batch, model);
    for (uint32_t n = Below(12); n > 0; --n) AddOperation(batch, model);
  }

  void Write() {
    BatchBytes batch;
    AddSome(&batch, &model_);
    EXPECT_EQ(db_.Write(batch, static_cast<zkdb_durability>(Below(4)), ZKDB_WRITE_NON_ATOMIC), ZKDB_OK);
    EXPECT_EQ(db_.result.failed_index, -1);
  }

  // Bytes of the input as a batch: malformed ones are refused and change nothing, the others are not modelled.
  void WriteGarbage() {
    const std::string bytes = input_->Bytes(Below(40)).ToString();
    const zkdb_code code = db_.WriteBytes(bytes, ZKDB_DURABILITY_NONE, ZKDB_WRITE_NON_ATOMIC);
    EXPECT(code == ZKDB_OK || code == ZKDB_INVALID);
    if (code == ZKDB_OK) model_ = db_.All();
  }

  void WriteCondition() {
    const std::string key = Key();
    const auto at = model_.find(key);
    const bool there = at != model_.end();
    const uint32_t kind = Below(4);
    const std::string expected = there && Flip() ? at->second : "other";
    const bool equal = there && at->second == expected;
    BatchBytes batch;
    if (kind == 0) batch.Add(ZKDB_OP_PUT_IF_ABSENT, key, "new");
    if (kind == 1) batch.Add(ZKDB_OP_PUT_IF_PRESENT, key, "new");
    if (kind == 2) batch.PutIfValue(key, expected, "new");
    if (kind == 3) batch.Add(ZKDB_OP_DELETE_IF_VALUE, key, expected);
    const bool met = kind == 0 ? !there : (kind == 1 ? there : equal);
    EXPECT_EQ(db_.Write(batch), ZKDB_OK);
    EXPECT_EQ(db_.result.failed_index, met ? -1 : 0);
    if (met && kind == 3) model_.erase(key);
    if (met && kind != 3) model_[key] = "new";
  }

  void Transact() {
    zkdb_txn* txn = nullptr;
    const zkdb_code begun = zkdb_txn_begin(db_.get(), &txn, &db_.error);
    if (isolated_ && zkdb_partition_count(db_.get()) > 1) {
      EXPECT_EQ(begun, ZKDB_CROSS_PARTITION);
      return;
    }
    EXPECT_EQ(begun, ZKDB_OK);
    Model next = model_;
    for (uint32_t parts = Below(4); parts > 0; --parts) {
      BatchBytes batch;
      AddSome(&batch, &next);
      EXPECT_EQ(zkdb_txn_write(txn, batch.bytes().data(), batch.bytes().size(), nullptr, &db_.error), ZKDB_OK);
      RecordList seen;
      EXPECT_EQ(db_.Scan(&seen, nullptr, 0, nullptr, txn), ZKDB_OK);
      EXPECT(Model(seen.begin(), seen.end()) == next);
    }
    if (Flip()) return zkdb_txn_abort(txn);
    EXPECT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_NONE, nullptr, &db_.error), ZKDB_OK);
    model_ = std::move(next);
  }

  void Snapshots() {
    if (held_.size() < 3 && Flip()) {
      zkdb_snapshot* snapshot = nullptr;
      EXPECT_EQ(zkdb_snapshot_open(db_.get(), &snapshot, &db_.error), ZKDB_OK);
      held_.push_back({snapshot, model_});
    } else if (!held_.empty()) {
      const size_t i = Below(static_cast<uint32_t>(held_.size()));
      EXPECT(db_.All(held_[i].snapshot) == held_[i].model);
      zkdb_snapshot_close(held_[i].snapshot);
      held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void Scan() {
    const std::string lo = Key();
    const std::string hi = Key();
    const uint32_t flags = Below(8);
    const uint32_t direction = Flip() ? uint32_t{ZKDB_SCAN_REVERSE} : 0;
    RecordList expected;
    for (const auto& [k, v] : model_) {
      if (InRange(k, lo, hi, flags)) expected.emplace_back(k, v);
    }
    if (direction != 0) std::reverse(expected.begin(), expected.end());
    const zkdb_range range = RangeFrom(lo, hi, flags);
    RecordList seen;
    EXPECT_EQ(db_.Scan(&seen, &range, direction, nullptr, nullptr, size_t{16} << Below(12)), ZKDB_OK);
    EXPECT(seen == expected);
    SeekIn(&range, direction, expected);
  }

  void SeekIn(const zkdb_range* range, uint32_t direction, const RecordList& all) {
    const std::string key = Key();
    RecordList expected;
    for (const auto& r : all) {
      if (direction == 0 ? r.first >= key : r.first <= key) expected.push_back(r);
    }
    zkdb_cursor* cursor = nullptr;
    EXPECT_EQ(zkdb_cursor_open(db_.get(), nullptr, nullptr, range, direction, &cursor, &db_.error), ZKDB_OK);
    EXPECT_EQ(zkdb_cursor_seek(cursor, key.data(), key.size(), &db_.error), ZKDB_OK);
    RecordList seen;
    EXPECT_EQ(Drain(cursor, &seen), ZKDB_OK);
    zkdb_cursor_close(cursor);
    EXPECT(seen == expected);
  }

  void GetOne() {
    const std::string key = Key();
    const auto at = model_.find(key);
    EXPECT(db_.Get(key) == (at == model_.end() ? std::nullopt : std::optional(at->second)));
  }

  void GetMany() {
    std::string keys;
    std::vector<std::string> list;
    std::vector<uint32_t> offsets = {0};
    for (uint32_t n = Below(20); n > 0; --n) {
      list.push_back(Key());
      keys += list.back();
      offsets.push_back(static_cast<uint32_t>(keys.size()));
    }
    const auto count = static_cast<uint32_t>(list.size());
    std::vector<uint32_t> sizes(count + 1);
    std::string buffer(size_t{2} << 20, '\0');
    uint32_t done = 0;
    size_t needed = 0;
    EXPECT_EQ(zkdb_get_many(db_.get(), nullptr, keys.data(), offsets.data(), count, buffer.data(), buffer.size(),
                            sizes.data(), &done, &needed, &db_.error),
              ZKDB_OK);
    EXPECT_EQ(done, count);
    size_t at = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const auto found = model_.find(list[i]);
      EXPECT_EQ(sizes[i] != UINT32_MAX, found != model_.end());
      if (sizes[i] == UINT32_MAX) continue;
      EXPECT(buffer.compare(at, sizes[i], found->second) == 0 && sizes[i] == found->second.size());
      at += sizes[i];
    }
  }

  void Reopen() {
    // Snapshots of the closed database give an error or what they held.
    for (const Held& held : held_) zkdb_snapshot_close(held.snapshot);
    held_.clear();
    EXPECT_EQ(db_.Close(), ZKDB_OK);
    EXPECT_EQ(db_.Open(path_, options_), ZKDB_OK);
    EXPECT(db_.All() == model_);
  }

  // A copy of the files, made while nothing runs, is what a killed process leaves.
  void RecoverCopy() {
    EXPECT_EQ(zkdb_sync(db_.get(), &db_.error), ZKDB_OK);
    const std::string copy = directory_ + "/copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(directory_ + "/live", copy, std::filesystem::copy_options::recursive);
    TestDb recovered;
    EXPECT_EQ(recovered.Open(copy + "/test.conf", options_), ZKDB_OK);
    EXPECT(recovered.All() == model_);
    EXPECT_EQ(recovered.Check(), "");
    EXPECT_EQ(recovered.Put("after", "recovery"), ZKDB_OK);
  }

  void Backup() {
    const std::string copy = directory_ + "/backup";
    std::filesystem::remove_all(copy);
    EXPECT_EQ(zkdb_backup(db_.get(), copy.c_str(), nullptr, nullptr, &db_.error), ZKDB_OK);
    TestDb restored;
    EXPECT_EQ(restored.Open(copy, {}), ZKDB_OK);
    EXPECT(restored.All() == model_);
  }

  void Figures() {
    // Figures count what has ended until it is removed.
    EXPECT_EQ(zkdb_sweep(db_.get(), nullptr, &db_.error), ZKDB_OK);
    uint64_t records = 0;
    for (uint32_t i = 0; i < zkdb_partition_count(db_.get()); ++i) {
      zkdb_partition_stats stats{};
      EXPECT_EQ(zkdb_stats_partition(db_.get(), i, ZKDB_STATS_FULL, &stats, &db_.error), ZKDB_OK);
      records += stats.records;
      uint64_t estimate = 0;
      EXPECT_EQ(zkdb_estimate(db_.get(), i, nullptr, &estimate, &db_.error), ZKDB_OK);
    }
    EXPECT_EQ(records, model_.size());
  }

  void Call() {
    switch (input_->Byte() % 24) {
      case 0: return WriteGarbage();
      case 1: return WriteCondition();
      case 2: return Transact();
      case 3: return Snapshots();
      case 4: return Scan();
      case 5: return GetOne();
      case 6: return GetMany();
      case 7: return Reopen();
      case 8: return RecoverCopy();
      case 9: return Backup();
      case 10: return Figures();
      case 11:
      case 12: EXPECT_EQ(zkdb_checkpoint(db_.get(), &db_.error), ZKDB_OK); return;
      case 13: EXPECT_EQ(zkdb_compact(db_.get(), nullptr, nullptr, &db_.error), ZKDB_OK); return;
      case 14: EXPECT_EQ(db_.Check(), ""); return;
      default: return Write();
    }
  }

  FuzzInput* input_;
  const std::string directory_;
  std::string path_;
  OptionList options_;
  bool isolated_ = false;
  TestDb db_;
  Model model_;
  std::vector<Held> held_;
};

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace zkdb::test;
  static const std::string root = TempDirectory();
  std::filesystem::remove_all(root);
  FuzzInput input(data, size);
  ApiRun(&input, root).Run();
  return 0;
}
