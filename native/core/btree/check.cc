#include "core/btree/check.h"

#include <algorithm>

#include "core/base/bitmap.h"
#include "core/base/checksum.h"
#include "core/btree/overflow.h"
#include "core/btree/record_mutator.h"

namespace zkdb {
namespace {

constexpr uint64_t kProgressStep = 256;  // pages between two progress calls
constexpr size_t kShownKeyBytes = 24;

// What the parent allows in a subtree: keys in [lo, hi).
struct Bounds {
  std::string lo;
  std::string hi;
  bool has_lo = false;
  bool has_hi = false;
};

class Checker {
 public:
  Checker(PageSpace* space, const TreeRoot& root, const CheckOptions& options)
      : space_(space),
        records_root_(root),
        root_(root),
        options_(options),
        space_check_(options.space),
        page_size_(space->page_size()) {
    seen_.Resize(space->page_count());
  }

  Status Run(uint64_t* findings);

 private:
  bool Report(uint32_t page, const std::string& what);
  bool Claim(PageRef ref, const char* as);
  bool IsReserved(uint32_t page) const;
  bool ReadChecked(PageRef ref, const uint8_t** bytes);
  bool InFile(uint32_t number, const uint8_t* bytes) const;
  void Visit(PageRef ref, uint32_t level, const Bounds& bounds);
  void CheckSlot(PageRef ref, PageView page, uint32_t index);
  bool TakeKey(PageRef ref, PageView page, uint32_t index, std::string* key);
  void WalkRun(PageRef owner, const OverflowRef& value, const char* as);
  void CheckLeaf(PageRef ref, PageView page, const Bounds& bounds);
  void CheckLeafKey(PageRef ref, const std::string& key, const Bounds& bounds);
  void CheckTime(PageRef ref, uint64_t time, const std::string& key);
  void CheckEntry(PageRef ref, PageView page, uint32_t index, const std::string& key);
  void CheckOneTree(const TreeRoot& root, bool expiry);
  void CheckBranch(PageRef ref, PageView page, const Bounds& bounds);
  void CheckRecords();
  Status LoadSpace();
  void CheckSpace();
  void Progress();

