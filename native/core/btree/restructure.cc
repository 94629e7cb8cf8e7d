// Windows: a page that overflows or runs nearly empty is laid out anew together with its neighbours. The algorithm is
// that of mutator.h; this file gathers the entries, chooses how many pages they need, builds them and mends the parent.
#include <algorithm>

#include "core/base/assert.h"
#include "core/btree/mutator.h"
#include "core/btree/overflow.h"

namespace zkdb {
namespace {

constexpr uint32_t kFullPercent = 97;    // a window is given another page when its pages would be fuller than this
constexpr uint32_t kSparsePercent = 25;  // a page below this looks for a neighbour to merge with
constexpr uint32_t kMergedPercent = 80;  // and merges when both together are at most this full

uint32_t UsedBytes(PageView page, uint32_t page_size) {
  return page_size - uint32_t{sizeof(PageHeader)} - page.free_bytes(page_size);
}

}  // namespace

// Puts `insert` in the place of slots [from, to) of the path's page at `level`, which has no room for them.
Status Mutator::Restructure(uint32_t level, uint32_t from, uint32_t to, const std::vector<Entry>& insert) {
  path_valid_ = false;
  const PageView page = path_[level].page;
  const bool full = page.free_bytes(page_size_) < page_size_ / 8;
  Window window;
  if (full && from == page.count() && to == from && IsRightEdge(level)) {
    if (!WouldShrink(page)) return AppendPage(level, insert);
    window.pages.push_back(path_[level]);
    window.first_child = level == top_level() ? 0 : path_[level + 1].index;
    GatherEntries(level, from, to, insert, &window);
    const Layout layout = LayOut(level, window);
    return layout.ends.size() == 1 ? Relayout(level, layout, &window) : AppendPage(level, insert);
  }
  if (level == 0 && from == to) {
    bool shifted = false;
    ZKDB_RETURN_IF_ERROR(ShiftRecords(from, insert.front(), &shifted));
    if (shifted) return Status::Ok();
  }
  if (level == top_level()) {
    window.pages.push_back(path_[level]);
  } else {
    const Step& parent = path_[level + 1];
    const uint32_t first = parent.index > 0 ? parent.index - 1 : 0;
    const uint32_t last = std::min(parent.index + 1, parent.page.count() - 1);
    ZKDB_RETURN_IF_ERROR(OpenWindow(level, first, last, &window));
  }
  GatherEntries(level, from, to, insert, &window);
  return Relayout(level, LayOut(level, window), &window);
}

// An ascending load begins its pages with one entry and so without a prefix: a full page may have found one since.
bool Mutator::WouldShrink(PageView page) {
  const uint32_t first = page.leaf() ? 0 : 1;
  if (page.count() < first + 2) return false;
  const Entry last = ScratchEntry(page, page.count() - 1);
  const size_t common = std::min<size_t>(CommonPrefix(ScratchEntry(page, first).key, last.key), UINT8_MAX);
  return common > page.prefix().size + sizeof(uint64_t);
}

bool Mutator::IsRightEdge(uint32_t level) const {
  for (uint32_t l = level + 1; l < root_.levels; ++l) {
    if (path_[l].index + 1 != path_[l].page.count()) return false;
  }
  return true;
}

// Ascending load: the full page stays as it is, `insert` begins a new one to its right.
Status Mutator::AppendPage(uint32_t level, const std::vector<Entry>& insert) {
  const Step& step = path_[level];
  std::vector<Entry> fresh = insert;
  Entry separator;
  if (level == 0) {
    const uint32_t last = step.page.count() - 1;
    ZKDB_RETURN_IF_ERROR(LeafSeparator(ScratchEntry(step.page, last), fresh.front(), &separator));
  } else {
    separator = fresh.front();
  }
  PageRef ref;
  ZKDB_RETURN_IF_ERROR(BuildPage(level, fresh.data(), fresh.size(), 0, &ref));
  separator.cell_head = PackRef(ref);
  if (level == top_level()) {
    Entry left;
    left.cell_head = PackRef(step.ref);
    return GrowRoot(level, {left, separator});
  }
  Step& parent = path_[level + 1];
  const uint32_t at = parent.index + 1;
  if (PageEditor(Frame(parent), page_size_).Insert(at, separator)) return Status::Ok();
  return Restructure(level + 1, at, at, {separator});
}

// Merges the path's page at `level` with a neighbour when both have become small.
Status Mutator::ShrinkIfSparse(uint32_t level) {
  if (level == top_level()) return Status::Ok();
  const uint32_t capacity = page_size_ - uint32_t{sizeof(PageHeader)};
  const uint32_t used = UsedBytes(path_[level].page, page_size_);
  const Step& parent = path_[level + 1];
  if (used * 100 > capacity * kSparsePercent || parent.page.count() < 2) return Status::Ok();
  const uint32_t first = parent.index > 0 ? parent.index - 1 : 0;
  const uint32_t neighbour = parent.index > 0 ? first : 1;
  PageView other;
  ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, parent.page.child(neighbour), level, &other));
  if ((used + UsedBytes(other, page_size_)) * 100 > capacity * kMergedPercent) return Status::Ok();
  path_valid_ = false;
  Window window;
  ZKDB_RETURN_IF_ERROR(OpenWindow(level, first, first + 1, &window));
  GatherEntries(level, 0, 0, {}, &window);
  // The common prefix of both may be shorter than each one's own: then they do not fit one page.
  const Layout layout = LayOut(level, window);
  if (layout.ends.size() > 1) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(Relayout(level, layout, &window));
  return ShrinkIfSparse(level + 1);
}

