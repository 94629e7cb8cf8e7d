// Shifting: a full leaf hands records to the neighbour that has the most room. Cheaper than laying a window out anew
// (restructure.cc), which it leaves for later. The algorithm is that of a B*-tree's overflow (Knuth, The Art of
// Computer Programming, volume 3, section 6.2.4).
#include <algorithm>

#include "core/base/assert.h"
#include "core/btree/mutator.h"

namespace zkdb {
namespace {

constexpr uint32_t kShiftPercent = 99;  // shifting leaves both pages at most this full, or is not done

// Bytes of slots and cells.
uint32_t RecordBytes(PageView page, uint32_t page_size) {
  return page_size - page.slots_offset() - page.free_bytes(page_size);
}

}  // namespace

// The neighbour of the path's leaf with the most free bytes.
Status Mutator::RoomiestNeighbour(Shift* shift) {
  const Step& parent = path_[1];
  for (const bool right : {false, true}) {
    if (right ? parent.index + 1 >= parent.page.count() : parent.index == 0) continue;
    Step step;
    step.index = right ? parent.index + 1 : parent.index - 1;
    step.ref = parent.page.child(step.index);
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, step.ref, 0, &step.page));
    if (shift->neighbour.page.data() != nullptr &&
        step.page.free_bytes(page_size_) <= shift->neighbour.page.free_bytes(page_size_)) {
      continue;
    }
    shift->neighbour = step;
    shift->right = right;
  }
  return Status::Ok();
}

// Chooses the records that go over: those next to the neighbour, until both pages hold about the same.
void Mutator::ChooseRecords(uint32_t at, const Entry& entry, uint32_t bytes, Shift* shift) {
  const PageView page = path_[0].page;
  const uint32_t need = PageBuilder::EntrySize(entry, page.header().prefix_size, kLeafCellHead);
  shift->from = shift->right ? page.count() : 0;
  shift->to = shift->from;
  for (uint32_t moved = 0; moved < bytes && shift->entries.size() < page.count();) {  // one of count + 1 stays
    const uint32_t edge = shift->right ? shift->from : shift->to;
    if (edge == at && !shift->takes_entry) {
      shift->takes_entry = true;
      shift->entries.push_back(entry);
      moved += need;
      continue;
    }
    const uint32_t i = shift->right ? --shift->from : shift->to++;
    shift->entries.push_back(ScratchEntry(page, i));
    moved += uint32_t{sizeof(Slot)} + page.CellSize(page.slot(i));
  }
  if (shift->right) std::reverse(shift->entries.begin(), shift->entries.end());
}

// Whether the neighbour can take the records as its page is now.
bool Mutator::NeighbourTakes(const Shift& shift) {
  const PageEditor editor(const_cast<uint8_t*>(shift.neighbour.page.data()), page_size_);
  const Entry& farthest = shift.right ? shift.entries.front() : shift.entries.back();
  if (!editor.MatchesPrefix(farthest)) return false;
  uint32_t need = 0;
  for (const Entry& e : shift.entries) need += editor.Need(e);
  return need <= shift.neighbour.page.free_bytes(page_size_);
}

// Moves the chosen records and puts `entry` in its place.
Status Mutator::MoveRecords(uint32_t at, const Entry& entry, Shift* shift) {
  Step& neighbour = shift->neighbour;
  ZKDB_RETURN_IF_ERROR(Own(&neighbour.ref, &neighbour.page));
  PageEditor(Frame(path_[1]), page_size_).SetChild(neighbour.index, neighbour.ref);
  PageEditor taker(Frame(neighbour), page_size_);
  taker.InsertAll(shift->right ? 0 : taker.view().count(), shift->entries.data(), shift->entries.size());
  PageEditor giver(Frame(path_[0]), page_size_);
  giver.RemoveRange(shift->from, shift->to);
  if (shift->takes_entry) return Status::Ok();
  const uint32_t place = shift->right ? at : at - shift->to;
  const bool inserted = giver.Insert(place, entry);
  ZKDB_ASSERT(inserted);
  return Status::Ok();
}

// Replaces the parent's key between the two leaves.
Status Mutator::MendSeparator(const Shift& shift) {
  const Step& left = shift.right ? path_[0] : shift.neighbour;
  const Step& right = shift.right ? shift.neighbour : path_[0];
  const Entry last = ScratchEntry(left.page, left.page.count() - 1);
  Entry separator;
  ZKDB_RETURN_IF_ERROR(LeafSeparator(last, ScratchEntry(right.page, 0), &separator));
  separator.cell_head = PackRef(right.ref);
  PageEditor parent(Frame(path_[1]), page_size_);
  const uint32_t slot = shift.right ? shift.neighbour.index : path_[1].index;
  ZKDB_RETURN_IF_ERROR(ReleaseKey(parent.view(), slot));
  parent.Remove(slot);
  if (parent.Insert(slot, separator)) {
    path_valid_ = shift.right || !shift.takes_entry;  // the left neighbour took the entry: keys behind it may follow
    return Status::Ok();
  }
  return Restructure(1, slot, slot, {separator});
}

// Puts `entry` before slot `at` of the path's leaf, which has no room for it, by shifting records to a neighbour.
// *done is false, and nothing has changed, when the neighbours are full too or keep another prefix.
Status Mutator::ShiftRecords(uint32_t at, const Entry& entry, bool* done) {
  *done = false;
  PageEditor leaf(Frame(path_[0]), page_size_);
  if (root_.levels < 2 || !leaf.MatchesPrefix(entry)) return Status::Ok();
  Shift shift;
  ZKDB_RETURN_IF_ERROR(RoomiestNeighbour(&shift));
  if (shift.neighbour.page.data() == nullptr) return Status::Ok();
  const uint32_t have = RecordBytes(leaf.view(), page_size_) + leaf.Need(entry);
  const uint32_t beside = RecordBytes(shift.neighbour.page, page_size_);
  const uint32_t capacity = page_size_ - leaf.view().slots_offset();
  if (have + beside > 2 * capacity * kShiftPercent / 100) return Status::Ok();
  ChooseRecords(at, entry, (have - beside) / 2, &shift);
  if (!NeighbourTakes(shift)) return Status::Ok();
  *done = true;
  ZKDB_RETURN_IF_ERROR(MoveRecords(at, entry, &shift));
  return MendSeparator(shift);
}

}  // namespace zkdb
