// Fuzzes the page decoder: bytes as one page. What VerifyPageStructure lets pass is read through every accessor,
// searched, and changed in place, without a byte outside of the page being touched.
//
// Input: byte 0 chooses the page size (bit 0) and how many changes follow the reading (bits 1-4); then changes of four
// bytes each; then the page.
#include <memory>

#include "core/base/fuzz.h"
#include "core/btree/page.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kPageCount = 100;

class PageRun {
 public:
  // Changes and reads happen in a block of exactly the page's size, so that the sanitizer sees the byte behind it.
  explicit PageRun(FuzzInput* input) {
    const uint8_t choice = input->Byte();
    page_size_ = (choice & 1) != 0 ? 16384 : 4096;
    for (uint32_t n = choice >> 1 & 15; n > 0; --n) changes_.push_back(input->Number(4));
    page_.reset(new (std::align_val_t{8}) uint8_t[page_size_]());
    const Slice bytes = input->Bytes(page_size_);
    std::copy_n(bytes.data, bytes.size, page_.get());
  }

  void Run() {
    if (VerifyPageStructure(page_.get(), page_size_, kPageCount) != nullptr) return;
    const PageKind kind = view().header().kind;
    if (kind != PageKind::kLeaf && kind != PageKind::kBranch) return;
    Read();
    for (const uint32_t change : changes_) {
      Change(change);
      // What is changed by the rules stays sound.
      const char* wrong = VerifyPageStructure(page_.get(), page_size_, kPageCount);
      EXPECT_EQ(std::string(wrong == nullptr ? "" : wrong), "");
    }
    Read();
  }

 private:
  struct Free {
    void operator()(uint8_t* p) const { ::operator delete[](p, std::align_val_t{8}); }
  };

  PageView view() const { return PageView(page_.get()); }
  PageEditor editor() { return {page_.get(), page_size_}; }
  uint32_t first_keyed() const { return view().leaf() ? 0 : 1; }

  void Read() {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < view().count(); ++i) {
      const Slot& s = view().slot(i);
      sum += Sum(EntryOf(i)) + view().key_size(s) + view().CellSize(s) + (view().leaf() ? view().time(s) : 0);
      if (!view().leaf()) {
        sum += view().child(i).number;
      } else if (PageView::ValueOverflows(s)) {
        sum += view().value_overflow(s).size;
      } else {
        sum += Sum(view().inline_value(s)) + view().value_size(s);
      }
      if (i >= first_keyed()) Search(EntryOf(i).key);
    }
    for (const char* probe : {"", "a", "key5", "\xFF\xFF\xFF\xFF\xFF"}) Search(probe);
    Search(std::string(5000, 'k'));
    EXPECT(view().free_bytes(page_size_) < page_size_);
    EXPECT(sum + 1 != 0);
  }

  static uint64_t Sum(Slice s) {
    uint64_t sum = 0;
    for (size_t i = 0; i < s.size; ++i) sum += s.data[i];
    return sum;
  }
  static uint64_t Sum(const Entry& e) { return Sum(e.key) + Sum(e.rest); }

  Entry EntryOf(uint32_t i) { return view().EntryAt(i, keys_); }

  void Search(Slice key) {
    const Position p = SearchPage(view(), first_keyed(), key, MaxInlineKey(page_size_));
    EXPECT(p.index <= view().count() || view().count() < first_keyed());
    EXPECT(!p.exact || p.index < view().count());
  }

  void Change(uint32_t change) {
    const uint32_t count = view().count();
    const uint32_t index = count == 0 ? 0 : (change >> 8) % count;
    switch (change % 6) {
      case 0: return editor().Compact();
      case 1: return count > first_keyed() ? editor().Remove(std::max(index, first_keyed())) : void();
      case 2: return RemoveRange(index, change >> 16);
      case 3: return Insert(index, change >> 16);
      case 4:
        if (!view().leaf()) return editor().SetChild(index, PageRef{change % kPageCount, change});
        if (count > 0) Overwrite(index, static_cast<char>(change >> 16));
        return;
      default: return Rebuild(index);
    }
  }

  void RemoveRange(uint32_t from, uint32_t n) {
    from = std::max(from, first_keyed());
    if (from < view().count()) editor().RemoveRange(from, std::min(view().count(), from + n % 8));
  }

  void Overwrite(uint32_t index, char with) {
    const Slot& s = view().slot(index);
    const std::string value(PageView::ValueOverflows(s) ? 1 : Load16(view().cell(s)), with);
    editor().OverwriteValue(index, value, PageView::Expires(s) ? 1 + static_cast<uint8_t>(with) : 0);
  }

  // Inserts an entry made of an existing one, with another end of its key.
  void Insert(uint32_t index, uint32_t n) {
    if (index < first_keyed() || index >= view().count()) return;
    Entry entry = EntryOf(index);
    const std::string rest = entry.rest.ToString();
    std::string key = entry.key.ToString();
    if ((entry.flags & kSlotKeyOverflow) == 0 && key.size() < MaxInlineKey(page_size_)) key += static_cast<char>(n);
    entry.key = key;
    entry.rest = rest;
    const uint32_t before = view().count();
    const bool inserted = editor().Insert(index, entry);
    EXPECT_EQ(view().count(), before + (inserted ? 1 : 0));
    if (inserted) EXPECT(EntryOf(index).key == Slice(key) && EntryOf(index).rest == Slice(rest));
  }

  // Lays the entries up to `index` out on a page of their own.
  void Rebuild(uint32_t index) {
    const uint32_t count = std::min(view().count(), index + 1);
    if (count == 0) return;
    std::vector<std::string> keys(count, std::string(MaxInlineKey(page_size_), '\0'));
    std::vector<Entry> entries;
    for (uint32_t i = 0; i < count; ++i) {
      entries.push_back(view().EntryAt(i, reinterpret_cast<uint8_t*>(keys[i].data())));
    }
    const auto in_order = [](const Entry& a, const Entry& b) { return Compare(a.key, b.key) < 0; };
    if (!std::is_sorted(entries.begin(), entries.end(), in_order)) return;
    const uint32_t prefix = PageBuilder::CommonPrefixOf(entries.data(), count, view().leaf());
    if (PageBuilder::PageBytes(entries.data(), count, view().leaf(), prefix) > page_size_) return;
    std::unique_ptr<uint8_t[], Free> built(new (std::align_val_t{8}) uint8_t[page_size_]());
    PageBuilder::Build(built.get(), page_size_, PageRef{5, 1}, view().header().level,
                       view().header().flags & kPageOfExpiry, prefix, entries.data(), count);
    page_.swap(built);
  }

  uint32_t page_size_ = 0;
  std::vector<uint32_t> changes_;
  std::unique_ptr<uint8_t[], Free> page_;
  uint8_t keys_[kMaxPageSize / 8] = {};
};

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zkdb::test::FuzzInput input(data, size);
  zkdb::test::PageRun(&input).Run();
  return 0;
}
