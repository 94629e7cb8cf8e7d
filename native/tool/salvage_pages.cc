#include "tool/salvage_pages.h"

#include <algorithm>
#include <cstdlib>

#include "core/base/checksum.h"
#include "core/base/coding.h"
#include "core/btree/page.h"
#include "core/segment/segment_files.h"

namespace zkdb {
namespace {

// Stamps up to this far past the last known one belong to later checkpoints; the others are older.
constexpr uint32_t kStampsAhead = 1u << 30;

// Segment numbers of a directory, ascending.
std::vector<uint32_t> ListSegments(Env* env, const std::string& directory) {
  std::vector<std::string> names;
  std::vector<uint32_t> numbers;
  if (!env->List(directory, &names).ok()) return numbers;
  for (const std::string& name : names) {
    if (!name.ends_with(".zkd") || name.size() > 12) continue;
    const auto number = static_cast<uint32_t>(std::strtoul(name.c_str(), nullptr, 10));
    if (number < kMaxSegments && SegmentPath(directory, number) == directory + "/" + name) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::string SalvagePages::PathOf(uint32_t number) const {
  return SegmentPath(identity_.directory, number / segment_pages_);
}

uint64_t SalvagePages::bytes() const {
  uint64_t n = 0;
  for (uint64_t size : sizes_) n += size;
  return n;
}

// ---- files and metas ------------------------------------------------------------------------------------------------

Status SalvagePages::Open() {
  uid_ = identity_.uid;
  ZKDB_RETURN_IF_ERROR(OpenSegments());
  ReadMetas();
  FindSizes();
  CheckIdentity();
  if (usable_) {
    page_count_ = meta_.page_count;
  } else if (!never_written_) {
    uint64_t end = 0;
    for (size_t i = 0; i < segments_.size(); ++i) {
      const uint64_t pages = std::min<uint64_t>(sizes_[i] / page_size_, segment_pages_);
      if (pages > 0) end = i * segment_pages_ + pages;
    }
    page_count_ = static_cast<uint32_t>(std::min<uint64_t>(end, UINT32_MAX));
  }
  CheckLengths();
  buffer_.resize(page_size_);
  return Status::Ok();
}

Status SalvagePages::OpenSegments() {
  for (uint32_t number : ListSegments(env_, identity_.directory)) {
    segments_.resize(number + 1);
    sizes_.resize(number + 1);
    ZKDB_RETURN_IF_ERROR(env_->Open(SegmentPath(identity_.directory, number), OpenMode::kRead, &segments_[number]));
    ZKDB_RETURN_IF_ERROR(segments_[number]->Size(&sizes_[number]));
  }
  return Status::Ok();
}

// Decides whether the newest valid meta describes the newest checkpoint.
void SalvagePages::ReadMetas() {
  never_written_ = identity_.needed_sequence == 0;
  const bool read = !segments_.empty() && segments_[0] != nullptr && ReadMetaSlots(segments_[0].get(), &slots_).ok();
  const std::string path = SegmentPath(identity_.directory, 0);
  if (!read) {
    never_written_ &= segments_.empty();
    if (!never_written_) finding_(path + ": the segment is missing");
    return;
  }
  for (uint32_t i = 0; i < kMetaSlots; ++i) {
    const char* problem = slots_.slot[i].problem;
    if (problem == nullptr) continue;
    const bool empty = std::string_view(problem) == "empty";
    never_written_ &= empty;
    if (!empty) finding_(path + ": meta slot " + std::to_string(i) + ": " + problem);
  }
  if (slots_.newest < 0) {
    if (!never_written_) finding_(path + ": there is no valid meta");
    sequence_ = identity_.needed_sequence;
    return;
  }
  never_written_ = false;
  meta_ = slots_.slot[slots_.newest].meta;
  uid_ = meta_.partition_uid;
  usable_ = meta_.sequence >= identity_.needed_sequence;
  sequence_ = std::max(meta_.sequence, identity_.needed_sequence);
  if (!usable_) {
    finding_(path + ": the newest valid meta is of commit " + std::to_string(meta_.sequence) +
             ", but the log says that there was one of commit " + std::to_string(identity_.needed_sequence));
  }
}

// Finds page and segment size without a usable meta.
void SalvagePages::FindSizes() {
  segment_pages_ = 0;
  if (slots_.newest >= 0) {
    page_size_ = meta_.page_size;
    segment_pages_ = meta_.segment_pages;
    oldest_stamp_ = meta_.last_stamp + (usable_ ? 1 : kStampsAhead);
    return;
  }
  InspectOutput silent(false, [](const std::string&) { return true; });
  for (size_t i = 0; i < segments_.size() && segment_pages_ == 0; ++i) {
    SegmentShape shape;
    if (segments_[i] == nullptr || !FindShape(env_, segments_[i].get(), &silent, &shape).ok()) continue;
    page_size_ = shape.page_size;
    segment_pages_ = shape.segment_pages;
  }
  if (segment_pages_ == 0) segment_pages_ = static_cast<uint32_t>(identity_.segment_size / page_size_);
  segment_pages_ = std::max<uint32_t>(segment_pages_, kMinSegmentSize / kMaxPageSize);
}

// Files of another database or partition say nothing about this one.
void SalvagePages::CheckIdentity() {
  const bool foreign = slots_.newest >= 0 && identity_.has_database_id && meta_.database_id != identity_.database_id;
  if (foreign) {
    finding_(SegmentPath(identity_.directory, 0) +
             ": belongs to another database than the log: nothing is taken of it");
    for (auto& segment : segments_) segment.reset();
    std::fill(sizes_.begin(), sizes_.end(), 0);
    usable_ = false;
    uid_ = identity_.uid;
    sequence_ = identity_.needed_sequence;
  }
  for (uint32_t i = 1; i < segments_.size(); ++i) {
    if (segments_[i] == nullptr || BelongsHere(i, segments_[i].get())) continue;
    finding_(segments_[i]->path() + ": belongs to another database, partition or place: nothing is taken of it");
    segments_[i].reset();
    sizes_[i] = 0;
  }
}

// False only when an intact header says so.
bool SalvagePages::BelongsHere(uint32_t index, File* file) {
  std::vector<uint8_t> page(page_size_);
  size_t got = 0;
  if (!file->Read(0, page.data(), page.size(), &got).ok() || got < page.size()) return true;
  const auto header = Load<PageHeader>(page.data());
  const auto head = Load<SegmentHead>(page.data() + sizeof header);
  const bool intact = header.checksum == Crc32c(0, page.data() + kChecksumSize, page.size() - kChecksumSize);
  if (!intact || header.kind != PageKind::kSegmentHeader || head.magic != kSegmentMagic) return true;
  const bool uid_is_certain = slots_.newest >= 0 || identity_.has_database_id;
  return head.segment == index && (!uid_is_certain || head.partition_uid == uid_);
}

// A file that ends too early has lost pages; which of them held something is found out page by page.
void SalvagePages::CheckLengths() {
  if (!usable_) return;
  for (uint32_t first = 0; first < page_count_; first += segment_pages_) {
    const uint32_t index = first / segment_pages_;
    const uint64_t need = uint64_t{std::min(segment_pages_, page_count_ - first)} * page_size_;
    const bool missing = index >= segments_.size() || segments_[index] == nullptr;
    if (missing && index > 0) finding_(PathOf(first) + ": the segment is missing");
    if (!missing && sizes_[index] < need) {
      finding_(PathOf(first) + ": the segment is cut short: it has " + std::to_string(sizes_[index]) +
               " bytes, the meta needs " + std::to_string(need));
    }
  }
}

// ---- pages ----------------------------------------------------------------------------------------------------------

const char* SalvagePages::Read(uint32_t number, std::vector<uint8_t>* out) {
  const uint32_t index = number / segment_pages_;
  out->resize(page_size_);
  size_t got = 0;
  const uint64_t offset = uint64_t{number % segment_pages_} * page_size_;
  const bool there = number < page_count_ && index < segments_.size() && segments_[index] != nullptr;
  if (!there || !segments_[index]->Read(offset, out->data(), page_size_, &got).ok()) return "it cannot be read";
  if (got < page_size_) return "it lies beyond the end of the file";
  const auto header = Load<PageHeader>(out->data());
  if (header.checksum != Crc32c(0, out->data() + kChecksumSize, page_size_ - kChecksumSize))
    return "the checksum does not match";
  if (header.number != number) return "it says that it is another page";
  return VerifyPageStructure(out->data(), page_size_, page_count_);
}

const char* SalvagePages::Read(PageRef ref, std::vector<uint8_t>* out) {
  if (ref.number >= page_count_ || IsReserved(ref.number)) return "there is no such page";
  if (const char* problem = Read(ref.number, out)) return problem;
  return Load<PageHeader>(out->data()).stamp == ref.stamp ? nullptr : "an old copy of the page is in its place";
}

bool SalvagePages::IsLater(uint32_t stamp) const { return usable_ && AgeOf(stamp) < kStampsAhead; }

const char* SalvagePages::ReadOverflow(const OverflowRef& ref, std::string* out, uint32_t* bad) {
  const uint32_t payload = OverflowPayload(page_size_);
  uint64_t left = (uint64_t{ref.size} + payload - 1) / payload;
  std::vector<uint8_t> page;
  PageRef run = ref.first;
  uint32_t in_run = 0;  // pages of the run that are still to come
  uint32_t number = 0;
  uint32_t next_run = run.number;
  for (uint64_t bytes = ref.size; left > 0; --left) {
    number = in_run == 0 ? next_run : number + 1;
    *bad = number;
    if (const char* problem = Read(PageRef{number, run.stamp}, &page)) return problem;
    if (Load<PageHeader>(page.data()).kind != PageKind::kOverflow) return "it is not an overflow page";
    const auto head = Load<OverflowHead>(page.data() + sizeof(PageHeader));
    if (in_run == 0) {
      if (head.run_pages == 0 || head.run_pages > left) return "it is not the start of an overflow run of this value";
      in_run = head.run_pages;
      next_run = head.next_run;
    }
    --in_run;
    const auto n = static_cast<size_t>(std::min<uint64_t>(payload, bytes));
    out->append(reinterpret_cast<const char*>(page.data()) + kOverflowPayloadOffset, n);
    bytes -= n;
  }
  return nullptr;
}

SalvagePage SalvagePages::Examine(uint32_t number) {
  SalvagePage page;
  const char* problem = Read(number, &buffer_);
  const auto header = Load<PageHeader>(buffer_.data());
  page.intact = problem == nullptr;
  page.stamp = header.stamp;
  page.kind = header.kind;
  page.level = header.level;
  page.expiry = (header.flags & kPageOfExpiry) != 0;
  page.blank = !page.intact && std::all_of(buffer_.begin(), buffer_.end(), [](uint8_t b) { return b == 0; });
  return page;
}

Status SalvagePages::Look(const std::function<Status(uint64_t bytes)>& tick) {
  pages_.assign(page_count_, SalvagePage{});
  for (uint32_t number = 0; number < page_count_; ++number) {
    std::fill(buffer_.begin(), buffer_.end(), uint8_t{0xFF});  // a page that cannot be read is not blank
    if (!IsReserved(number)) pages_[number] = Examine(number);
    ZKDB_RETURN_IF_ERROR(tick(page_size_));
  }
  if (usable_) LoadFreeMap();
  return Status::Ok();
}

// The free map of the meta, as far as its chain of pages can be followed.
void SalvagePages::LoadFreeMap() {
  free_.Resize(page_count_);
  const uint32_t bits = FreeMapBits(page_size_);
  for (PageRef ref = meta_.free_map; ref.number != kNoPage;) {
    const char* problem = free_known_ < page_count_ ? Read(ref, &buffer_) : "the free map has more pages than it needs";
    if (problem == nullptr && Load<PageHeader>(buffer_.data()).kind != PageKind::kFreeMap)
      problem = "it is not a free map page";
    if (problem != nullptr) {
      finding_(PathOf(ref.number) + ": page " + std::to_string(ref.number) + ": " + problem +
               ": the free map is damaged, and free pages cannot be told from others");
      return;
    }
    const uint32_t count = std::min(bits, page_count_ - free_known_);
    for (uint32_t i = 0; i < count; ++i) {
      if ((buffer_[kFreeMapPayloadOffset + i / 8] >> (i % 8)) & 1) free_.Set(free_known_ + i);
    }
    free_known_ += count;
    ref = Load<FreeMapHead>(buffer_.data() + sizeof(PageHeader)).next;
  }
  free_known_ = page_count_;
}

}  // namespace zkdb
