// A database of three partitions for the tests of damage: its partition `mid` has a first segment of exactly 256 pages
// in which every kind of page occurs, and the stage knows what each of them holds and which read needs it.
//
// Thread-safety: none.
//
// Invariants:
//  1. After Restore the files are byte for byte what Build left.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/format/layout.h"
#include "core/segment/page_space.h"
#include "torture/torture.h"

namespace zkdb::test {

inline constexpr uint32_t kStagePages = 256;
inline constexpr uint32_t kStagePageSize = kMinPageSize;

// A page of the partition `mid`.
struct StagePage {
  enum class Use { kMeta, kSegmentHeader, kTree, kOverflow, kFreeMap, kFree };
  Use use = Use::kFree;
  uint32_t level = 0;  // of a tree page
  bool has_probe = false;
  std::string probe;              // reading this key needs the page
  std::vector<std::string> keys;  // of a leaf: its records
};

class DamageStage {
 public:
  // A place in memory where there is one.
  DamageStage();
  ~DamageStage();
  DamageStage(const DamageStage&) = delete;
  DamageStage& operator=(const DamageStage&) = delete;

  // Makes the database, closed cleanly. False when something of the layout is not as the tests need it.
  bool Build(uint64_t seed);

  const std::string& directory() const { return directory_; }
  const std::string& path() const { return path_; }
  const Model& all() const { return all_; }
  // Every value that a key ever had.
  const std::map<std::string, std::set<std::string>>& history() const { return history_; }
  // First bytes of the keys of another partition than mid.
  static bool IsOfMid(const std::string& key) { return key.size() > 1 && key[1] >= 'l' && key[1] <= 'p'; }

  const std::vector<StagePage>& pages() const { return pages_; }
  // Tree pages from the root down, then the others: a page comes after those that a read of it meets before.
  std::vector<uint32_t> InOrderOfReads() const;
  // The pages that a record needs beyond branches.
  const std::set<uint32_t>& PagesOf(const std::string& key) const { return needs_.at(key); }
  const Meta& meta() const { return meta_; }
  // The pages of `mid`, none of them read yet.
  struct Space {
    std::unique_ptr<FrameArena> arena;
    std::unique_ptr<PageSpace> space;
  };
  Space OpenSpace() const;
  // The offset of the slot of the newest meta.
  uint64_t newest_slot() const { return (meta_.checkpoint % kMetaSlots) * kMetaSlotSize; }

  std::string segment() const { return SegmentPath(directory_ + "/mid", 0); }
  std::string second_segment() const { return SegmentPath(directory_ + "/mid", 1); }
  const std::string& image() const { return image_; }
  const std::string& second_image() const { return second_image_; }
  // What the first segment was after earlier closes.
  const std::vector<std::string>& old_images() const { return old_images_; }

  // The bytes of the first segment, as every process sees them: writing here is damage.
  uint8_t* bytes() { return map_; }
  uint8_t* page_bytes(uint32_t page) { return map_ + uint64_t{page} * kStagePageSize; }
  void RestorePage(uint32_t page);
  void Restore();
  // Writes whole files again, of any length.
  void RestoreFiles();

  zkdb_code OpenReadOnly(TestDb* db) const { return db->Open(path_, {{"ReadOnly", "Yes"}}); }

 private:
  void Fill(TestDb* db);
  void Change(TestDb* db, uint64_t seed, int round);
  void Put(BatchBytes* batch, const std::string& key, const std::string& value);
  bool Note(TestDb* db);
  bool ReadPages();
  bool WalkTree(PageSpace* space, PageRef ref, uint32_t level, std::string* first);
  bool WalkLeaf(PageSpace* space, PageRef ref, const uint8_t* page, std::string* first);
  bool NoteRun(PageSpace* space, const OverflowRef& run, const std::string* owner, const std::string* probe);
  void MapSegment();

  std::string directory_;
  std::string path_;
  Model all_;
  std::map<std::string, std::set<std::string>> history_;
  std::map<std::string, std::set<uint32_t>> needs_;
  std::vector<StagePage> pages_;
  Meta meta_{};
  std::string image_;
  std::string second_image_;
  std::vector<std::string> old_images_;
  uint8_t* map_ = nullptr;
};

// A new directory, in memory where that can be had. The caller removes it.
std::string PlaceInMemory();

// A whole file.
std::string ReadWhole(const std::string& path);

// Whether a failure is one of those that damage may give.
bool IsDamage(zkdb_code code);

// Reads every key. Every answer must be right or a failure that damage may give; returns how many failed.
uint64_t ReadEverything(TestDb* db, const Model& expected, bool mid_may_fail);

}  // namespace zkdb::test