Status Mutator::OpenWindow(uint32_t level, uint32_t first, uint32_t last, Window* window) {
  const Step& parent = path_[level + 1];
  window->first_child = first;
  for (uint32_t i = first; i <= last; ++i) {
    Step step;
    step.ref = parent.page.child(i);
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, step.ref, level, &step.page));
    if (i != parent.index) PrefetchWholePage(step.page.data(), page_size_);
    window->pages.push_back(step);
  }
  return Status::Ok();
}

void Mutator::GatherEntries(uint32_t level, uint32_t from, uint32_t to, const std::vector<Entry>& insert,
                            Window* window) {
  size_t total = insert.size();
  for (const Step& step : window->pages) total += step.page.count();
  window->entries.reserve(total);
  for (size_t p = 0; p < window->pages.size(); ++p) {
    const Step& step = window->pages[p];
    const bool changed = step.ref == path_[level].ref;
    for (uint32_t i = 0; i < step.page.count(); ++i) {
      if (changed && i == from) window->entries.insert(window->entries.end(), insert.begin(), insert.end());
      if (changed && i >= from && i < to) continue;
      Entry e = ScratchEntry(step.page, i);
      if (level > 0 && i == 0 && p > 0) {
        // The key of a branch's first child is the parent's separator.
        const PageView parent = path_[level + 1].page;
        const auto at = static_cast<uint32_t>(window->first_child + p);
        const uint64_t child = e.cell_head;
        e = ScratchEntry(parent, at);
        e.cell_head = child;
        e.rest = scratch_.Copy(e.rest);
      }
      window->entries.push_back(e);
    }
    if (changed && from == step.page.count())
      window->entries.insert(window->entries.end(), insert.begin(), insert.end());
  }
}

// ---- choosing the pages

bool Mutator::CutEvenly(const Layout& layout, size_t pages, uint32_t capacity, std::vector<size_t>* ends) const {
  uint64_t total = 0;
  for (uint32_t size : layout.sizes) total += size;
  ends->clear();
  uint64_t sum = 0;
  uint64_t page_sum = 0;
  for (size_t i = 0; i < layout.sizes.size(); ++i) {
    // The cut before entry i when that is nearer to an even share than the cut after it.
    const uint64_t goal = total * (ends->size() + 1) / pages;
    if (page_sum > 0 && ends->size() + 1 < pages && sum + layout.sizes[i] / 2 > goal) {
      ends->push_back(i);
      page_sum = 0;
    }
    sum += layout.sizes[i];
    page_sum += layout.sizes[i];
    if (page_sum > capacity) return false;
  }
  ends->push_back(layout.sizes.size());
  return ends->size() <= pages;
}

Mutator::Layout Mutator::LayOut(uint32_t level, const Window& window) const {
  const bool leaf = level == 0;
  Layout layout;
  layout.prefix = PageBuilder::CommonPrefixOf(window.entries.data(), window.entries.size(), leaf);
  uint64_t total = 0;
  for (const Entry& e : window.entries) {
    layout.sizes.push_back(PageBuilder::EntrySize(e, layout.prefix, leaf ? kLeafCellHead : kBranchCellHead));
    total += layout.sizes.back();
  }
  const auto capacity = static_cast<uint32_t>(page_size_ - sizeof(PageHeader) - RoundUp(layout.prefix, 8));
  const uint32_t percent = window.pages.size() > 1 ? kFullPercent : 100;
  const uint64_t room = uint64_t{capacity} * percent / 100;
  size_t pages = std::max<size_t>(1, static_cast<size_t>((total + room - 1) / room));
  while (!CutEvenly(layout, pages, capacity, &layout.ends)) ++pages;
  return layout;
}

// ---- building

