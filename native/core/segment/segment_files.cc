#include "core/segment/segment_files.h"

#include <algorithm>
#include <cstdio>

#include "core/base/assert.h"
#include "core/base/checksum.h"
#include "core/base/coding.h"

namespace zkdb {
namespace {

constexpr size_t kMaxRunPages = 512;           // pages joined into one write
constexpr uint32_t kFirstGrowth = 16;          // pages
constexpr uint64_t kLargestGrowth = 4u << 20;  // bytes

bool IsZero(const uint8_t* bytes, size_t n) {
  return std::all_of(bytes, bytes + n, [](uint8_t b) { return b == 0; });
}

enum class SlotState { kEmpty, kValid, kDamaged, kForeign, kNewer };

SlotState ReadSlot(const uint8_t* slot, size_t size, Meta* meta) {
  if (IsZero(slot, size)) return SlotState::kEmpty;
  if (size < sizeof(Meta) || std::memcmp(slot, kMetaMagic.data(), kMetaMagic.size()) != 0) return SlotState::kForeign;
  std::memcpy(meta, slot, sizeof *meta);
  if (size < kMetaSlotSize || MetaChecksum(slot) != meta->checksum) return SlotState::kDamaged;
  if (meta->version > kFormatVersion) return SlotState::kNewer;
  return MetaSizesProblem(*meta) == nullptr ? SlotState::kValid : SlotState::kDamaged;
}

}  // namespace

std::string SegmentPath(const std::string& directory, uint32_t segment) {
  char name[32];
  std::snprintf(name, sizeof name, "/%03u.zkd", segment);
  return directory + name;
}

const char* MetaSizesProblem(const Meta& m) {
  if (!std::has_single_bit(m.page_size) || m.page_size < kMinPageSize || m.page_size > kMaxPageSize)
    return "an impossible page size";
  const uint64_t segment_size = uint64_t{m.segment_pages} * m.page_size;
  if (!std::has_single_bit(m.segment_pages) || segment_size < kMinSegmentSize || segment_size > kMaxSegmentSize)
    return "an impossible segment size";
  if (m.page_count < MetaPages(m.page_size) || m.page_count / m.segment_pages >= kMaxSegments)
    return "an impossible page count";
  if (m.root.number >= m.page_count || m.free_map.number >= m.page_count || m.expiry_root.number >= m.page_count)
    return "a reference beyond the pages in use";
  return m.levels > kMaxLevels || m.expiry_levels > kMaxLevels ? "an impossible number of levels" : nullptr;
}

// The checksum of a meta slot is that of its 4096 bytes with the checksum field taken as zero.
uint32_t MetaChecksum(const uint8_t* slot) {
  constexpr size_t kField = offsetof(Meta, checksum);
  const uint32_t zero = 0;
  uint32_t crc = Crc32c(0, slot, kField);
  crc = Crc32c(crc, &zero, sizeof zero);
  return Crc32c(crc, slot + kField + sizeof zero, kMetaSlotSize - kField - sizeof zero);
}

SegmentFiles::SegmentFiles(Env* env, SegmentOptions options) : env_(env), options_(std::move(options)) {}

SegmentFiles::~SegmentFiles() {
  for (auto& s : segments_) env_->Unmap(s->map, SegmentBytes());
  for (auto& [map, size] : retired_maps_) env_->Unmap(map, size);
}

Status SegmentFiles::ReadMeta(Env* env, const std::string& directory, MetaState* out) {
  *out = MetaState{};
  const std::string path = SegmentPath(directory, 0);
  if (!env->Exists(path)) return Status::Ok();
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(env->Open(path, OpenMode::kRead, &file));
  std::array<uint8_t, kMetaSlots * kMetaSlotSize> bytes{};
  size_t got = 0;
  ZKDB_RETURN_IF_ERROR(file->Read(0, bytes.data(), bytes.size(), &got));
  uint32_t foreign = 0;
  for (uint32_t i = 0; i < kMetaSlots; ++i) {
    const size_t begin = std::min<size_t>(got, size_t{i} * kMetaSlotSize);
    const size_t size = std::min<size_t>(got - begin, kMetaSlotSize);
    Meta meta{};
    switch (ReadSlot(bytes.data() + begin, size, &meta)) {
      case SlotState::kEmpty: break;
      case SlotState::kForeign: ++foreign, out->damaged = true; break;
      case SlotState::kDamaged: out->damaged = true; break;
      case SlotState::kNewer:
        return {ZKDB_VERSION, path + ": format version " + std::to_string(meta.version) + " is newer than " +
                                  std::to_string(kFormatVersion) + ", which this build reads; use a newer zkdb"};
      case SlotState::kValid:
        if (!out->present || meta.checkpoint > out->meta.checkpoint) out->meta = meta;
        out->present = true;
        break;
    }
  }
  if (!out->present && foreign > 0) {
    return {ZKDB_NOT_ZKDB,
            path + ": is not a zkdb segment (it begins with neither a meta page nor zeros); nothing was changed"};
  }
  return Status::Ok();
}

Status SegmentFiles::LockDirectory() {
  if (lock_ != nullptr || !options_.lock) return Status::Ok();
  return env_->Lock(options_.directory + "/zkdb.lock", &lock_);
}

void SegmentFiles::Release() {
  for (auto& s : segments_) s->file.reset();
  lock_.reset();
}

Status SegmentFiles::Open(uint32_t page_count) {
  if (!options_.read_only) ZKDB_RETURN_IF_ERROR(LockDirectory());
  const uint32_t count = (page_count + options_.segment_pages - 1) / options_.segment_pages;
  segments_.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    ZKDB_RETURN_IF_ERROR(OpenSegment(i, std::min(options_.segment_pages, page_count - i * options_.segment_pages)));
  }
  return Status::Ok();
}