  PageSpace* space_;
  const TreeRoot records_root_;
  TreeRoot root_;           // of the tree that is being checked
  bool in_expiry_ = false;  // it is the index
  const CheckOptions& options_;
  SpaceCheck space_check_;  // options_.space, or kNone when the free map is damaged
  const uint32_t page_size_;
  Bitmap seen_;
  uint64_t seen_count_ = 0;
  uint64_t findings_ = 0;
  uint64_t records_ = 0;
  bool damaged_ = false;  // something was not readable: counts and leaks say nothing
  bool stopped_ = false;
  bool has_previous_ = false;
  std::string previous_;  // the key before, over all leaves
};

bool Checker::Report(uint32_t page, const std::string& what) {
  ++findings_;
  const std::string text = space_->files().PathOf(page) + ": page " + std::to_string(page) + ": " + what;
  if (!stopped_ && options_.finding && !options_.finding(text)) stopped_ = true;
  return false;
}

// Pages that hold neither records nor free space: metas and segment headers.
bool Checker::IsReserved(uint32_t page) const {
  return page < MetaPages(page_size_) || page % space_->segment_pages() == 0;
}

// Marks a page as used by one reference; false when it cannot be followed.
bool Checker::Claim(PageRef ref, const char* as) {
  if (ref.number >= space_->page_count() || IsReserved(ref.number)) {
    damaged_ = true;
    return Report(ref.number, std::string(as) + " refers to it, but it is not a page for records");
  }
  if (seen_.Get(ref.number)) return Report(ref.number, std::string("it is referenced twice, now by ") + as);
  seen_.Set(ref.number);
  ++seen_count_;
  if (seen_count_ % kProgressStep == 0) Progress();
  if (space_check_ != SpaceCheck::kNone && space_->free_space().free().Get(ref.number)) {
    Report(ref.number, std::string("it is marked free but ") + as + " refers to it");
  }
  return !stopped_;
}

void Checker::Progress() {
  if (!options_.progress || stopped_) return;
  const uint64_t used = space_->page_count() - std::min<uint64_t>(space_->page_count(), space_->free_pages());
  if (!options_.progress(seen_count_, std::max(used, seen_count_))) stopped_ = true;
}

// Only bytes in a file carry a checksum: a frame gets its own when a checkpoint writes it.
bool Checker::InFile(uint32_t number, const uint8_t* bytes) const {
  const uint32_t segment = number / space_->segment_pages();
  const uint64_t offset = uint64_t{number % space_->segment_pages()} * page_size_;
  return segment < space_->files().segment_count() && bytes == space_->files().MapOf(segment) + offset;
}

bool Checker::ReadChecked(PageRef ref, const uint8_t** bytes) {
  const Status status = space_->Read(ref, bytes);
  if (!status.ok()) {
    damaged_ = true;
    ++findings_;
    if (options_.finding && !options_.finding(status.message())) stopped_ = true;
    return false;
  }
  const auto header = Load<PageHeader>(*bytes);
  std::string wrong;
  if (InFile(ref.number, *bytes) && header.checksum != Crc32c(0, *bytes + kChecksumSize, page_size_ - kChecksumSize)) {
    wrong = "the checksum does not match";
  } else if (header.number != ref.number) {
    wrong = "it says that it is page " + std::to_string(header.number);
  } else if (header.stamp != ref.stamp) {
    wrong = "its stamp is " + std::to_string(header.stamp) + ", its parent says " + std::to_string(ref.stamp);
  } else if (const char* unsound = VerifyPageStructure(*bytes, page_size_, space_->page_count())) {
    wrong = unsound;
  }
  if (wrong.empty()) return true;
  damaged_ = true;
  return Report(ref.number, wrong);
}

void Checker::Visit(PageRef ref, uint32_t level, const Bounds& bounds) {
  const uint8_t* bytes = nullptr;
  if (stopped_ || !Claim(ref, level + 1 == root_.levels ? "the meta" : "a branch") || !ReadChecked(ref, &bytes)) return;
  const PageView page(bytes);
  if (page.level() != level || page.header().kind != (level == 0 ? PageKind::kLeaf : PageKind::kBranch)) {
    damaged_ = true;
    Report(ref.number, "it is not a tree page of level " + std::to_string(level));
    return;
  }
  if (((page.header().flags & kPageOfExpiry) != 0) != in_expiry_) {
    Report(ref.number, in_expiry_ ? "the expiry index refers to it, but it is a page of the records"
                                  : "it is a page of the expiry index, but the records refer to it");
  }
  for (uint32_t i = 0; i < page.count() && !stopped_; ++i) CheckSlot(ref, page, i);
  if (page.count() == 0) Report(ref.number, "it is empty");
  if (level == 0) {
    CheckLeaf(ref, page, bounds);
  } else {
    CheckBranch(ref, page, bounds);
  }
}

void Checker::CheckSlot(PageRef ref, PageView page, uint32_t index) {
  const Slot& s = page.slot(index);
  const uint32_t size = PageView::KeySize(s);
  const std::string name = "slot " + std::to_string(index) + ": ";
  if (size < 4 && (s.head << (8 * size)) != 0) Report(ref.number, name + "its head goes on after the key's end");
  if (!page.leaf() && index == 0) {
    if (size != 0 || PageView::KeyOverflows(s)) Report(ref.number, name + "the first child of a branch has a key");
    return;
  }
  if (PageView::KeyOverflows(s) && page.in_page_key_size(s) != MaxInlineKey(page_size_)) {
    Report(ref.number, name + "its key overflows before the page keeps what it can");
  }
  const bool overflow = PageView::KeyOverflows(s) || (page.leaf() && PageView::ValueOverflows(s));
  if (overflow && (page.header().flags & kPageHasOverflow) == 0) {
    Report(ref.number, name + "it overflows, but the page's flag does not say so");
  }
}

// Claims and reads the pages of a value or of a key's rest.
void Checker::WalkRun(PageRef owner, const OverflowRef& value, const char* as) {
  const uint32_t payload = OverflowPayload(page_size_);
  uint64_t left = (uint64_t{value.size} + payload - 1) / payload;
  PageRef run = value.first;
  while (left > 0 && !stopped_) {
    const uint8_t* first = nullptr;
    if (!Claim(run, as) || !ReadChecked(run, &first)) return;
    const auto head = Load<OverflowHead>(first + sizeof(PageHeader));
    if (Load<PageHeader>(first).kind != PageKind::kOverflow || head.run_pages == 0 || head.run_pages > left) {
      damaged_ = true;
      Report(run.number, "it is not the start of an overflow run of a cell of page " + std::to_string(owner.number));
      return;
    }
    for (uint32_t i = 1; i < head.run_pages; ++i) {
      const PageRef next{run.number + i, run.stamp};
      const uint8_t* page = nullptr;
      if (!Claim(next, as) || !ReadChecked(next, &page)) return;
      if (Load<PageHeader>(page).kind != PageKind::kOverflow) Report(next.number, "it is not an overflow page");
    }
    left -= head.run_pages;
    run.number = head.next_run;
  }
}

// The whole key of a slot, its overflow pages claimed; false when they are not readable.
bool Checker::TakeKey(PageRef ref, PageView page, uint32_t index, std::string* key) {
  if (PageView::KeyOverflows(page.slot(index))) WalkRun(ref, page.key_rest(page.slot(index)), "a key");
  const Status status = LoadKey(space_, page, index, key);
  if (status.ok()) return true;
  damaged_ = true;
  return false;
}

void Checker::CheckLeafKey(PageRef ref, const std::string& key, const Bounds& bounds) {
  if (has_previous_ && Compare(previous_, key) >= 0) {
    Report(ref.number, "key " + ShowKey(key) + " does not come after the key before it, " + ShowKey(previous_));
  }
  if (bounds.has_lo && Compare(key, bounds.lo) < 0) {
    Report(ref.number, "key " + ShowKey(key) + " is below its parent's separator " + ShowKey(bounds.lo));
  }
  if (bounds.has_hi && Compare(key, bounds.hi) >= 0) {
    Report(ref.number, "key " + ShowKey(key) + " is not below the next separator " + ShowKey(bounds.hi));
  }
  if (in_expiry_) return;
  if (options_.owns_key && !options_.owns_key(key)) {
    Report(ref.number, "key " + ShowKey(key) + " does not belong to this partition");
  }
}

void Checker::CheckLeaf(PageRef ref, PageView page, const Bounds& bounds) {
  std::string key;
  for (uint32_t i = 0; i < page.count() && !stopped_; ++i) {
    ++records_;
    if (TakeKey(ref, page, i, &key)) {
      CheckLeafKey(ref, key, bounds);
      if (in_expiry_) CheckEntry(ref, page, i, key);
      if (!in_expiry_ && PageView::Expires(page.slot(i))) CheckTime(ref, page.time(page.slot(i)), key);
      previous_.swap(key);
      has_previous_ = true;
    }
    const Slot& s = page.slot(i);
    if (PageView::ValueOverflows(s)) WalkRun(ref, page.value_overflow(s), "a value");
  }
}

// A record that expires has its entry in the index. What cannot be looked up is a finding elsewhere.
void Checker::CheckTime(PageRef ref, uint64_t time, const std::string& key) {
  RecordPlace entry;
  if (options_.expiry.levels > kMaxLevels) return;
  if (!FindRecord(space_, options_.expiry, ExpiryKey(time, key), &entry).ok() || entry.found) return;
  Report(ref.number,
         "key " + ShowKey(key) + " ends at " + std::to_string(time) + ", but the expiry index does not say so");
}

// And every entry has its record.
void Checker::CheckEntry(PageRef ref, PageView page, uint32_t index, const std::string& key) {
  const Slot& s = page.slot(index);
  if (key.size() < kTimeSize || PageView::Expires(s) || page.value_size(s) != 0) {
    Report(ref.number, "slot " + std::to_string(index) + ": it is no entry of the expiry index");
    return;
  }
  RecordPlace record;
  const Slice of = RecordOfExpiryKey(key);
  const uint64_t time = TimeOfExpiryKey(key);
  if (records_root_.levels > kMaxLevels || !FindRecord(space_, records_root_, of, &record).ok()) return;
  if (record.found && record.time() == time) return;
  Report(ref.number,
         "the expiry index says that key " + ShowKey(of) + " ends at " + std::to_string(time) +
             (record.found ? ", but it ends at " + std::to_string(record.time()) : ", but it is not there"));
}

void Checker::CheckBranch(PageRef ref, PageView page, const Bounds& bounds) {
  Bounds child;
  child.lo = bounds.lo;
  child.has_lo = bounds.has_lo;
  for (uint32_t i = 0; i < page.count() && !stopped_; ++i) {
    child.hi = bounds.hi;
    child.has_hi = bounds.has_hi;
    std::string separator;
    const bool readable = i + 1 < page.count() && TakeKey(ref, page, i + 1, &separator);
    if (readable) {
      if (child.has_lo && Compare(separator, child.lo) <= 0) {
        Report(ref.number, "separator " + ShowKey(separator) + " does not come after " + ShowKey(child.lo));
      }
      if (bounds.has_hi && Compare(separator, bounds.hi) >= 0) {
        Report(ref.number, "separator " + ShowKey(separator) + " is not below its parent's " + ShowKey(bounds.hi));
      }
      child.hi = separator;
      child.has_hi = true;
    }
    Visit(page.child(i), page.level() - 1, child);
    if (!readable) continue;
    child.lo = std::move(separator);
    child.has_lo = true;
  }
}

void Checker::CheckRecords() {
  if (damaged_ || records_ == root_.records) return;
  Report(root_.page.number,
         "the tree has " + std::to_string(records_) + " records, its root says " + std::to_string(root_.records));
}

void Checker::CheckSpace() {
  for (uint32_t page : space_->free_map_pages()) {
    if (seen_.Get(page)) Report(page, "it holds the free map and is referenced by the tree");
    seen_.Set(page);
  }
  if (space_check_ != SpaceCheck::kLeaks || damaged_) return;
  const Bitmap& free = space_->free_space().free();
  for (uint32_t page = 0; page < space_->page_count() && !stopped_; ++page) {
    if (IsReserved(page) || seen_.Get(page) || free.Get(page)) continue;
    Report(page, "it is leaked: nothing refers to it and it is not free");
  }
}

// Loads the free map; one that is damaged is a finding, and pages are then not held against it.
Status Checker::LoadSpace() {
  if (space_check_ == SpaceCheck::kNone) return Status::Ok();
  const Status status = space_->LoadFreeMap();
  if (status.code() != ZKDB_CORRUPT) return status;
  space_check_ = SpaceCheck::kNone;
  ++findings_;
  if (options_.finding && !options_.finding(status.message())) stopped_ = true;
  return Status::Ok();
}

void Checker::CheckOneTree(const TreeRoot& root, bool expiry) {
  root_ = root;
  in_expiry_ = expiry;
  records_ = 0;
  has_previous_ = false;
  if (root_.levels > kMaxLevels) {
    damaged_ = true;
    Report(root_.page.number, "the meta says that the tree has " + std::to_string(root_.levels) + " levels");
  } else if (root_.levels > 0) {
    Visit(root_.page, root_.levels - 1u, Bounds{});
  }
  if (!stopped_) CheckRecords();
}

Status Checker::Run(uint64_t* findings) {
  ZKDB_RETURN_IF_ERROR(LoadSpace());
  CheckOneTree(records_root_, false);
  if (!stopped_) CheckOneTree(options_.expiry, true);
  if (!stopped_ && space_check_ != SpaceCheck::kNone) CheckSpace();
  Progress();
  *findings = findings_;
  return Status::Ok();
}

uint64_t OverflowPages(const OverflowRef& ref, uint32_t page_size) {
  return (uint64_t{ref.size} + OverflowPayload(page_size) - 1) / OverflowPayload(page_size);
}

void MeasureOverflow(PageView page, uint32_t page_size, TreeFigures* out) {
  if ((page.header().flags & kPageHasOverflow) == 0) return;
  for (uint32_t i = page.leaf() ? 0 : 1; i < page.count(); ++i) {
    const Slot& s = page.slot(i);
    if (PageView::KeyOverflows(s)) out->overflow_pages += OverflowPages(page.key_rest(s), page_size);
    if (page.leaf() && PageView::ValueOverflows(s))
      out->overflow_pages += OverflowPages(page.value_overflow(s), page_size);
  }
}

Status MeasurePage(PageSpace* space, PageRef ref, uint32_t level, TreeFigures* out) {
  PageView page;
  ZKDB_RETURN_IF_ERROR(ReadTreePage(space, ref, level, &page));
  const uint32_t page_size = space->page_size();
  ++(level == 0 ? out->leaf_pages : out->branch_pages);
  (level == 0 ? out->leaf_bytes_used : out->branch_bytes_used) += page_size - page.free_bytes(page_size);
  MeasureOverflow(page, page_size, out);
  for (uint32_t i = 0; level > 0 && i < page.count(); ++i) {
    ZKDB_RETURN_IF_ERROR(MeasurePage(space, page.child(i), level - 1, out));
  }
  return Status::Ok();
}

}  // namespace

std::string ShowKey(Slice key) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "'";
  for (size_t i = 0; i < std::min(key.size, kShownKeyBytes); ++i) {
    const uint8_t c = key.data[i];
    if (c >= 0x20 && c < 0x7F && c != '\\') {
      out += static_cast<char>(c);
    } else {
      out += {'\\', 'x', kDigits[c >> 4], kDigits[c & 15]};
    }
  }
  return out + (key.size > kShownKeyBytes ? "...' (" + std::to_string(key.size) + " bytes)" : "'");
}

Status CheckTree(PageSpace* space, const TreeRoot& root, const CheckOptions& options, uint64_t* findings) {
  *findings = 0;
  return Checker(space, root, options).Run(findings);
}

Status MeasureTree(PageSpace* space, const TreeRoot& root, TreeFigures* out) {
  *out = TreeFigures{};
  if (root.levels == 0 || root.levels > kMaxLevels) return Status::Ok();
  return MeasurePage(space, root.page, root.levels - 1u, out);
}

}  // namespace zkdb
