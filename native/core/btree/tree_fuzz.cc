// Fuzzes a whole tree: the pages of a real partition, changed at places that the input names, with right checksums. The
// check, reads, scans and changes end in a Status whatever the pages hold; where the check finds nothing, they succeed
// and leave a tree in which it finds nothing either.
//
// Input: byte 0 gives the number of changes (bits 0-3) and whether the meta may be changed too (bit 4); then the
// changes, each of what PatchOnce takes; then operations of the tree, one byte and their arguments each.
#include "core/base/checksum.h"
#include "core/base/fuzz.h"
#include "core/btree/tree_test_util.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kPageSize = 4096;
constexpr uint64_t kSegmentSize = kMinSegmentSize;
constexpr uint32_t kLargestRead = 1u << 20;  // bytes of a value that are read; a damaged size can say 1 GiB
constexpr int kMostSteps = 3000;             // of a cursor

constexpr uint64_t kNow = 1000;  // ms; what the clock says

// 30 pages of every kind: two levels, keys and values with overflow pages, an expiry index, a free map.
std::string MakeBase() {
  TestPartition partition(kPageSize, kSegmentSize);
  FixedClock env(kNow);
  ReadClock clock(&env);
  RecordMutator* tree = partition.BeginRecords(&clock);
  bool existed = false;
  for (int i = 0; i < 210; ++i) {
    const std::string key = "key" + std::to_string(1000 + i * 3) + std::string(i % 7, 'k');
    const uint64_t time = i % 9 == 0 ? kNow - 100 + static_cast<uint64_t>(i) : 0;
    EXPECT_OK(tree->Put(key, std::string(i % 90, 'v'), {time}, false, &existed));
  }
  EXPECT_OK(tree->Put(std::string(300, 'p') + "1", "long key", {kNow + 5}, false, &existed));
  EXPECT_OK(tree->Put(std::string(300, 'p') + "2", std::string(9000, 'V'), {}, false, &existed));
  EXPECT_OK(tree->Put("overflow", std::string(5000, 'W'), {kNow + 6}, false, &existed));
  partition.Commit();
  EXPECT_OK(partition.Checkpoint());
  tree = partition.BeginRecords(&clock);
  EXPECT_OK(tree->Delete("key1003k", false, &existed));
  partition.Commit();
  EXPECT_OK(partition.Checkpoint());
  std::string all = ReadWholeFile(SegmentPath(partition.directory(), 0));
  all.resize(kSegmentSize);
  return all + ReadWholeFile(SegmentPath(partition.directory(), 1));
}

void FixChecksum(std::string* image, size_t page) {
  auto* bytes = reinterpret_cast<uint8_t*>(image->data()) + page * kPageSize;
  if (page < kMetaSlots) return Store32(bytes + offsetof(Meta, checksum), MetaChecksum(bytes));
  Store32(bytes, Crc32c(0, bytes + kChecksumSize, kPageSize - kChecksumSize));
}

class TreeRun {
 public:
  TreeRun(const std::string& directory, const Meta& meta)
      : meta_(meta),
        trees_{{meta.root, meta.levels, meta.records}, {meta.expiry_root, meta.expiry_levels, meta.expiring}},
        arena_(Env::Posix(), meta.page_size),
        space_(Env::Posix(), Options(directory, meta), &arena_, VerifyPageStructure) {}

  void Run(FuzzInput* input) {
    if (!space_.Open(&meta_).ok()) return;
    whole_ = Findings() == 0;
    TreeFigures figures;
    Note(MeasureTree(&space_, trees_.records, &figures));
    Walk();
    while (!input->empty() && steps_++ < 40) Operate(input);
    if (whole_) EXPECT_EQ(Findings(), 0u);
  }

 private:
  static SegmentOptions Options(const std::string& directory, const Meta& meta) {
    SegmentOptions options;
    options.directory = directory;
    options.page_size = meta.page_size;
    options.segment_pages = meta.segment_pages;
    options.database_id = meta.database_id;
    options.partition_uid = meta.partition_uid;
    options.lock = false;
    return options;
  }

  // A tree that the check has found whole has no failures.
  bool Note(const Status& status) {
    if (whole_) EXPECT_OK(status);
    return status.ok();
  }

  uint64_t Findings() {
    CheckOptions options;
    options.expiry = trees_.expiry;
    std::string first;
    options.finding = [&](const std::string& text) { return first = first.empty() ? text : first, true; };
    uint64_t findings = 0;
    const Status status = CheckTree(&space_, trees_.records, options, &findings);
    if (whole_) EXPECT_EQ(first, "");
    return status.ok() ? findings : 1;
  }

  void ReadRecord(const Cursor& cursor) {
    std::string key;
    Note(LoadKey(&space_, cursor.leaf(), cursor.index(), &key));
    const uint32_t size = cursor.leaf().value_size(cursor.leaf().slot(cursor.index()));
    if (size > kLargestRead) return;
    std::string value(size, '\0');
    Note(CopyValue(&space_, cursor.leaf(), cursor.index(), reinterpret_cast<uint8_t*>(value.data())));
  }

  void Walk() {
    if (trees_.records.levels == 0 || trees_.records.levels > kMaxLevels) return;
    Cursor cursor(&space_, trees_.records);
    bool good = Note(cursor.First());
    for (int n = 0; good && cursor.valid() && n < kMostSteps; ++n) {
      ReadRecord(cursor);
      good = Note(cursor.Next());
    }
    good = Note(cursor.Last());
    for (int n = 0; good && cursor.valid() && n < kMostSteps; ++n) good = Note(cursor.Prev());
  }