Status SegmentFiles::OpenSegment(uint32_t index, uint32_t need_pages) {
  const std::string path = SegmentPath(options_.directory, index);
  if (!env_->Exists(path)) {
    return {ZKDB_SEGMENT_MISSING, path + ": the segment is missing; restore it from a backup"};
  }
  auto segment = std::make_unique<Segment>();
  ZKDB_RETURN_IF_ERROR(env_->Open(path, options_.read_only ? OpenMode::kRead : OpenMode::kReadWrite, &segment->file));
  uint64_t size = 0;
  ZKDB_RETURN_IF_ERROR(segment->file->Size(&size));
  if (size / options_.page_size < need_pages) {
    return {ZKDB_SEGMENT_MISSING,
            path + ": the segment is cut short: it has " + std::to_string(size) + " bytes, the meta needs " +
                std::to_string(uint64_t{need_pages} * options_.page_size) + "; restore it from a backup"};
  }
  if (index > 0) ZKDB_RETURN_IF_ERROR(CheckHeader(index, segment->file.get()));
  segment->pages = static_cast<uint32_t>(std::min<uint64_t>(size / options_.page_size, options_.segment_pages));
  ZKDB_RETURN_IF_ERROR(segment->file->Map(SegmentBytes(), &segment->map));
  reserved_pages_ = index * options_.segment_pages + segment->pages;
  segments_.push_back(std::move(segment));
  return Status::Ok();
}

std::vector<SegmentFiles::Segment*> SegmentFiles::List() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Segment*> list;
  for (auto& s : segments_) list.push_back(s.get());
  return list;
}

Status SegmentFiles::CheckHeader(uint32_t index, File* file) {
  std::vector<uint8_t> page(options_.page_size);
  size_t got = 0;
  ZKDB_RETURN_IF_ERROR(file->Read(0, page.data(), page.size(), &got));
  PageHeader header;
  SegmentHead head;
  std::memcpy(&header, page.data(), sizeof header);
  std::memcpy(&head, page.data() + sizeof header, sizeof head);
  if (got < page.size() || header.kind != PageKind::kSegmentHeader || head.magic != kSegmentMagic ||
      header.checksum != Crc32c(0, page.data() + kChecksumSize, page.size() - kChecksumSize)) {
    return Status::Corrupt(file->path() + ": page 0 of the segment is not a valid segment header");
  }
  if (head.database_id != options_.database_id || head.partition_uid != options_.partition_uid ||
      head.segment != index) {
    return {ZKDB_MISMATCH, file->path() +
                               ": the segment belongs to another database, partition or place (it says segment " +
                               std::to_string(head.segment) + ")"};
  }
  return Status::Ok();
}

