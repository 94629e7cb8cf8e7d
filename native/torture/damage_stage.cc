#include "torture/damage_stage.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iterator>

#include "core/btree/overflow.h"
#include "core/btree/tree.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kSegmentBytes = size_t{kStagePages} * kStagePageSize;
constexpr int kRounds = 4;  // of changes, each closed cleanly

std::string KeyOf(char letter, int number) {
  std::string digits = std::to_string(number);
  return "k" + std::string(1, letter) + std::string(6 - digits.size(), '0') + digits;
}

// Keys that begin alike for longer than a page keeps: they are told apart in overflow pages only.
std::string LongKey(int number) {
  return "km" + std::string(600, 'L') + std::to_string(number) + std::string(4000, 'x');
}

std::string ValueOf(const std::string& key, const std::string& tag, size_t size) {
  std::string value = tag + ":" + key.substr(0, 12) + ":";
  while (value.size() < size) value += "value-";
  return value.substr(0, std::max(size, tag.size() + 14));
}

}  // namespace

std::string PlaceInMemory() {
  const bool in_memory = access("/dev/shm", W_OK) == 0 && std::getenv("ZKDB_TEST_TMP") == nullptr;
  static int count = 0;
  const std::string name = "/dev/shm/zkdb-damage-" + std::to_string(getpid()) + "-" + std::to_string(count++);
  const std::string place = in_memory ? name : TempDirectory();
  if (in_memory) fs::remove_all(place);  // of a killed process that had the same number
  fs::create_directories(place);
  return place;
}

DamageStage::DamageStage() : directory_(PlaceInMemory()) {}