  static std::string KeyOf(FuzzInput* input) {
    const uint8_t kind = input->Byte();
    if (kind < 160) return "key" + std::to_string(1000 + kind * 5) + std::string(kind % 7, 'k');
    if (kind < 170) return std::string(300, 'p') + std::to_string(kind % 4);
    if (kind < 180) return std::string(kind % 2 == 0 ? 255 : 256, 'p');
    return input->Bytes(kind % 12).ToString();
  }

  void Operate(FuzzInput* input) {
    const uint8_t kind = input->Byte();
    const std::string key = KeyOf(input);
    switch (kind % 8) {
      case 0: return Find(key);
      case 1: return Seek(key);
      case 2: return Estimate(key, KeyOf(input), kind);
      case 7: return Checkpoint();
      default: break;
    }
    if (!Note(space_.Begin({meta_.sequence, UINT64_MAX}))) return;
    ReadClock clock(&env_);
    RecordMutator tree(&space_, trees_, &clock);
    const bool done = Note(Change(&tree, kind, key, input));
    if (!done || kind >= 240) return space_.Rollback();
    space_.Commit(++meta_.sequence);
    trees_ = tree.trees();
  }

  Status Change(RecordMutator* tree, uint8_t kind, const std::string& key, FuzzInput* input) {
    bool existed = false;
    uint64_t deleted = 0;
    switch (kind % 8) {
      case 3: return Put(tree, kind, key, input);
      case 4: return tree->Delete(key, false, &existed);
      case 5: return tree->MoveBelow(input->Byte());
      default: break;
    }
    const std::string hi = KeyOf(input);
    const KeyRange range = {key, hi, (kind & 8) != 0, (kind & 16) != 0, (kind & 32) != 0};
    return tree->DeleteRange(range, &deleted);
  }

  // A put, with or without a time, or another time for the record.
  Status Put(RecordMutator* tree, uint8_t kind, const std::string& key, FuzzInput* input) {
    static constexpr uint32_t kSizes[] = {0, 5, 60, 700, 1900, 2100, 5000, 20000};
    bool existed = false;
    const uint64_t time = (kind & 8) != 0 ? kNow - 10 + input->Byte() % 20 : 0;
    if ((kind & 16) != 0) return tree->SetTime(key, {time, input->Byte(), kNow}, false, &existed);
    const std::string value(kSizes[input->Byte() % 8], 'n');
    return tree->Put(key, value, {time, (kind & 32) != 0, kNow}, false, &existed);
  }

  void Find(const std::string& key) {
    if (trees_.records.levels == 0) return;
    RecordPlace place;
    if (!Note(FindRecord(&space_, trees_.records, key, &place)) || !place.found || place.value_size() > kLargestRead)
      return;
    std::string value(place.value_size(), '\0');
    Note(CopyValue(&space_, place.leaf, place.index, reinterpret_cast<uint8_t*>(value.data())));
  }

  void Seek(const std::string& key) {
    if (trees_.records.levels == 0) return;
    Cursor cursor(&space_, trees_.records);
    if (Note(cursor.Seek(key)) && cursor.valid()) ReadRecord(cursor);
    if (Note(cursor.SeekBack(key)) && cursor.valid()) Note(cursor.Prev());
  }

  void Estimate(const std::string& lo, const std::string& hi, uint8_t kind) {
    uint64_t records = 0;
    Note(EstimateRecords(&space_, trees_.records, {lo, hi, (kind & 8) != 0, (kind & 16) != 0, (kind & 32) != 0},
                         &records));
  }

  void Checkpoint() {
    CheckpointPlan plan;
    meta_.root = trees_.records.page;
    meta_.levels = trees_.records.levels;
    meta_.records = trees_.records.records;
    meta_.expiry_root = trees_.expiry.page;
    meta_.expiry_levels = trees_.expiry.levels;
    meta_.expiring = trees_.expiry.records;
    ++meta_.checkpoint;
    plan.meta = meta_;
    if (!Note(space_.Capture(meta_.sequence, UINT64_MAX, false, &plan))) return;
    if (Note(space_.WriteCaptured(&plan)) && Note(space_.WriteMeta(plan))) Note(space_.Finish(plan));
    meta_ = plan.meta;
  }

  Meta meta_;
  Trees trees_;
  FixedClock env_{kNow};
  FrameArena arena_;
  PageSpace space_;
  bool whole_ = false;
  int steps_ = 0;
};

// Writes the base with the input's changes; what it held before does not matter.
void WriteChanged(const std::string& directory, FuzzInput* input) {
  static const std::string base = MakeBase();
  const uint8_t choice = input->Byte();
  std::string image = base;
  for (uint32_t n = choice & 15; n > 0 && !input->empty(); --n) PatchOnce(input, &image);
  image.resize(base.size());
  for (size_t page = 0; page < image.size() / kPageSize; ++page) {
    if (std::memcmp(image.data() + page * kPageSize, base.data() + page * kPageSize, kPageSize) == 0) continue;
    if (page >= kMetaSlots || (choice & 16) != 0) FixChecksum(&image, page);
  }
  WriteWholeFile(SegmentPath(directory, 0), image.substr(0, kSegmentSize));
  WriteWholeFile(SegmentPath(directory, 1), image.substr(kSegmentSize));
  for (uint32_t i = 2; Env::Posix()->Exists(SegmentPath(directory, i)); ++i) {
    EXPECT_OK(Env::Posix()->Remove(SegmentPath(directory, i)));
  }
}

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace zkdb::test;
  static const std::string directory = TempDirectory();
  FuzzInput input(data, size);
  WriteChanged(directory, &input);
  zkdb::MetaState state;
  const zkdb::Status status = zkdb::SegmentFiles::ReadMeta(zkdb::Env::Posix(), directory, &state);
  if (status.ok() && state.present && state.meta.sequence < UINT64_MAX / 2) TreeRun(directory, state.meta).Run(&input);
  return 0;
}