// Space is allocated in steps of an eighth of what is there, so that files are long extents and small partitions small.
uint32_t SegmentFiles::GrowthTarget(uint32_t page_count) const {
  const uint32_t largest = std::max<uint32_t>(kFirstGrowth, static_cast<uint32_t>(kLargestGrowth / options_.page_size));
  const uint32_t step = std::clamp(reserved_pages_ / 8, kFirstGrowth, largest);
  return std::max(page_count, reserved_pages_ + step);
}

// Keeps a failure for good, unless the disk was full: that changes nothing and passes.
Status SegmentFiles::Latch(Status status) {
  if (!status.ok() && status.code() != ZKDB_NO_SPACE && failure_.ok()) failure_ = status;
  return status;
}

Status SegmentFiles::Reserve(uint32_t page_count) {
  ZKDB_RETURN_IF_ERROR(failure_);
  if (page_count <= reserved_pages_) return Status::Ok();
  if ((page_count - 1) / options_.segment_pages >= kMaxSegments) {
    return Status::NoSpace(options_.directory + ": the partition has reached " + std::to_string(kMaxSegments) +
                           " segments");
  }
  const uint32_t target = GrowthTarget(page_count);
  while (reserved_pages_ < page_count) {
    if (segments_.empty() || segments_.back()->pages == options_.segment_pages) ZKDB_RETURN_IF_ERROR(CreateSegment());
    Segment* last = segments_.back().get();
    const uint32_t begin = (segment_count() - 1) * options_.segment_pages;
    const uint32_t wish = std::min(options_.segment_pages, target - begin);
    const uint32_t need = std::min(options_.segment_pages, page_count - begin);
    if (!GrowSegment(last, wish).ok()) ZKDB_RETURN_IF_ERROR(GrowSegment(last, need));
  }
  return Status::Ok();
}

Status SegmentFiles::GrowSegment(Segment* segment, uint32_t pages) {
  if (pages <= segment->pages) return Status::Ok();  // a new segment begins with more than one page
  const uint64_t begin = uint64_t{segment->pages} * options_.page_size;
  const uint64_t size = uint64_t{pages - segment->pages} * options_.page_size;
  ZKDB_RETURN_IF_ERROR(segment->file->Allocate(begin, size));
  reserved_pages_ += pages - segment->pages;
  segment->pages = pages;
  segment->unsynced = true;
  return Status::Ok();
}

Status SegmentFiles::CreateSegment() {
  const uint32_t index = segment_count();
  if (index == 0) {
    ZKDB_RETURN_IF_ERROR(Latch(env_->CreateDirectory(options_.directory)));
    ZKDB_RETURN_IF_ERROR(LockDirectory());
    MetaState there;
    ZKDB_RETURN_IF_ERROR(ReadMeta(env_, options_.directory, &there));
    if (there.present) {
      return {ZKDB_MISMATCH,
              SegmentPath(options_.directory, 0) + ": another database made this segment since this one was opened"};
    }
  }
  auto segment = std::make_unique<Segment>();
  std::vector<uint8_t> page(options_.page_size);
  ReserveSegment();
  // A file that is there already is what a crash left of a segment that no meta knows: it is begun anew.
  ZKDB_RETURN_IF_ERROR(env_->Open(SegmentPath(options_.directory, index), OpenMode::kCreate, &segment->file));
  ZKDB_RETURN_IF_ERROR(segment->file->Truncate(0));
  directory_unsynced_ = true;
  const uint32_t first = std::min(kFirstGrowth, options_.segment_pages);
  ZKDB_RETURN_IF_ERROR(segment->file->Allocate(0, uint64_t{first} * options_.page_size));
  if (index > 0) {
    const PageHeader header{0, index * options_.segment_pages, 0, PageKind::kSegmentHeader, 0, 0, 0, 0, 0, 0, 0};
    const SegmentHead head{kSegmentMagic, options_.database_id, options_.partition_uid, index, kFormatVersion};
    std::memcpy(page.data(), &header, sizeof header);
    std::memcpy(page.data() + sizeof header, &head, sizeof head);
    Store32(page.data(), Crc32c(0, page.data() + kChecksumSize, page.size() - kChecksumSize));
    ZKDB_RETURN_IF_ERROR(Latch(segment->file->Write(0, Slice(page.data(), page.size()))));
  }
  ZKDB_RETURN_IF_ERROR(segment->file->Map(SegmentBytes(), &segment->map));
  segment->pages = first;
  segment->unsynced = true;
  reserved_pages_ = index * options_.segment_pages + first;
  const std::lock_guard<std::mutex> lock(mutex_);
  segments_.push_back(std::move(segment));
  return Status::Ok();
}

