// Transactions, allocation and checkpoints; page_space_read.cc reads and verifies what the files hold.
#include "core/segment/page_space.h"

#include <algorithm>
#include <new>

#include "core/base/assert.h"
#include "core/base/checksum.h"
#include "core/base/coding.h"

namespace zkdb {
namespace {

constexpr uint64_t kViewBytes = uint64_t{kMaxSegments} * 16;
constexpr uint32_t kFrameBatch = 64;   // frames taken from the arena at once
constexpr size_t kFramesKept = 256;    // free frames a partition keeps for itself
constexpr uint32_t kTrimFraction = 8;  // a running partition is cut when an eighth of it is a free tail
constexpr uint32_t kTrimLeast = 256;   // pages

// Room for `more` entries, in steps that double.
template <typename T>
void ReserveMore(std::vector<T>* list, size_t more) {
  if (list->capacity() - list->size() >= more) return;
  list->reserve(std::max(2 * list->capacity(), list->size() + more));
}

}  // namespace

PageSpace::PageSpace(Env* env, SegmentOptions options, FrameArena* arena, PageVerifier verify)
    : env_(env),
      page_shift_(Log2(options.page_size)),
      segment_shift_(Log2(options.segment_pages)),
      segment_mask_(options.segment_pages - 1),
      arena_(arena),
      verify_(verify),
      files_(env, std::move(options)) {
  static_assert(sizeof(View) * kMaxSegments == kViewBytes);
  free_space_.Extend(MetaPages(page_size()));
}

PageSpace::~PageSpace() {
  // Frames of pages that are still in use go back with the arena, which the engine destroys after its partitions.
  const uint64_t table = uint64_t{segment_mask_ + 1} * sizeof(std::atomic<uint32_t>);
  for (uint32_t i = 0; views_ != nullptr && i < kMaxSegments && views_[i].states != nullptr; ++i) {
    env_->FreeMemory(reinterpret_cast<uint8_t*>(views_[i].states), table + 64);
  }
  if (views_ != nullptr) env_->FreeMemory(reinterpret_cast<uint8_t*>(views_), kViewBytes);
}

Status PageSpace::Open(const Meta* meta) {
  if (meta == nullptr) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(files_.Open(meta->page_count));
  free_space_.Extend(meta->page_count);
  free_space_.Durable(meta->sequence);
  verified_page_count_ = meta->page_count;
  stored_free_map_ = meta->free_map;
  free_map_loaded_ = false;
  // A history that a crash cut off may have given out stamps beyond the meta's: skip well past them.
  stamp_ = meta->last_stamp + (1u << 20);
  return AddViews();
}

Status PageSpace::AddViews() {
  if (views_ == nullptr) {
    views_ = reinterpret_cast<View*>(env_->AllocateMemory(kViewBytes));
    if (views_ == nullptr) return {ZKDB_NO_MEMORY, "no memory for the table of segments"};
  }
  const uint64_t table = uint64_t{segment_mask_ + 1} * sizeof(std::atomic<uint32_t>);
  for (; view_count_ < files_.segment_count(); ++view_count_) {
    View& view = views_[view_count_];
    if (view.states == nullptr) {
      // One line more than a multiple of 2 MiB, so that no huge page is spent on a sparse table.
      view.states = reinterpret_cast<std::atomic<uint32_t>*>(env_->AllocateMemory(table + 64));
      if (view.states == nullptr) return {ZKDB_NO_MEMORY, "no memory for the page states of a segment"};
    }
    view.map = files_.MapOf(view_count_);
  }
  return Status::Ok();
}

// ---- the running transaction

Status PageSpace::Begin(const ReleaseLimits& limits) {
  ZKDB_RETURN_IF_ERROR(LoadFreeMap());
  ZKDB_ASSERT(allocated_.empty() && freed_.empty() && spare_.empty());
  free_space_.Release(limits);
  ++stamp_;
  return Status::Ok();
}

Status PageSpace::Extend(uint32_t pages, uint32_t* first) {
  uint32_t next = free_space_.page_count();
  if ((next & segment_mask_) == 0 && next != 0) ++next;  // the segment's header page
  ZKDB_RETURN_IF_ERROR(files_.Reserve(next + pages));
  ZKDB_RETURN_IF_ERROR(AddViews());
  free_space_.Extend(next + pages);
  *first = next;
  return Status::Ok();
}

void PageSpace::ReclaimFrames() {
  if (retired_frames_.empty()) return;
  const uint64_t min_active = Epoch::MinActive();
  size_t count = 0;
  for (const RetiredFrames& r : retired_frames_) count += r.frames.size();
  ReserveMore(&frames_, count);
  std::erase_if(retired_frames_, [&](RetiredFrames& r) {
    if (r.epoch > min_active) return false;
    frames_.insert(frames_.end(), r.frames.begin(), r.frames.end());
    return true;
  });
  if (frames_.size() > 2 * kFramesKept) arena_->Give(&frames_, frames_.size() - kFramesKept);
}

Status PageSpace::TakeFrame(uint32_t* frame) {
  uint32_t taken = 1;
  try {
    if (frames_.empty()) ReclaimFrames();
    if (frames_.empty()) taken = arena_->Take(kFrameBatch, &frames_);
  } catch (const std::bad_alloc&) {
    return Status::NoMemory();
  }
  if (taken == 0) return Status::NoMemory();
  *frame = frames_.back();
  frames_.pop_back();
  return Status::Ok();
}

// Gives a page that was taken from the free ones a frame and a place in the transaction.
Status PageSpace::Adopt(uint32_t number) {
  std::atomic<uint32_t>& state = StateOf(number);
  if (state.load(std::memory_order_relaxed) < kFirstFrame) {
    uint32_t frame = 0;
    ZKDB_RETURN_IF_ERROR(TakeFrame(&frame));
    state.store(kFirstFrame + frame, std::memory_order_release);
  }
  free_space_.MarkUsed(number);
  allocated_.push_back(number);
  return Status::Ok();
}

// Makes sure that `count` pages can be taken, and that they and those taken before can go back, without an allocation.
void PageSpace::PrepareUse(size_t count) {
  ReserveMore(&allocated_, count);
  ReserveMore(&frames_, kFrameBatch);
  free_space_.PrepareUse(count, allocated_.size() + count);
}

void PageSpace::WarmFrame(size_t ahead) const {
  const uint32_t number = free_space_.PeekReusable(ahead);
  if (number == Bitmap::kNone) return;
  const uint32_t state =
      views_[number >> segment_shift_].states[number & segment_mask_].load(std::memory_order_relaxed);
  if (state < kFirstFrame) return;
  const uint8_t* frame = arena_->At(state - kFirstFrame);
  for (uint32_t line = 0; line < page_size(); line += 64) __builtin_prefetch(frame + line, 1, 2);
}

Status PageSpace::Allocate(PageRef* ref, uint8_t** frame) {
  uint32_t number = 0;
  if (!spare_.empty()) {
    number = spare_.back();
    spare_.pop_back();
  } else {
    PrepareUse(1);
    number = free_space_.TakeReusable();
    if (number == Bitmap::kNone) ZKDB_RETURN_IF_ERROR(Extend(1, &number));
    const Status adopted = Adopt(number);
    if (!adopted.ok()) {
      free_space_.ReturnUnseen(number);
      return adopted;
    }
  }
  *ref = PageRef{number, stamp_};
  *frame = FrameOf(number);
  return Status::Ok();
}

Status PageSpace::AllocateRun(uint32_t want, PageRef* first, uint32_t* got) {
  PrepareUse(want);
  uint32_t number = free_space_.TakeRun(want, segment_mask_ + 1, got);
  if (number == Bitmap::kNone) {
    const uint32_t next = free_space_.page_count();
    const uint32_t used = (next & segment_mask_) == 0 ? 1 : (next & segment_mask_);
    *got = std::min(want, segment_mask_ + 1 - used);
    ZKDB_RETURN_IF_ERROR(Extend(*got, &number));
  }
  for (uint32_t i = 0; i < *got; ++i) {
    const Status adopted = Adopt(number + i);
    if (adopted.ok()) continue;
    for (uint32_t k = *got; k-- > i;) free_space_.ReturnUnseen(number + k);
    return adopted;
  }
  *first = PageRef{number, stamp_};
  return Status::Ok();
}

uint8_t* PageSpace::FrameOf(uint32_t number) {
  const uint32_t state = StateOf(number).load(std::memory_order_relaxed);
  ZKDB_ASSERT(state >= kFirstFrame);
  return arena_->At(state - kFirstFrame);
}

void PageSpace::Free(PageRef ref) {
  if (Owns(ref)) {
    spare_.push_back(ref.number);
    return;
  }
  if (free_space_.IsFree(ref.number)) [[unlikely]] {
    freed_twice_ = ref.number;
    return;
  }
  freed_.push_back(ref.number);
  free_space_.MarkFreed(ref.number);
}

Status PageSpace::CheckFreed() const {
  if (freed_twice_ == kNoPage) [[likely]]
    return Status::Ok();
  return Damaged(freed_twice_, "the tree refers to it although it is free; the write was not done");
}

void PageSpace::PrepareCommit() {
  free_space_.PrepareCommit(freed_);
  prepared_ = true;
}

void PageSpace::Commit(uint64_t sequence) {
  if (!prepared_) PrepareCommit();
  prepared_ = false;
  for (uint32_t number : spare_) free_space_.ReturnUnseen(number);
  free_space_.CommitPrepared(sequence);
  EndTransaction();
}

void PageSpace::EndTransaction() {
  allocated_.clear();
  freed_.clear();
  spare_.clear();
  freed_twice_ = kNoPage;
}

void PageSpace::Rollback() {
  for (auto n = allocated_.rbegin(); n != allocated_.rend(); ++n) free_space_.ReturnUnseen(*n);
  for (uint32_t number : freed_) free_space_.UnmarkFreed(number);
  prepared_ = false;
  EndTransaction();
}

// ---- checkpoints

void PageSpace::CoolDown() {
  ReserveMore(&frames_, free_space_.hot_count());
  for (uint32_t number : free_space_.CoolDown()) {
    const uint32_t state = StateOf(number).exchange(kUnverified, std::memory_order_relaxed);
    if (state >= kFirstFrame) frames_.push_back(state - kFirstFrame);
  }
}

Status PageSpace::Capture(uint64_t sequence, uint64_t oldest_snapshot, bool final, CheckpointPlan* plan) {
  ZKDB_RETURN_IF_ERROR(LoadFreeMap());
  ++stamp_;
  if (final) CoolDown();
  const uint32_t before = free_space_.page_count();
  const uint32_t least = final ? 1 : std::max(kTrimLeast, before / kTrimFraction);
  const bool trimmed = free_space_.TrimTail(least, segment_pages(), MetaPages(page_size())) != before;
  plan->truncate = final || trimmed;
  ZKDB_RETURN_IF_ERROR(ReserveCheckpoint(plan));
  // From here on nothing can fail.
  free_space_.Capture(sequence, oldest_snapshot, &plan->pages);
  // Only now: a page of the new free map that was fresh must not count as a changed page in use.
  for (uint32_t number : plan->free_map) free_space_.UnmarkFreed(number);
  free_space_.CommitPrepared(sequence);
  free_map_pages_.swap(next_free_map_pages_);
  FillFreeMap(plan);
  plan->sequence = sequence;
  plan->meta.sequence = sequence;
  plan->meta.page_count = free_space_.page_count();
  plan->meta.last_stamp = stamp_;
  plan->meta.free_pages = static_cast<uint32_t>(free_space_.free_count());
  return Status::Ok();
}

// Takes the pages of the new free map and the memory that the rest of the capture needs. When there is no room, or no
// memory, the pages go back and nothing has changed.
Status PageSpace::ReserveCheckpoint(CheckpointPlan* plan) {
  Status status;
  try {
    status = ReserveFreeMap(plan);
    if (status.ok()) {
      plan->map_images.assign(plan->free_map.size(), std::vector<uint8_t>(page_size()));
      plan->pages.reserve(free_space_.CaptureBound());
      next_free_map_pages_ = plan->free_map;
      free_space_.PrepareCommitOld(free_map_pages_);
    }
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
  }
  if (status.ok()) return status;
  for (uint32_t number : plan->free_map) free_space_.ReturnUnseen(number);
  plan->free_map.clear();
  return status;
}

Status PageSpace::ReserveFreeMap(CheckpointPlan* plan) {
  const bool any = free_space_.free_count() > 0 || !free_map_pages_.empty();
  const uint32_t bits = FreeMapBits(page_size());
  Status status = files_.Reserve(MetaPages(page_size()));
  if (status.ok()) status = AddViews();
  while (status.ok() && any && uint64_t{bits} * plan->free_map.size() < free_space_.page_count()) {
    plan->free_map.reserve(plan->free_map.size() + 1);
    ReserveMore(&frames_, 1);
    free_space_.PrepareUse(0, plan->free_map.size() + 1);
    uint32_t number = free_space_.TakeLow();
    if (number == Bitmap::kNone) status = Extend(1, &number);
    if (!status.ok()) break;
    const uint32_t state = StateOf(number).exchange(kUnverified, std::memory_order_relaxed);
    if (state >= kFirstFrame) frames_.push_back(state - kFirstFrame);
    plan->free_map.push_back(number);
  }
  return status;
}

void PageSpace::FillFreeMap(CheckpointPlan* plan) {
  const auto* bits = reinterpret_cast<const uint8_t*>(free_space_.free().words().data());
  const size_t have = free_space_.free().words().size() * sizeof(uint64_t);
  const size_t payload = page_size() - kFreeMapPayloadOffset;
  plan->meta.free_map = plan->free_map.empty() ? PageRef{} : PageRef{plan->free_map.front(), stamp_};
  for (size_t i = 0; i < plan->free_map.size(); ++i) {
    std::vector<uint8_t>& image = plan->map_images[i];
    const PageHeader header{0, plan->free_map[i], stamp_, PageKind::kFreeMap, 0, 0, 0, 0, 0, 0, 0};
    FreeMapHead head{};
    if (i + 1 < plan->free_map.size()) head.next = PageRef{plan->free_map[i + 1], stamp_};
    std::memcpy(image.data(), &header, sizeof header);
    std::memcpy(image.data() + sizeof header, &head, sizeof head);
    const size_t from = i * payload;
    if (from < have) std::memcpy(image.data() + kFreeMapPayloadOffset, bits + from, std::min(payload, have - from));
    Store32(image.data(), Crc32c(0, image.data() + kChecksumSize, image.size() - kChecksumSize));
  }
}

Status PageSpace::WriteCaptured(CheckpointPlan* plan) {
  std::vector<PageImage> images;
  images.reserve(plan->pages.size() + plan->free_map.size());
  for (uint32_t number : plan->pages) {
    uint8_t* frame = FrameOf(number);
    ZKDB_ASSERT(Load<PageHeader>(frame).number == number);
    Store32(frame, Crc32c(0, frame + kChecksumSize, page_size() - kChecksumSize));
    images.push_back({number, frame});
  }
  for (size_t i = 0; i < plan->free_map.size(); ++i) images.push_back({plan->free_map[i], plan->map_images[i].data()});
  std::sort(images.begin(), images.end(), [](const PageImage& a, const PageImage& b) { return a.number < b.number; });
  ZKDB_RETURN_IF_ERROR(files_.WritePages(images));
  return files_.Sync();
}

Status PageSpace::Finish(const CheckpointPlan& plan) {
  free_space_.Durable(plan.sequence);
  RetiredFrames retired{0, {}};
  retired.frames.reserve(plan.pages.size());
  for (uint32_t number : plan.pages) {
    const uint32_t state = StateOf(number).exchange(kClean, std::memory_order_acq_rel);
    ZKDB_ASSERT(state >= kFirstFrame);
    retired.frames.push_back(state - kFirstFrame);
  }
  retired.epoch = Epoch::Advance();
  if (!retired.frames.empty()) retired_frames_.push_back(std::move(retired));
  ReclaimFrames();
  if (!plan.truncate) return Status::Ok();
  const uint32_t keep = std::max(plan.meta.page_count, free_space_.page_count());
  ZKDB_RETURN_IF_ERROR(files_.Truncate(keep));
  view_count_ = std::min(view_count_, files_.segment_count());
  return Status::Ok();
}

size_t PageSpace::memory_bytes() const {
  size_t n = free_space_.memory_bytes() + frames_.capacity() * sizeof(uint32_t);
  for (const RetiredFrames& r : retired_frames_) n += r.frames.size() * sizeof(uint32_t);
  return n;
}

}  // namespace zkdb