DamageStage::~DamageStage() {
  if (map_ != nullptr) munmap(map_, kSegmentBytes);
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

// ---- making it ------------------------------------------------------------------------------------------------------

void DamageStage::Put(BatchBytes* batch, const std::string& key, const std::string& value) {
  batch->Put(key, value);
  all_[key] = value;
  history_[key].insert(value);
}

void DamageStage::Fill(TestDb* db) {
  for (int i = 0; i < 6; ++i) {
    BatchBytes batch;
    Put(&batch, LongKey(i), ValueOf("long", "first", 50));
    const std::string key = KeyOf('n', 900000 + i);
    Put(&batch, key, ValueOf(key, "big", 9000 + 3000 * static_cast<size_t>(i)));
    EXPECT_EQ(db->Write(batch), ZKDB_OK);
  }
  int number = 0;
  for (int part = 0; part < 40; ++part) {
    BatchBytes batch;
    for (int i = 0; i < 175; ++i, ++number) {
      const std::string key = KeyOf(static_cast<char>('l' + number % 5), number);
      Put(&batch, key, ValueOf(key, "first", 80 + static_cast<size_t>(number) % 60));
    }
    for (int i = 0; i < 6; ++i) {
      Put(&batch, KeyOf('b', part * 6 + i), ValueOf("low", "first", 100));
      Put(&batch, KeyOf('s', part * 6 + i), ValueOf("high", "first", 100));
    }
    EXPECT_EQ(db->Write(batch), ZKDB_OK);
  }
}

// Deletes and overwrites here and there, so that pages are freed and used again.
void DamageStage::Change(TestDb* db, uint64_t seed, int round) {
  std::mt19937_64 random(seed + static_cast<uint64_t>(round));
  for (int part = 0; part < 6; ++part) {
    BatchBytes batch;
    for (int i = 0; i < 12; ++i) {
      const auto number = static_cast<int>(random() % 7000);
      const std::string key = KeyOf(static_cast<char>('l' + number % 5), number);
      if (i % 4 == 0) {
        batch.Delete(key);
        all_.erase(key);
      } else {
        Put(&batch, key, ValueOf(key, "round" + std::to_string(round), 80 + random() % 60));
      }
    }
    EXPECT_EQ(db->Write(batch), ZKDB_OK);
  }
}

bool DamageStage::Build(uint64_t seed) {
  path_ = MakeShape(directory_, 3);
  const std::string text = ReadWhole(path_);
  const size_t after_main = text.find('\n') + 1;
  const std::string sizes = "SegmentSize = 1M\nLogFileSize = 64K\nCheckPoints = No\n";
  WriteText(path_, text.substr(0, after_main) + sizes + text.substr(after_main));
  for (int round = 0; round <= kRounds; ++round) {
    TestDb db;
    if (!EXPECT_EQ(db.Open(path_), ZKDB_OK)) return false;
    if (round == 0) Fill(&db);
    if (round > 0) Change(&db, seed, round);
    if (round == kRounds && !Note(&db)) return false;
    if (!EXPECT_EQ(db.Close(), ZKDB_OK)) return false;
    if (round < kRounds) old_images_.push_back(ReadWhole(segment()));
  }
  image_ = ReadWhole(segment());
  second_image_ = ReadWhole(second_segment());
  if (!EXPECT_EQ(image_.size(), kSegmentBytes) || !EXPECT(!second_image_.empty())) return false;
  MapSegment();
  return EXPECT(map_ != nullptr) && ReadPages();
}

// The database holds what the model says.
bool DamageStage::Note(TestDb* db) { return EXPECT(db->All() == all_) && EXPECT_EQ(db->Check(), ""); }

void DamageStage::MapSegment() {
  const int fd = open(segment().c_str(), O_RDWR | O_CLOEXEC);
  void* map = fd < 0 ? MAP_FAILED : mmap(nullptr, kSegmentBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  if (map != MAP_FAILED) map_ = static_cast<uint8_t*>(map);
}

// ---- what each page holds -------------------------------------------------------------------------------------------

bool DamageStage::ReadPages() {
  MetaState state;
  if (!EXPECT_OK(SegmentFiles::ReadMeta(Env::Posix(), directory_ + "/mid", &state)) || !EXPECT(state.present))
    return false;
  meta_ = state.meta;
  pages_.assign(meta_.page_count, StagePage{});
  for (uint32_t i = 0; i < MetaPages(kStagePageSize); ++i) pages_[i].use = StagePage::Use::kMeta;
  for (uint32_t i = kStagePages; i < meta_.page_count; i += kStagePages) pages_[i].use = StagePage::Use::kSegmentHeader;
  const Space opened = OpenSpace();
  std::string first;
  if (!EXPECT_OK(opened.space->LoadFreeMap())) return false;
  for (uint32_t page : opened.space->free_map_pages()) pages_[page].use = StagePage::Use::kFreeMap;
  return WalkTree(opened.space.get(), meta_.root, meta_.levels - 1u, &first);
}

DamageStage::Space DamageStage::OpenSpace() const {
  SegmentOptions options;
  options.directory = directory_ + "/mid";
  options.segment_pages = kStagePages;
  options.database_id = meta_.database_id;
  options.partition_uid = meta_.partition_uid;
  options.read_only = true;
  options.lock = false;
  Space out;
  out.arena = std::make_unique<FrameArena>(Env::Posix(), kStagePageSize);
  out.space = std::make_unique<PageSpace>(Env::Posix(), options, out.arena.get(), VerifyPageStructure);
  EXPECT_OK(out.space->Open(&meta_));
  return out;
}

// *first is a record of the subtree.
bool DamageStage::WalkTree(PageSpace* space, PageRef ref, uint32_t level, std::string* first) {
  PageView page;
  if (!EXPECT_OK(ReadTreePage(space, ref, level, &page))) return false;
  StagePage& known = pages_[ref.number];
  known.use = StagePage::Use::kTree;
  known.level = level;
  if (level == 0 && !WalkLeaf(space, ref, page.data(), first)) return false;
  for (uint32_t i = 0; level > 0 && i < page.count(); ++i) {
    std::string of_child;
    if (!WalkTree(space, page.child(i), level - 1, &of_child)) return false;
    if (i == 0) *first = of_child;
    if (i > 0 && PageView::KeyOverflows(page.slot(i)) && !NoteRun(space, page.key_rest(page.slot(i)), nullptr, nullptr))
      return false;
  }
  known.probe = *first;
  known.has_probe = true;
  return true;
}

bool DamageStage::WalkLeaf(PageSpace* space, PageRef ref, const uint8_t* bytes, std::string* first) {
  const PageView page(bytes);
  for (uint32_t i = 0; i < page.count(); ++i) {
    std::string key;
    if (!EXPECT_OK(LoadKey(space, page, i, &key))) return false;
    if (i == 0) *first = key;
    pages_[ref.number].keys.push_back(key);
    needs_[key].insert(ref.number);
    const Slot& s = page.slot(i);
    if (PageView::KeyOverflows(s) && !NoteRun(space, page.key_rest(s), &key, nullptr)) return false;
    if (PageView::ValueOverflows(s) && !NoteRun(space, page.value_overflow(s), &key, &key)) return false;
  }
  return true;
}

// `owner` is the record that needs the pages, `probe` a key whose reading needs them and is the first that does: pages
// of keys are compared with other keys too.
bool DamageStage::NoteRun(PageSpace* space, const OverflowRef& run, const std::string* owner,
                          const std::string* probe) {
  return EXPECT_OK(WalkOverflow(space, run, [&](PageRef ref, const uint8_t*) {
    pages_[ref.number].use = StagePage::Use::kOverflow;
    pages_[ref.number].has_probe = probe != nullptr;
    if (probe != nullptr) pages_[ref.number].probe = *probe;
    if (owner != nullptr) needs_[*owner].insert(ref.number);
    return Status::Ok();
  }));
}

std::vector<uint32_t> DamageStage::InOrderOfReads() const {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < kStagePages; ++i) order.push_back(i);
  const auto rank = [this](uint32_t i) {
    const StagePage& p = pages_[i];
    if (p.use == StagePage::Use::kTree) return -static_cast<int>(p.level);
    return p.use == StagePage::Use::kFreeMap ? 1 : 2 + static_cast<int>(p.use);
  };
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return rank(a) < rank(b); });
  return order;
}

// ---- putting it right again -----------------------------------------------------------------------------------------

void DamageStage::RestorePage(uint32_t page) {
  std::memcpy(page_bytes(page), image_.data() + size_t{page} * kStagePageSize, kStagePageSize);
}

void DamageStage::Restore() { std::memcpy(map_, image_.data(), image_.size()); }

void DamageStage::RestoreFiles() {
  for (const auto& [path, text] : {std::pair(segment(), &image_), std::pair(second_segment(), &second_image_)}) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file << *text;
  }
}

// ---- reading --------------------------------------------------------------------------------------------------------

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool IsDamage(zkdb_code code) {
  return code == ZKDB_CORRUPT || code == ZKDB_SEGMENT_MISSING || code == ZKDB_MISMATCH || code == ZKDB_NOT_ZKDB ||
         code == ZKDB_VERSION;
}

uint64_t ReadEverything(TestDb* db, const Model& expected, bool mid_may_fail) {
  uint64_t failed = 0;
  for (const auto& [key, value] : expected) {
    const std::optional<std::string> got = db->Get(key);
    if (got) EXPECT(*got == value);
    if (got) continue;
    ++failed;
    EXPECT_EQ(db->code, ZKDB_CORRUPT);
    EXPECT(mid_may_fail && DamageStage::IsOfMid(key));
  }
  return failed;
}

}  // namespace zkdb::test
