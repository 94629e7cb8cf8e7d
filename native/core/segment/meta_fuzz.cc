// Fuzzes the decoder of metas, segment headers and free maps: a real partition of two segments, changed at places that
// the input names. Reading ends in a Status; a partition that opens takes a transaction and a checkpoint, and opens
// again at that checkpoint.
//
// Input: byte 0: bit 0 makes the checksums right after the changes; then changes, each of what PatchOnce takes.
#include "core/base/checksum.h"
#include "core/base/fuzz.h"
#include "core/segment/page_space.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kPageSize = 4096;
constexpr uint32_t kSegmentPages = 16;
constexpr size_t kSegmentBytes = size_t{kPageSize} * kSegmentPages;

const char* AnyPage(const uint8_t* page, uint32_t, uint32_t) {
  const auto kind = Load<PageHeader>(page).kind;
  return kind == PageKind::kLeaf || kind == PageKind::kFreeMap ? nullptr : "a kind that this fuzzer does not write";
}

// A partition's pages with what they need to live.
struct Space {
  Space(const std::string& directory, const Meta& meta) : arena(Env::Posix(), meta.page_size) {
    SegmentOptions options;
    options.directory = directory;
    options.page_size = meta.page_size;
    options.segment_pages = meta.segment_pages;
    options.database_id = meta.database_id;
    options.partition_uid = meta.partition_uid;
    options.lock = false;
    pages = std::make_unique<PageSpace>(Env::Posix(), options, &arena, &AnyPage);
  }

  // Frees and makes `n` pages in one transaction that becomes commit `sequence`.
  Status Transact(uint64_t sequence, uint32_t n) {
    ZKDB_RETURN_IF_ERROR(pages->Begin({sequence - 1, UINT64_MAX}));
    for (uint32_t i = 0; i < n; ++i) {
      PageRef ref;
      uint8_t* frame = nullptr;
      ZKDB_RETURN_IF_ERROR(pages->Allocate(&ref, &frame));
      std::memset(frame, static_cast<int>(i), pages->page_size());
      const PageHeader header{0, ref.number, ref.stamp, PageKind::kLeaf, 0, 0, 0, 0, 0, 0, 0};
      std::memcpy(frame, &header, sizeof header);
      made.push_back(ref);
    }
    pages->Commit(sequence);
    return Status::Ok();
  }
  Status FreeSome(uint64_t sequence) {
    ZKDB_RETURN_IF_ERROR(pages->Begin({sequence - 1, UINT64_MAX}));
    for (size_t i = 0; i < made.size(); i += 2) pages->Free(made[i]);
    pages->Commit(sequence);
    return Status::Ok();
  }
  Status Checkpoint(Meta meta, uint64_t sequence, bool final, Meta* written) {
    CheckpointPlan plan;
    plan.meta = meta;
    ++plan.meta.checkpoint;
    ZKDB_RETURN_IF_ERROR(pages->Capture(sequence, UINT64_MAX, final, &plan));
    ZKDB_RETURN_IF_ERROR(pages->WriteCaptured(&plan));
    ZKDB_RETURN_IF_ERROR(pages->WriteMeta(plan));
    *written = plan.meta;
    return pages->Finish(plan);
  }

  FrameArena arena;
  std::unique_ptr<PageSpace> pages;
  std::vector<PageRef> made;
};

std::string MakeBase() {
  const std::string directory = TempDirectory();
  Meta meta{};
  meta.magic = kMetaMagic;
  meta.version = kFormatVersion;
  meta.page_size = kPageSize;
  meta.segment_pages = kSegmentPages;
  meta.database_id = {1, 2, 3};
  meta.partition_uid = 77;
  Space space(directory, meta);
  EXPECT_OK(space.pages->Open(nullptr));
  EXPECT_OK(space.Transact(1, 20));
  EXPECT_OK(space.Checkpoint(meta, 1, false, &meta));
  EXPECT_OK(space.FreeSome(2));
  EXPECT_OK(space.Checkpoint(meta, 2, false, &meta));
  std::string all = ReadWholeFile(SegmentPath(directory, 0));
  all.resize(kSegmentBytes);
  return all + ReadWholeFile(SegmentPath(directory, 1));
}

void FixChecksums(std::string* image) {
  image->resize(std::max<size_t>(image->size() / kPageSize * kPageSize, kMetaSlots * kMetaSlotSize));
  auto* bytes = reinterpret_cast<uint8_t*>(image->data());
  for (uint32_t i = 0; i < kMetaSlots; ++i) {
    uint8_t* slot = bytes + size_t{i} * kMetaSlotSize;
    Store32(slot + offsetof(Meta, checksum), MetaChecksum(slot));
  }
  for (size_t at = kMetaSlots * kMetaSlotSize; at + kPageSize <= image->size(); at += kPageSize) {
    Store32(bytes + at, Crc32c(0, bytes + at + kChecksumSize, kPageSize - kChecksumSize));
  }
}

// What opened is used: a transaction, a checkpoint, and the partition as that left it.
void GoOn(const std::string& directory, const Meta& meta) {
  // Numbers that no history reaches.
  if (meta.checkpoint > UINT64_MAX / 2 || meta.sequence > UINT64_MAX / 2) return;
  Meta written{};
  {
    Space space(directory, meta);
    if (!space.pages->Open(&meta).ok() || !space.pages->LoadFreeMap().ok()) return;
    EXPECT_OK(space.Transact(meta.sequence + 1, 5));
    const bool final = (meta.sequence & 1) != 0;
    EXPECT_OK(space.Checkpoint(meta, meta.sequence + 1, final, &written));
  }
  MetaState state;
  EXPECT_OK(SegmentFiles::ReadMeta(Env::Posix(), directory, &state));
  EXPECT(state.present && state.meta.checkpoint == meta.checkpoint + 1);
  Space again(directory, state.meta);
  EXPECT_OK(again.pages->Open(&state.meta));
  EXPECT_OK(again.pages->LoadFreeMap());
}

void RunOne(FuzzInput* input) {
  static const std::string base = MakeBase();
  static const std::string directory = TempDirectory();
  const uint8_t choice = input->Byte();
  std::string image = base;
  while (!input->empty()) PatchOnce(input, &image);
  if ((choice & 1) != 0) FixChecksums(&image);
  WriteWholeFile(SegmentPath(directory, 0), image.substr(0, kSegmentBytes));
  WriteWholeFile(SegmentPath(directory, 1), image.size() > kSegmentBytes ? image.substr(kSegmentBytes) : "");
  for (uint32_t i = 2; Env::Posix()->Exists(SegmentPath(directory, i)); ++i) {
    EXPECT_OK(Env::Posix()->Remove(SegmentPath(directory, i)));
  }
  MetaState state;
  const Status status = SegmentFiles::ReadMeta(Env::Posix(), directory, &state);
  EXPECT(status.ok() || status.code() == ZKDB_NOT_ZKDB || status.code() == ZKDB_VERSION);
  if (status.ok() && state.present) GoOn(directory, state.meta);
}

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zkdb::test::FuzzInput input(data, size);
  zkdb::test::RunOne(&input);
  return 0;
}
