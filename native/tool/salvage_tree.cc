#include "tool/salvage_tree.h"

#include <algorithm>

#include "core/base/coding.h"
#include "core/btree/check.h"

namespace zkdb {

// ---- decided ranges -------------------------------------------------------------------------------------------------

bool DecidedRanges::Contains(Slice key) const {
  const std::string_view wanted(reinterpret_cast<const char*>(key.data), key.size);
  auto at = ranges_.upper_bound(wanted);
  if (at == ranges_.begin()) return false;
  --at;
  return at->second.endless || wanted < at->second.hi;
}

void DecidedRanges::Add(const std::string& lo, bool endless, const std::string& hi) {
  if (!endless && hi <= lo) return;
  std::string begin = lo;
  End end{endless, endless ? std::string() : hi};
  auto at = ranges_.upper_bound(begin);
  if (at != ranges_.begin() && Reaches(std::prev(at)->second, begin)) begin = (--at)->first;
  while (at != ranges_.end() && Reaches(end, at->first)) {
    if (at->second.endless || (!end.endless && at->second.hi > end.hi)) end = std::move(at->second);
    at = ranges_.erase(at);
  }
  ranges_.emplace_hint(at, std::move(begin), std::move(end));
}

// ---- what is lost ---------------------------------------------------------------------------------------------------

void SalvageTree::LosePage(uint32_t number) {
  if (number >= pages_->page_count() || lost_.Get(number)) return;
  lost_.Set(number);
  ++result_->lost_pages;
}

void SalvageTree::LoseChild(PageRef ref, uint32_t level, const Bounds& bounds, const char* problem) {
  std::string text = pages_->PathOf(ref.number) + ": page " + std::to_string(ref.number) + ": " + problem + ": ";
  if (level > 0) {
    text += "a branch of level " + std::to_string(level) + " is lost; its leaves are looked for among all pages";
  } else {
    text += "the records ";
    text += bounds.lo.known ? "from " + ShowKey(bounds.lo.key) : std::string("from an unknown key");
    if (!bounds.hi.known) text += " to an unknown key";
    if (bounds.hi.known && !bounds.hi.endless) text += " up to and without " + ShowKey(bounds.hi.key);
    text += " are lost";
  }
  const bool told = ref.number < pages_->page_count() && lost_.Get(ref.number);
  if (!told) finding_(text);
  LosePage(ref.number);
  if (level > 0) {
    has_orphans_ = true;
  } else {
    Decide(bounds, nullptr, nullptr);
  }
}

void SalvageTree::LoseRecord(PageRef ref, uint32_t bad, const std::string& what, const char* problem) {
  // The leaf is not in use any more, and its overflow pages have been used again since.
  if (unsure_ && bad < pages_->page_count() && pages_->page(bad).intact) return;
  ++result_->lost_records;
  LosePage(bad);
  finding_(pages_->PathOf(bad) + ": page " + std::to_string(bad) + ": " + problem + ": " + what + " in leaf page " +
           std::to_string(ref.number) + " is lost");
}

// Damaged pages that nothing readable refers to, and that may have been in use.
void SalvageTree::ReportLostPages() {
  std::vector<uint8_t> bytes;
  const auto is_lost = [this](uint32_t n) {
    const SalvagePage& page = pages_->page(n);
    if (page.intact || pages_->IsReserved(n) || lost_.Get(n)) return false;
    return pages_->FreeIsKnown(n) ? !pages_->IsFree(n) : has_orphans_ && !page.blank;
  };
  for (uint32_t n = 0; n < pages_->page_count(); ++n) {
    if (!is_lost(n)) continue;
    const uint32_t first = n;
    const char* problem = pages_->Read(n, &bytes);
    for (;; ++n) {
      LosePage(n);
      if (n + 1 == pages_->page_count() || !is_lost(n + 1) || pages_->PathOf(n + 1) != pages_->PathOf(first)) break;
    }
    const std::string text = pages_->PathOf(first) + ": page " + std::to_string(first) +
                             (n > first ? " to " + std::to_string(n) : std::string()) + ": ";
    finding_(text + (problem == nullptr ? "it cannot be read" : problem) + ": what it held is lost");
  }
}

// ---- the walk -------------------------------------------------------------------------------------------------------

Status SalvageTree::Run() {
  visited_.Resize(pages_->page_count());
  lost_.Resize(pages_->page_count());
  ZKDB_RETURN_IF_ERROR(VisitRoot());
  if (has_orphans_) ZKDB_RETURN_IF_ERROR(VisitOrphans());
  const Meta* meta = pages_->meta();
  if (meta != nullptr && meta->expiry_levels > 0) VisitExpiry(meta->expiry_root, meta->expiry_levels - 1u);
  ReportLostPages();
  return Status::Ok();
}

Status SalvageTree::VisitRoot() {
  const Meta* meta = pages_->meta();
  if (meta == nullptr) {
    has_orphans_ = true;
    return Status::Ok();
  }
  if (meta->levels == 0) return Status::Ok();
  Bounds all;
  all.lo.known = all.hi.known = all.hi.endless = true;
  return Visit(meta->root, meta->levels - 1u, all);
}

void SalvageTree::TellExpiry(uint32_t number, const char* problem) {
  if (number >= pages_->page_count() || lost_.Get(number)) return;
  lost_.Set(number);
  finding_(pages_->PathOf(number) + ": page " + std::to_string(number) + ": " + problem +
           ": it is of the expiry index, which is made anew: nothing is lost");
}

// The records have their times: of the index only the damaged pages are of interest, to tell them from lost ones.
void SalvageTree::VisitExpiry(PageRef ref, uint32_t level) {
  if (ref.number < pages_->page_count() && visited_.Get(ref.number)) return;
  std::vector<uint8_t> bytes;
  if (const char* problem = pages_->Read(ref, &bytes)) return TellExpiry(ref.number, problem);
  const PageView page(bytes.data());
  const PageKind kind = level == 0 ? PageKind::kLeaf : PageKind::kBranch;
  if (page.header().kind != kind || page.level() != level || (page.header().flags & kPageOfExpiry) == 0) return;
  visited_.Set(ref.number);
  for (uint32_t i = 0; i < page.count(); ++i) {
    std::string key;
    uint32_t bad = 0;
    const char* problem = nullptr;
    if (!LoadKey(ref, page, i, &key, &bad, &problem)) TellExpiry(bad, problem);
    if (level > 0) VisitExpiry(page.child(i), level - 1);
  }
}

// Intact tree pages that the walk did not reach and that may be in use, the newest first, parents before children.
std::vector<uint32_t> SalvageTree::Orphans() const {
  std::vector<uint32_t> list;
  for (uint32_t n = 0; n < pages_->page_count(); ++n) {
    const SalvagePage& page = pages_->page(n);
    const bool tree = page.kind == PageKind::kLeaf || page.kind == PageKind::kBranch;
    if (!page.intact || !tree || page.expiry || visited_.Get(n) || lost_.Get(n) || pages_->IsFree(n)) continue;
    if (!pages_->IsLater(page.stamp)) list.push_back(n);
  }
  std::sort(list.begin(), list.end(), [this](uint32_t a, uint32_t b) {
    const SalvagePage& x = pages_->page(a);
    const SalvagePage& y = pages_->page(b);
    if (x.stamp != y.stamp) return pages_->AgeOf(x.stamp) > pages_->AgeOf(y.stamp);
    return x.level != y.level ? x.level > y.level : a < b;
  });
  return list;
}

Status SalvageTree::VisitOrphans() {
  orphans_ = true;
  for (uint32_t n : Orphans()) {
    if (visited_.Get(n) || lost_.Get(n)) continue;
    const SalvagePage& page = pages_->page(n);
    ZKDB_RETURN_IF_ERROR(Visit(PageRef{n, page.stamp}, page.level, Bounds{}));
  }
  return Status::Ok();
}

// Whether the reference is of a branch that is not in use any more: its page has been used again since.
bool SalvageTree::IsOutdated(PageRef ref) const {
  if (!unsure_ || ref.number >= pages_->page_count() || !pages_->page(ref.number).intact) return false;
  return pages_->AgeOf(pages_->page(ref.number).stamp) > pages_->AgeOf(ref.stamp);
}

Status SalvageTree::Visit(PageRef ref, uint32_t level, const Bounds& bounds) {
  if (ref.number < pages_->page_count() && visited_.Get(ref.number)) {
    if (level == 0) Decide(bounds, nullptr, nullptr);
    return Status::Ok();
  }
  std::vector<uint8_t> bytes;
  const char* problem = pages_->Read(ref, &bytes);
  const PageView page(bytes.data());
  const PageKind kind = level == 0 ? PageKind::kLeaf : PageKind::kBranch;
  if (problem == nullptr && (page.header().kind != kind || page.level() != level))
    problem = "it is not a tree page of the level that its parent says";
  if (problem != nullptr) {
    const bool outdated = IsOutdated(ref);
    if (!outdated) LoseChild(ref, level, bounds, problem);
    if (outdated && level == 0) Decide(bounds, nullptr, nullptr);
    return Status::Ok();
  }
  visited_.Set(ref.number);
  unsure_ = orphans_ && !pages_->FreeIsKnown(ref.number);
  ZKDB_RETURN_IF_ERROR(tick_(pages_->page_size()));
  return level == 0 ? VisitLeaf(ref, page, bounds) : VisitBranch(ref, page, bounds);
}

Status SalvageTree::VisitBranch(PageRef ref, PageView page, const Bounds& bounds) {
  Bounds child;
  child.lo = bounds.lo;
  for (uint32_t i = 0; i < page.count(); ++i) {
    child.hi = bounds.hi;
    if (i + 1 < page.count()) {
      uint32_t bad = 0;
      const char* problem = nullptr;
      child.hi = Bound{};
      child.hi.known = LoadKey(ref, page, i + 1, &child.hi.key, &bad, &problem);
    }
    ZKDB_RETURN_IF_ERROR(Visit(page.child(i), page.level() - 1, child));
    child.lo = child.hi;
  }
  return Status::Ok();
}

Status SalvageTree::VisitLeaf(PageRef ref, PageView page, const Bounds& bounds) {
  std::string first;
  std::string last;
  bool any = false;
  for (uint32_t i = 0; i < page.count(); ++i) {
    std::string key;
    bool has_key = false;
    ZKDB_RETURN_IF_ERROR(TakeRecord(ref, page, i, &key, &has_key));
    if (!has_key) continue;
    if (!any) first = key;
    last.swap(key);
    any = true;
  }
  Decide(bounds, any ? &first : nullptr, any ? &last : nullptr);
  return Status::Ok();
}

// The page is the last word on the keys between its bounds; where one is not known, on those from its first key to its
// last one.
void SalvageTree::Decide(const Bounds& bounds, const std::string* first, const std::string* last) {
  if (!bounds.lo.known && first == nullptr) return;
  if (!bounds.hi.known && last == nullptr) return;
  const std::string& lo = bounds.lo.known ? bounds.lo.key : *first;
  if (bounds.hi.known) {
    decided_.Add(lo, bounds.hi.endless, bounds.hi.key);
  } else {
    decided_.Add(lo, false, *last + '\0');  // the key after *last
  }
}

bool SalvageTree::LoadKey(PageRef, PageView page, uint32_t index, std::string* key, uint32_t* bad,
                          const char** problem) {
  const Slot& slot = page.slot(index);
  key->resize(page.in_page_key_size(slot));
  page.CopyKey(slot, reinterpret_cast<uint8_t*>(key->data()));
  if (!PageView::KeyOverflows(slot)) return true;
  *problem = pages_->ReadOverflow(page.key_rest(slot), key, bad);
  return *problem == nullptr;
}

Status SalvageTree::TakeRecord(PageRef ref, PageView page, uint32_t index, std::string* key, bool* has_key) {
  const Slot& slot = page.slot(index);
  uint32_t bad = 0;
  const char* problem = nullptr;
  *has_key = LoadKey(ref, page, index, key, &bad, &problem);
  if (!*has_key) {
    LoseRecord(ref, bad, "the key that begins with " + ShowKey(*key), problem);
    return Status::Ok();
  }
  if (orphans_ && decided_.Contains(*key)) return Status::Ok();
  Slice value = page.inline_value(slot);
  if (PageView::ValueOverflows(slot)) {
    value_.clear();
    problem = pages_->ReadOverflow(page.value_overflow(slot), &value_, &bad);
    value = value_;
  }
  if (problem != nullptr) {
    LoseRecord(ref, bad, "the value of key " + ShowKey(*key), problem);
    return Status::Ok();
  }
  result_->unsure_records += unsure_ ? 1 : 0;
  return take_(*key, value, page.time(slot));
}

}  // namespace zkdb
