// The segment files of one partition: "000.zkd", "001.zkd", ... in its directory, each mapped once for reading at its
// full future size, so that a page's mapped address never changes.
//
// Thread-safety: WritePages, Sync and WriteMeta are called by the one running checkpoint, everything else under the
// partition's writer lock; the two may overlap.
//
// Invariants:
//  1. Disk space of a page is allocated before the page is given out (Reserve): writing it later cannot fail for space.
//  2. Nothing is created before the first Reserve: an unused partition has no files.
//  3. The directory is locked for this process as long as files of it are open.
//  4. A segment file is never shorter than the pages the newest meta says it holds.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/format/layout.h"
#include "core/os/env.h"

namespace zkdb {

struct SegmentOptions {
  std::string directory;
  uint32_t page_size = kMinPageSize;
  uint32_t segment_pages = static_cast<uint32_t>(kMaxSegmentSize / kMinPageSize);
  DatabaseId database_id{};
  uint64_t partition_uid = 0;
  bool read_only = false;
  bool lock = true;  // the directory; false where the caller's lock elsewhere keeps other processes out
};

// A page to write: its number and its bytes.
struct PageImage {
  uint32_t number;
  const uint8_t* bytes;
};

// What the meta slots of a partition hold.
struct MetaState {
  bool present = false;  // a valid meta was found
  bool damaged = false;  // a slot holds something that is not a valid meta and not zero
  Meta meta{};           // the newest valid one
};

std::string SegmentPath(const std::string& directory, uint32_t segment);
uint32_t MetaChecksum(const uint8_t* slot);
// Why sizes and references of a meta with a right checksum cannot be, or nullptr.
const char* MetaSizesProblem(const Meta& meta);

class SegmentFiles {
 public:
  SegmentFiles(Env* env, SegmentOptions options);
  ~SegmentFiles();
  SegmentFiles(const SegmentFiles&) = delete;
  SegmentFiles& operator=(const SegmentFiles&) = delete;

  // Reads the two meta slots of segment 0 of `directory`. No file: not present, not damaged.
  // ZKDB_NOT_ZKDB (foreign file), ZKDB_VERSION (newer format), ZKDB_IO.
  static Status ReadMeta(Env* env, const std::string& directory, MetaState* out);

  // Opens the segments that hold `page_count` pages, checks their length and headers, and maps them.
  // ZKDB_SEGMENT_MISSING, ZKDB_MISMATCH (a segment of another partition), ZKDB_CORRUPT, ZKDB_IO.
  Status Open(uint32_t page_count);

  // Makes sure that pages below `page_count` have disk space, creating directory and segments as needed.
  // ZKDB_NO_SPACE leaves everything as it was but for space already allocated.
  Status Reserve(uint32_t page_count);

  // Writes pages, sorted by number, joining neighbours into one write.
  Status WritePages(const std::vector<PageImage>& pages);
  // Makes everything written durable, new files and directories first.
  Status Sync();
  // Writes the meta to its slot and makes it durable.
  Status WriteMeta(const Meta& meta);
  // Gives back what lies beyond `page_count` pages: shortens the last segment and removes later ones.
  Status Truncate(uint32_t page_count);

  // Closes the files and gives up the directory's lock; the maps stay until the object goes.
  void Release();

  const uint8_t* MapOf(uint32_t segment) const { return segments_[segment]->map; }
  uint32_t segment_count() const { return static_cast<uint32_t>(segments_.size()); }
  uint32_t reserved_pages() const { return reserved_pages_; }
  const SegmentOptions& options() const { return options_; }
  std::string PathOf(uint32_t page) const { return SegmentPath(options_.directory, page / options_.segment_pages); }

 private:
  struct Segment {
    std::unique_ptr<File> file;
    const uint8_t* map = nullptr;
    uint32_t pages = 0;  // allocated
    std::atomic<bool> unsynced{false};
  };

  uint64_t SegmentBytes() const { return uint64_t{options_.segment_pages} * options_.page_size; }
  Status LockDirectory();
  Status OpenSegment(uint32_t index, uint32_t need_pages);
  Status CheckHeader(uint32_t index, File* file);
  Status CreateSegment();
  Status Latch(Status status);
  void ReserveSegment();
  Status GrowSegment(Segment* segment, uint32_t pages);
  uint32_t GrowthTarget(uint32_t page_count) const;
  Status WriteRun(Segment* segment, const PageImage* first, size_t count);
  std::vector<Segment*> List() const;

  Env* env_;
  SegmentOptions options_;
  std::unique_ptr<FileLock> lock_;  // from the first file on
  std::vector<std::unique_ptr<Segment>> segments_;
  std::vector<std::pair<const uint8_t*, uint64_t>> retired_maps_;  // of removed segments; unmapped at the end
  uint32_t reserved_pages_ = 0;
  std::atomic<bool> directory_unsynced_{false};
  Status
      failure_;  // the first failed write or sync of a segment's making: no page is added until the files are reopened
  mutable std::mutex mutex_;  // guards the list of segments: the checkpoint reads it while a writer may extend it
};

}  // namespace zkdb
