// A segment file: its metas and a line per page, or one page in full.
#include <algorithm>
#include <vector>

#include "core/base/bitmap.h"
#include "core/base/coding.h"
#include "core/segment/segment_files.h"
#include "tool/inspect.h"
#include "tool/inspect_meta.h"
#include "tool/inspect_page.h"

namespace zkdb {
namespace {

class SegmentInspector {
 public:
  SegmentInspector(Env* env, File* file, InspectOutput* out) : env_(env), file_(file), out_(out) {}

  Status Run(int64_t page) {
    ZKDB_RETURN_IF_ERROR(FindShape(env_, file_, out_, &shape_));
    page_.resize(shape_.page_size);
    return page < 0 ? Overview() : OnePage(static_cast<uint64_t>(page));
  }

 private:
  Status Overview();
  Status OnePage(uint64_t number);
  Status EmitPageLine(uint32_t number);
  void EmitFile();
  void FollowFreeMap(uint32_t wanted);
  void TakeFreeBits(uint64_t base);
  bool ReadMapPage(uint32_t number, std::unique_ptr<File>* other, uint32_t* other_index);
  Status ReadPage(uint32_t number);
  bool IsMetaPage(uint32_t number) const { return shape_.has_metas && number < MetaPages(shape_.page_size); }

  Env* env_;
  File* file_;
  InspectOutput* out_;
  SegmentShape shape_;
  std::vector<uint8_t> page_;
  Bitmap free_;  // of the file's pages, by their place in the file
  bool free_known_ = false;
  uint64_t wanted_base_ = 0;  // of the free map page that was asked for
};

void SegmentInspector::EmitFile() {
  InspectLine line = out_->Line("file");
  line.Text("kind", "segment").Number("size", shape_.size).Number("segment", shape_.index);
  line.Number("page_size", shape_.page_size).Number("first_page", shape_.first_page).Number("pages", shape_.file_pages);
  out_->Emit(line);
  if (shape_.size % shape_.page_size != 0) out_->Note("the file ends within a page");
}

// ---- the free map ---------------------------------------------------------------------------------------------------

// Reads a page of the partition, which may be in another segment, into page_.
bool SegmentInspector::ReadMapPage(uint32_t number, std::unique_ptr<File>* other, uint32_t* other_index) {
  const uint32_t index = number / shape_.segment_pages;
  File* from = file_;
  if (index != shape_.index) {
    const std::string& path = file_->path();
    const size_t slash = path.find_last_of('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash);
    const bool opened = *other != nullptr && *other_index == index;
    if (!opened && !env_->Open(SegmentPath(directory, index), OpenMode::kRead, other).ok()) return false;
    *other_index = index;
    from = other->get();
  }
  const uint64_t offset = uint64_t{number % shape_.segment_pages} * shape_.page_size;
  size_t got = 0;
  return from->Read(offset, page_.data(), page_.size(), &got).ok() && got == page_.size();
}

// Notes which pages of the file the map page in page_ calls free; its first bit stands for page `base`.
void SegmentInspector::TakeFreeBits(uint64_t base) {
  const uint64_t end = base + FreeMapBits(shape_.page_size);
  const uint64_t first = std::max<uint64_t>(base, shape_.first_page);
  const uint64_t last = std::min<uint64_t>(end, uint64_t{shape_.first_page} + shape_.file_pages);
  for (uint64_t n = first; n < last; ++n) {
    const uint64_t bit = n - base;
    if ((page_[kFreeMapPayloadOffset + bit / 8] >> (bit % 8)) & 1)
      free_.Set(static_cast<uint32_t>(n - shape_.first_page));
  }
}

// Follows the chain of the newest meta; `wanted` is a page of it whose first bit's page is asked for.
void SegmentInspector::FollowFreeMap(uint32_t wanted) {
  const Meta* meta = shape_.newest();
  if (meta == nullptr) return;
  free_.Resize(shape_.file_pages);
  std::unique_ptr<File> other;
  uint32_t other_index = 0;
  PageRef ref = meta->free_map;
  for (uint64_t base = 0; ref.number != kNoPage; base += FreeMapBits(shape_.page_size)) {
    if (base >= meta->page_count || ref.number >= meta->page_count || !ReadMapPage(ref.number, &other, &other_index)) {
      return out_->Note("the free map cannot be followed: page " + std::to_string(ref.number) + " is not there");
    }
    const PageFindings found = ExaminePage(page_.data(), shape_.page_size, ref.number, meta->page_count);
    const bool right = found.checksum_ok && found.number_ok && found.header.kind == PageKind::kFreeMap;
    if (!right || found.header.stamp != ref.stamp) {
      return out_->Note("the free map cannot be followed: page " + std::to_string(ref.number) +
                        " is not the one that was meant");
    }
    if (ref.number == wanted) wanted_base_ = base;
    TakeFreeBits(base);
    ref = Load<FreeMapHead>(page_.data() + sizeof(PageHeader)).next;
  }
  free_known_ = true;
}

// ---- pages ----------------------------------------------------------------------------------------------------------

// Reads a page of the file into page_; zeros stand for what a file that is being cut no longer has.
Status SegmentInspector::ReadPage(uint32_t number) {
  size_t got = 0;
  const uint64_t offset = uint64_t{number - shape_.first_page} * shape_.page_size;
  ZKDB_RETURN_IF_ERROR(file_->Read(offset, page_.data(), page_.size(), &got));
  std::fill(page_.begin() + static_cast<std::ptrdiff_t>(got), page_.end(), uint8_t{0});
  return Status::Ok();
}

Status SegmentInspector::EmitPageLine(uint32_t number) {
  ZKDB_RETURN_IF_ERROR(ReadPage(number));
  const PageFindings found = ExaminePage(page_.data(), shape_.page_size, number, shape_.page_count());
  InspectLine line = out_->Line("page");
  AddPageSummary(found, page_.data(), shape_.page_size, number, &line);
  if (shape_.newest() != nullptr && number >= shape_.page_count()) {
    line.Text("use", "beyond");
  } else if (free_known_) {
    line.Text("use", free_.Get(number - shape_.first_page) ? "free" : "used");
  }
  out_->Emit(line);
  return Status::Ok();
}

Status SegmentInspector::Overview() {
  EmitFile();
  if (shape_.has_metas) EmitMetaSlots(shape_.metas, out_);
  FollowFreeMap(kNoPage);
  for (uint32_t i = 0; i < shape_.file_pages && !out_->stopped(); ++i) {
    if (!IsMetaPage(shape_.first_page + i)) ZKDB_RETURN_IF_ERROR(EmitPageLine(shape_.first_page + i));
  }
  return Status::Ok();
}

Status SegmentInspector::OnePage(uint64_t number) {
  if (number < shape_.first_page || number - shape_.first_page >= shape_.file_pages) {
    return Status::Invalid(file_->path() + ": page " + std::to_string(number) + " is not in this file, which has " +
                           std::to_string(shape_.file_pages) + " pages from " + std::to_string(shape_.first_page) +
                           " on");
  }
  EmitFile();
  const auto page = static_cast<uint32_t>(number);
  if (IsMetaPage(page)) {
    EmitMetaSlots(shape_.metas, out_);
    return Status::Ok();
  }
  FollowFreeMap(page);
  ZKDB_RETURN_IF_ERROR(EmitPageLine(page));
  const PageFindings found = ExaminePage(page_.data(), shape_.page_size, page, shape_.page_count());
  EmitPageContent(found, page_.data(), shape_.page_size, wanted_base_, out_);
  return Status::Ok();
}

}  // namespace

Status InspectSegment(Env* env, File* file, int64_t page, InspectOutput* out) {
  return SegmentInspector(env, file, out).Run(page);
}

}  // namespace zkdb