Status Mutator::BuildPage(uint32_t level, Entry* entries, size_t count, uint32_t window_prefix, PageRef* ref) {
  if (level > 0) {
    entries[0].key = Slice();
    entries[0].rest = Slice();
    entries[0].flags = 0;
  }
  const bool leaf = level == 0;
  uint32_t prefix = PageBuilder::CommonPrefixOf(entries, count, leaf);
  uint32_t bytes = PageBuilder::PageBytes(entries, count, leaf, prefix);
  // A longer prefix is padded to eight bytes and may cost more than it saves.
  if (prefix > window_prefix) {
    const uint32_t shorter = PageBuilder::PageBytes(entries, count, leaf, window_prefix);
    if (shorter < bytes) prefix = window_prefix;
    bytes = std::min(bytes, shorter);
  }
  ZKDB_ASSERT(bytes <= page_size_);
  uint8_t* frame = nullptr;
  ZKDB_RETURN_IF_ERROR(space_->Allocate(ref, &frame));
  PageBuilder::Build(frame, page_size_, *ref, static_cast<uint8_t>(level), page_flags_, prefix, entries, count);
  return Status::Ok();
}

Status Mutator::WholeKey(const Entry& e, uint32_t rest_offset, std::string* out) {
  *out = e.key.ToString();
  if ((e.flags & kSlotKeyOverflow) == 0) return Status::Ok();
  const auto ref = Load<OverflowRef>(e.rest.data + rest_offset);
  const size_t in_page = out->size();
  out->resize(in_page + ref.size);
  return ReadOverflow(space_, ref, reinterpret_cast<uint8_t*>(out->data()) + in_page);
}

// The shortest key that is above `left` and not above `right`.
Status Mutator::LeafSeparator(const Entry& left, const Entry& right, Entry* out) {
  *out = Entry{};
  const size_t common = CommonPrefix(left.key, right.key);
  if (common < right.key.size) {
    out->key = scratch_.Copy(right.key.Sub(0, common + 1));
    return Status::Ok();
  }
  std::string left_key;
  std::string right_key;
  ZKDB_RETURN_IF_ERROR(WholeKey(left, 0, &left_key));
  ZKDB_RETURN_IF_ERROR(WholeKey(right, 0, &right_key));
  const size_t whole_common = CommonPrefix(left_key, right_key);
  ZKDB_ASSERT(whole_common < right_key.size());
  return MakeKey(scratch_.Copy(Slice(right_key).Sub(0, whole_common + 1)), out, &out->rest);
}

// Writes the window's entries to new pages, frees the old ones and mends the parent.
Status Mutator::Relayout(uint32_t level, const Layout& layout, Window* window) {
  std::vector<Entry> children;
  size_t begin = 0;
  for (size_t end : layout.ends) {
    Entry child;
    if (begin > 0 && level == 0) {
      ZKDB_RETURN_IF_ERROR(LeafSeparator(window->entries[begin - 1], window->entries[begin], &child));
    } else if (begin > 0) {
      child = window->entries[begin];
      child.rest = scratch_.Copy(child.rest);
    }
    PageRef ref;
    ZKDB_RETURN_IF_ERROR(BuildPage(level, &window->entries[begin], end - begin, layout.prefix, &ref));
    child.cell_head = PackRef(ref);
    children.push_back(child);
    begin = end;
  }
  for (const Step& old : window->pages) space_->Free(old.ref);
  if (level == top_level()) return GrowRoot(level, children);
  return ReplaceInParent(level, *window, children);
}

Status Mutator::ReplaceInParent(uint32_t level, const Window& window, const std::vector<Entry>& children) {
  Step& parent = path_[level + 1];
  PageEditor editor(Frame(parent), page_size_);
  const uint32_t from = window.first_child + 1;
  const auto to = static_cast<uint32_t>(window.first_child + window.pages.size());
  for (uint32_t i = from; level == 0 && i < to; ++i) ZKDB_RETURN_IF_ERROR(ReleaseKey(editor.view(), i));
  editor.RemoveRange(from, to);
  editor.SetChild(window.first_child, UnpackRef(children.front().cell_head));
  for (size_t i = 1; i < children.size(); ++i) {
    const auto at = static_cast<uint32_t>(window.first_child + i);
    if (editor.Insert(at, children[i])) continue;
    return Restructure(level + 1, at, at, {children.begin() + static_cast<ptrdiff_t>(i), children.end()});
  }
  return Status::Ok();
}

// The root was laid out anew: one page takes its place, several get a root above them.
Status Mutator::GrowRoot(uint32_t level, const std::vector<Entry>& children) {
  if (children.size() == 1) {
    root_.page = UnpackRef(children.front().cell_head);
    return Status::Ok();
  }
  std::vector<Entry> entries = children;
  PageRef ref;
  ZKDB_RETURN_IF_ERROR(BuildPage(level + 1, entries.data(), entries.size(), 0, &ref));
  root_.page = ref;
  ++root_.levels;
  return Status::Ok();
}

}  // namespace zkdb