// Room for one more segment in the list: what follows does not allocate.
void SegmentFiles::ReserveSegment() {
  const std::lock_guard<std::mutex> lock(mutex_);
  segments_.reserve(segments_.size() + 1);
}

Status SegmentFiles::WritePages(const std::vector<PageImage>& pages) {
  const std::vector<Segment*> segments = List();
  size_t begin = 0;
  for (size_t i = 1; i <= pages.size(); ++i) {
    const bool joined = i < pages.size() && pages[i].number == pages[i - 1].number + 1 &&
                        pages[i].number % options_.segment_pages != 0 && i - begin < kMaxRunPages;
    if (joined) continue;
    Segment* segment = segments[pages[begin].number / options_.segment_pages];
    ZKDB_RETURN_IF_ERROR(WriteRun(segment, &pages[begin], i - begin));
    begin = i;
  }
  return Status::Ok();
}

Status SegmentFiles::WriteRun(Segment* segment, const PageImage* first, size_t count) {
  std::array<Slice, kMaxRunPages> parts;
  for (size_t i = 0; i < count; ++i) parts[i] = Slice(first[i].bytes, options_.page_size);
  segment->unsynced = true;
  return segment->file->Write(uint64_t{first->number % options_.segment_pages} * options_.page_size, parts.data(),
                              count);
}

Status SegmentFiles::Sync() {
  if (directory_unsynced_.exchange(false)) ZKDB_RETURN_IF_ERROR(env_->SyncDirectory(options_.directory));
  for (Segment* s : List()) {
    if (s->unsynced.exchange(false)) ZKDB_RETURN_IF_ERROR(s->file->Sync());
  }
  return Status::Ok();
}

Status SegmentFiles::WriteMeta(const Meta& meta) {
  std::array<uint8_t, kMetaSlotSize> slot{};
  std::memcpy(slot.data(), &meta, sizeof meta);
  Store32(slot.data() + offsetof(Meta, checksum), MetaChecksum(slot.data()));
  File* file = List().front()->file.get();
  ZKDB_RETURN_IF_ERROR(file->Write((meta.checkpoint % kMetaSlots) * kMetaSlotSize, Slice(slot.data(), slot.size())));
  return file->Sync();
}

Status SegmentFiles::Truncate(uint32_t page_count) {
  ZKDB_ASSERT(page_count >= MetaPages(options_.page_size));
  while (segment_count() > 1 && (segment_count() - 1) * options_.segment_pages >= page_count) {
    retired_maps_.emplace_back(segments_.back()->map, SegmentBytes());
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      segments_.pop_back();
    }
    ZKDB_RETURN_IF_ERROR(env_->Remove(SegmentPath(options_.directory, segment_count())));
    directory_unsynced_ = true;
    reserved_pages_ = segment_count() * options_.segment_pages;
  }
  Segment* last = segments_.back().get();
  const uint32_t pages = page_count - (segment_count() - 1) * options_.segment_pages;
  if (pages >= last->pages) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(last->file->Truncate(uint64_t{pages} * options_.page_size));
  reserved_pages_ -= last->pages - pages;
  last->pages = pages;
  last->unsynced = true;
  return Status::Ok();
}

}  // namespace zkdb
