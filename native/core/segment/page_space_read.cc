// Reading pages from the files: each is verified when it is first touched, the free map when it is loaded.
#include <algorithm>

#include "core/base/checksum.h"
#include "core/base/coding.h"
#include "core/segment/page_space.h"

namespace zkdb {
Status PageSpace::Damaged(uint32_t number, const std::string& what) const {
  return Status::Corrupt(files_.PathOf(number) + ": page " + std::to_string(number) + ": " + what +
                         "; restore it from a backup or salvage the rest");
}

Status PageSpace::CheckBytes(PageRef ref, const uint8_t* bytes) const {
  const PageHeader header = Load<PageHeader>(bytes);
  if (header.checksum != Crc32c(0, bytes + kChecksumSize, page_size() - kChecksumSize)) {
    return Damaged(ref.number, "the checksum does not match");
  }
  if (header.number != ref.number)
    return Damaged(ref.number, "it says that it is page " + std::to_string(header.number));
  if (header.stamp != ref.stamp) {
    return Damaged(ref.number, "its stamp is " + std::to_string(header.stamp) + ", not " + std::to_string(ref.stamp) +
                                   " as its parent says: an old copy of the page");
  }
  const char* wrong = verify_(bytes, page_size(), verified_page_count_.load(std::memory_order_relaxed));
  return wrong == nullptr ? Status::Ok() : Damaged(ref.number, wrong);
}

Status PageSpace::VerifyPage(PageRef ref, const uint8_t** page) {
  const uint32_t bound = verified_page_count_.load(std::memory_order_relaxed);
  if (ref.number < MetaPages(page_size()) || ref.number >= bound) return Damaged(ref.number, "there is no such page");
  const View& view = views_[ref.number >> segment_shift_];
  const uint8_t* bytes = view.map + (uint64_t{ref.number & segment_mask_} << page_shift_);
  ZKDB_RETURN_IF_ERROR(CheckBytes(ref, bytes));
  uint32_t expected = kUnverified;
  StateOf(ref.number).compare_exchange_strong(expected, kClean, std::memory_order_acq_rel);
  *page = bytes;
  return Status::Ok();
}

// A map that gives away what is not free would have it overwritten.
Status PageSpace::CheckFreeMap(const Bitmap& free, const std::vector<uint32_t>& pages) const {
  for (uint32_t number = 0; number < MetaPages(page_size()); ++number) {
    if (free.Get(number)) return Damaged(number, "it is marked free but is a meta page");
  }
  for (uint64_t number = 0; number < free_space_.page_count(); number += segment_pages()) {
    const auto header = static_cast<uint32_t>(number);
    if (free.Get(header)) return Damaged(header, "it is marked free but is a segment header page");
  }
  for (const uint32_t number : pages) {
    if (free.Get(number)) return Damaged(number, "it is marked free but holds the free map");
  }
  return Status::Ok();
}

Status PageSpace::LoadFreeMap() {
  if (free_map_loaded_) return Status::Ok();
  Bitmap free;
  const uint32_t page_count = free_space_.page_count();
  free.Resize(page_count);
  std::vector<uint32_t> pages;
  uint32_t base = 0;
  for (PageRef ref = stored_free_map_; ref.number != kNoPage; base += FreeMapBits(page_size())) {
    const uint8_t* page = nullptr;
    if (base >= page_count) return Damaged(ref.number, "the free map has more pages than the partition needs");
    ZKDB_RETURN_IF_ERROR(VerifyPage(ref, &page));
    if (Load<PageHeader>(page).kind != PageKind::kFreeMap) return Damaged(ref.number, "is not a free map page");
    const uint32_t bits = std::min(FreeMapBits(page_size()), page_count - base);
    for (uint32_t i = 0; i < bits; ++i) {
      if ((page[kFreeMapPayloadOffset + i / 8] >> (i % 8)) & 1) free.Set(base + i);
    }
    pages.push_back(ref.number);
    ref = Load<FreeMapHead>(page + sizeof(PageHeader)).next;
  }
  ZKDB_RETURN_IF_ERROR(CheckFreeMap(free, pages));
  const uint64_t durable = free_space_.durable_sequence();
  free_space_.Load(free, page_count);
  free_space_.Durable(durable);
  free_map_pages_ = std::move(pages);
  free_map_loaded_ = true;
  return Status::Ok();
}

}  // namespace zkdb
