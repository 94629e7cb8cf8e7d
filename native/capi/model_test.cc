// Random operations through zkdb.h against an ordered map, in every shape. ZKDB_SEED replays a run; ZKDB_STEPS makes it
// longer.
#include "capi/test_util.h"

namespace zkdb::test {
namespace {

struct Shape {
  uint32_t partitions;
  OptionList options;
  uint64_t steps;
};

struct Held {
  zkdb_snapshot* snapshot;
  Model model;
};

class ModelRun {
 public:
  ModelRun(const char* name, const Shape& shape)
      : random_(TestSeed(name)), shape_(shape), path_(MakeShape(TempDirectory(), shape.partitions)) {}

  void Run() {
    if (!Reopen()) return;
    const uint64_t steps = EnvNumber("ZKDB_STEPS", shape_.steps);
    for (step_ = 0; step_ < steps && ok_; ++step_) Step();
    for (const Held& held : held_) zkdb_snapshot_close(held.snapshot);
    Require(db_.All() == model_, "the content at the end");
    Require(db_.Check().empty(), "the check at the end: " + db_.Check());
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }

  void Require(bool holds, const std::string& what) {
    if (holds || !ok_) return;
    ok_ = Fail(__FILE__, __LINE__, "step " + std::to_string(step_) + ": " + what + " (" + db_.message() + ")");
  }

  bool Reopen() {
    Require(db_.Close() == ZKDB_OK, "close");
    Require(db_.Open(path_, shape_.options) == ZKDB_OK, "open");
    return ok_;
  }

  std::string Key() {
    std::string key(1 + Below(3), static_cast<char>('a' + Below(26)));
    for (char& c : key) c = static_cast<char>((Below(2) == 0 ? 'a' : 'A') + Below(26));
    key += std::to_string(Below(300));
    if (Below(40) == 0) key += std::string(Below(9000), 'L');
    if (Below(200) == 0) key.clear();
    return key;
  }

  std::string Value() {
    const uint64_t kind = Below(60);
    const size_t size = kind == 0 ? Below(300000) : (kind < 4 ? Below(9000) : Below(200));
    return std::string(size, static_cast<char>('a' + Below(26)));
  }

  // One random operation for the batch and the model.
  void AddOperation(BatchBytes* batch, Model* model) {
    const uint64_t kind = Below(20);
    if (Below(300) == 0) {
      const std::string lo = Below(20) == 0 ? "" : Key();
      const bool narrow = Below(10) != 0;
      const std::string hi = narrow ? lo.substr(0, 1) + "~" : Key();
      const auto flags = static_cast<uint8_t>(Below(8) | (Below(20) != 0 ? ZKDB_RANGE_HAS_HI : 0));
      batch->Add(ZKDB_OP_DELETE_RANGE, lo, hi, flags);
      std::erase_if(*model, [&](const auto& r) { return InRange(r.first, lo, hi, flags); });
      return;
    }
    const std::string key = Key();
    if (kind < 6) {
      batch->Delete(key);
      model->erase(key);
    } else {
      const std::string value = Value();
      batch->Put(key, value);
      (*model)[key] = value;
    }
  }

  void WriteBatch() {
    BatchBytes batch;
    Model next = model_;
    const uint64_t count = Below(6) == 0 ? Below(400) : Below(20);
    for (uint64_t i = 0; i < count; ++i) AddOperation(&batch, &next);
    Require(db_.Write(batch, static_cast<zkdb_durability>(Below(4))) == ZKDB_OK, "write");
    model_ = std::move(next);
  }

  void WriteConditions() {
    const std::string key = Key();
    const auto at = model_.find(key);
    const bool there = at != model_.end();
    BatchBytes batch;
    if (there) {
      batch.PutIfValue(key, at->second, "swapped").Add(ZKDB_OP_PUT_IF_PRESENT, key, "present");
    } else {
      batch.Add(ZKDB_OP_PUT_IF_ABSENT, key, "present");
    }
    Require(db_.Write(batch) == ZKDB_OK && db_.result.failed_index == -1, "a condition that holds");
    model_[key] = "present";
    Require(db_.Write(BatchBytes().Put("x", "y").Add(ZKDB_OP_PUT_IF_ABSENT, key, "no")) == ZKDB_OK, "write");
    Require(db_.result.failed_index == 1, "a condition that fails");
  }

  void Transact() {
    zkdb_txn* txn = nullptr;
    Require(zkdb_txn_begin(db_.get(), &txn, &db_.error) == ZKDB_OK, "begin");
    if (!ok_) return;
    Model next = model_;
    for (uint64_t parts = Below(4); parts > 0; --parts) {
      BatchBytes batch;
      for (uint64_t i = Below(30); i > 0; --i) AddOperation(&batch, &next);
      Require(zkdb_txn_write(txn, batch.bytes().data(), batch.bytes().size(), nullptr, &db_.error) == ZKDB_OK,
              "txn write");
      RecordList seen;
      if (Below(3) == 0) Require(db_.Scan(&seen, nullptr, 0, nullptr, txn) == ZKDB_OK, "txn scan");
      if (!seen.empty()) Require(Model(seen.begin(), seen.end()) == next, "what the transaction sees");
    }
    if (Below(3) == 0) return zkdb_txn_abort(txn);
    Require(zkdb_txn_commit(txn, ZKDB_DURABILITY_NONE, nullptr, &db_.error) == ZKDB_OK, "commit");
    model_ = std::move(next);
  }

