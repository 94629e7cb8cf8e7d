// The pages of one partition of a damaged database, read one by one from its segment files, each checked before use.
//
// Files are opened for reading and never mapped: a file that is cut short gives an answer, not a signal.
//
// Thread-safety: none; one salvage uses one.
//
// Invariants:
//  1. A page that Read gives has the right checksum and number and a sound structure.
//  2. Memory is bounded by the table of pages (8 bytes each) and the free map (1 bit each).
//  3. Nothing is written.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bitmap.h"
#include "core/format/layout.h"
#include "core/os/env.h"
#include "tool/inspect_meta.h"

namespace zkdb {

// What is known of a partition from elsewhere.
struct SalvageIdentity {
  std::string directory;
  bool has_database_id = false;  // of an intact header of the log
  DatabaseId database_id{};
  uint64_t uid = 0;              // that the name of the partition gives in this database, as far as that is known
  uint64_t needed_sequence = 0;  // the log says that the newest meta is of this commit or a later one
  uint64_t segment_size = 0;     // bytes, of the configuration: for a partition without any meta
};

// A page as the first look at all of them found it.
struct SalvagePage {
  uint32_t stamp = 0;
  PageKind kind = PageKind::kLeaf;
  uint8_t level = 0;
  bool expiry = false;  // of the expiry index
  bool intact = false;  // right checksum and number, sound structure
  bool blank = false;   // all zero, or beyond the end of the last file: never written
};

// Takes a text for a person, without its end; false to stop.
using SalvageFinding = std::function<void(const std::string&)>;

class SalvagePages {
 public:
  SalvagePages(Env* env, SalvageIdentity identity, SalvageFinding finding)
      : env_(env), identity_(std::move(identity)), finding_(std::move(finding)) {}

  // Opens the files and decides what can be believed of the metas. ZKDB_IO only for what is not damage.
  Status Open();
  // Looks at every page; `tick` is told the bytes read and may stop with ZKDB_ABORTED.
  Status Look(const std::function<Status(uint64_t bytes)>& tick);

  // The newest meta when it is certain to describe the newest checkpoint, else nullptr.
  const Meta* meta() const { return usable_ ? &meta_ : nullptr; }
  // Commits up to here are in the pages for certain; those after it must come from the log.
  uint64_t sequence() const { return sequence_; }
  uint64_t uid() const { return uid_; }
  bool any_file() const { return !segments_.empty(); }
  uint64_t bytes() const;  // of the files

  uint32_t page_size() const { return page_size_; }
  uint32_t page_count() const { return page_count_; }
  const SalvagePage& page(uint32_t number) const { return pages_[number]; }
  bool IsReserved(uint32_t number) const { return number < MetaPages(page_size_) || number % segment_pages_ == 0; }
  // Whether the free map says that the page is in use or free, and which.
  bool FreeIsKnown(uint32_t number) const { return number < free_known_; }
  bool IsFree(uint32_t number) const { return FreeIsKnown(number) && free_.Get(number); }
  // Larger for a page that was made later.
  uint32_t AgeOf(uint32_t stamp) const { return stamp - oldest_stamp_; }
  // Whether a page was made after the checkpoint of meta(): the log holds what it holds.
  bool IsLater(uint32_t stamp) const;
  std::string PathOf(uint32_t number) const;

  // Reads the page into `out`. Returns what is wrong with it, or nullptr.
  const char* Read(uint32_t number, std::vector<uint8_t>* out);
  // The same for a reference: the stamp must be the one it names.
  const char* Read(PageRef ref, std::vector<uint8_t>* out);
  // The bytes of overflow pages. On failure *bad is the page.
  const char* ReadOverflow(const OverflowRef& ref, std::string* out, uint32_t* bad);

 private:
  void ReadMetas();
  void CheckIdentity();
  Status OpenSegments();
  void FindSizes();
  bool BelongsHere(uint32_t index, File* file);
  void CheckLengths();
  SalvagePage Examine(uint32_t number);
  void LoadFreeMap();

  Env* env_;
  SalvageIdentity identity_;
  SalvageFinding finding_;
  std::vector<std::unique_ptr<File>> segments_;  // by number, nullptr where one is missing or not ours
  std::vector<uint64_t> sizes_;                  // bytes
  MetaSlots slots_;
  Meta meta_{};
  bool usable_ = false;
  bool never_written_ = false;  // no checkpoint was ever written: the log holds everything
  uint64_t sequence_ = 0;
  uint64_t uid_ = 0;
  uint32_t page_size_ = kMinPageSize;
  uint32_t segment_pages_ = 1;
  uint32_t page_count_ = 0;
  uint32_t oldest_stamp_ = 0;  // where the circle of stamps is cut
  std::vector<SalvagePage> pages_;
  std::vector<uint8_t> buffer_;
  Bitmap free_;
  uint32_t free_known_ = 0;  // pages below are covered by the part of the free map that is readable
};

}  // namespace zkdb