  void Snapshots() {
    if (held_.size() < 3 && Below(2) == 0) {
      zkdb_snapshot* snapshot = nullptr;
      Require(zkdb_snapshot_open(db_.get(), &snapshot, &db_.error) == ZKDB_OK, "snapshot");
      held_.push_back({snapshot, model_});
    } else if (!held_.empty()) {
      const size_t i = Below(held_.size());
      Require(db_.All(held_[i].snapshot) == held_[i].model, "what an old snapshot sees");
      if (Below(2) == 0) return;
      zkdb_snapshot_close(held_[i].snapshot);
      held_.erase(held_.begin() + static_cast<ptrdiff_t>(i));
    }
  }

  void Compare() {
    const std::string lo = Below(3) == 0 ? "" : Key();
    const std::string hi = Key();
    const auto flags = static_cast<uint32_t>(Below(8));
    RecordList expected;
    for (const auto& [k, v] : model_) {
      if (InRange(k, lo, hi, flags)) expected.emplace_back(k, v);
    }
    const uint32_t direction = Below(2) == 0 ? uint32_t{ZKDB_SCAN_REVERSE} : 0;
    if (direction != 0) std::reverse(expected.begin(), expected.end());
    RecordList seen;
    const zkdb_range range = RangeFrom(lo, hi, flags);
    Require(db_.Scan(&seen, &range, direction, nullptr, nullptr, 64 + Below(5000)) == ZKDB_OK, "scan");
    Require(seen == expected, "what a scan sees");
    const std::string key = Key();
    const auto at = model_.find(key);
    Require(db_.Get(key) == (at == model_.end() ? std::nullopt : std::optional(at->second)), "get");
  }

  void ReopenNow() {
    // Old snapshots keep the closed engine alive while the next one works on the same files.
    std::vector<Held> old;
    old.swap(held_);
    if (!Reopen()) return;
    for (const Held& held : old) zkdb_snapshot_close(held.snapshot);
    Require(db_.Stats().recovered_records == 0, "a clean close leaves nothing to replay");
    Require(db_.All() == model_, "the content after a reopen");
  }

  void Step() {
    const uint64_t kind = Below(100);
    if (kind < 45) return WriteBatch();
    if (kind < 55) return WriteConditions();
    if (kind < 65) return Transact();
    if (kind < 75) return Snapshots();
    if (kind < 90) return Compare();
    if (kind < 94) return Require(zkdb_checkpoint(db_.get(), &db_.error) == ZKDB_OK, "checkpoint");
    if (kind < 96) return Require(db_.Check().empty(), "check: " + db_.Check());
    if (kind < 97) return Require(zkdb_compact(db_.get(), nullptr, nullptr, &db_.error) == ZKDB_OK, "compact");
    if (kind < 98) return Require(zkdb_sync(db_.get(), &db_.error) == ZKDB_OK, "sync");
    ReopenNow();
  }

  std::mt19937_64 random_;
  const Shape shape_;
  const std::string path_;
  TestDb db_;
  Model model_;
  std::vector<Held> held_;
  uint64_t step_ = 0;
  bool ok_ = true;
};

OptionList Small(const char* page_size, const char* verify) {
  return {{"PageSize", page_size},
          {"SegmentSize", "64K"},
          {"LogFileSize", "256K"},
          {"MinCheckpointSize", "512K"},
          {"VerifyAll", verify}};
}

TEST(one_partition_behaves_like_an_ordered_map) {
  ModelRun("one_partition_behaves_like_an_ordered_map", {1, Small("4096", "No"), 500}).Run();
}

TEST(one_partition_of_large_pages_behaves_like_an_ordered_map) {
  ModelRun("one_partition_of_large_pages_behaves_like_an_ordered_map", {1, Small("16384", "Yes"), 250}).Run();
}

TEST(three_text_partitions_behave_like_an_ordered_map) {
  ModelRun("three_text_partitions_behave_like_an_ordered_map", {3, Small("4096", "Yes"), 300}).Run();
}

TEST(sixteen_hashed_partitions_behave_like_an_ordered_map) {
  ModelRun("sixteen_hashed_partitions_behave_like_an_ordered_map", {16, Small("4096", "No"), 400}).Run();
}

TEST(sixteen_hashed_partitions_of_large_pages_behave_like_an_ordered_map) {
  ModelRun("sixteen_hashed_partitions_of_large_pages_behave_like_an_ordered_map", {16, Small("16384", "No"), 200})
      .Run();
}

TEST(many_hashed_partitions_behave_like_an_ordered_map) {
  ModelRun("many_hashed_partitions_behave_like_an_ordered_map", {256, Small("4096", "No"), 80}).Run();
}

}  // namespace
}  // namespace zkdb::test
