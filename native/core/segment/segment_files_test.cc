// Metas and segment headers that have a right checksum and say what cannot be.
#include "core/segment/segment_files.h"

#include <unistd.h>

#include <fstream>
#include <functional>

#include "core/base/checksum.h"
#include "core/base/coding.h"
#include "core/base/test.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kPages = 16;  // of a segment

Meta SoundMeta() {
  Meta meta{};
  meta.magic = kMetaMagic;
  meta.version = kFormatVersion;
  meta.checkpoint = 7;
  meta.sequence = 9;
  meta.page_size = kMinPageSize;
  meta.segment_pages = kPages;
  meta.page_count = 20;
  meta.partition_uid = 77;
  return meta;
}

SegmentOptions OptionsIn(const std::string& directory) {
  SegmentOptions options;
  options.directory = directory;
  options.page_size = kMinPageSize;
  options.segment_pages = kPages;
  options.partition_uid = 77;
  options.lock = false;
  return options;
}

void WriteAt(const std::string& path, size_t offset, const std::string& bytes) {
  { std::ofstream(path, std::ios::app | std::ios::binary); }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// The two slots: `older` of checkpoint 6 and `newest` of checkpoint 7, which goes to slot 1.
MetaState ReadBack(const std::string& directory, const Meta& newest) {
  Meta older = SoundMeta();
  older.checkpoint = 6;
  const Meta* metas[] = {&older, &newest};
  for (size_t i = 0; i < 2; ++i) {
    std::string slot(kMetaSlotSize, '\0');
    auto* bytes = reinterpret_cast<uint8_t*>(slot.data());
    Store(bytes, *metas[i]);
    Store32(bytes + offsetof(Meta, checksum), MetaChecksum(bytes));
    WriteAt(SegmentPath(directory, 0), i * kMetaSlotSize, slot);
  }
  MetaState state;
  EXPECT_OK(SegmentFiles::ReadMeta(Env::Posix(), directory, &state));
  return state;
}

}  // namespace

TEST(a_meta_that_says_what_cannot_be_does_not_count_although_its_checksum_is_right) {
  const std::string directory = TempDirectory();
  EXPECT_EQ(ReadBack(directory, SoundMeta()).meta.checkpoint, 7u);
  const std::vector<std::function<void(Meta*)>> wrongs = {[](Meta* m) { m->page_size = 5000; },
                                                          [](Meta* m) { m->page_size = kMinPageSize / 2; },
                                                          [](Meta* m) { m->page_size = kMaxPageSize * 2; },
                                                          [](Meta* m) { m->segment_pages = 17; },
                                                          [](Meta* m) { m->segment_pages = kPages / 2; },
                                                          [](Meta* m) { m->segment_pages = 1u << 31; },
                                                          [](Meta* m) { m->page_count = 1; },
                                                          [](Meta* m) { m->levels = kMaxLevels + 1; },
                                                          [](Meta* m) { m->page_count = kMaxSegments * kPages; },
                                                          [](Meta* m) { m->root.number = m->page_count; },
                                                          [](Meta* m) { m->free_map.number = m->page_count; }};
  for (const auto& make_wrong : wrongs) {
    Meta meta = SoundMeta();
    make_wrong(&meta);
    const MetaState state = ReadBack(directory, meta);
    EXPECT(state.present && state.damaged);
    EXPECT_EQ(state.meta.checkpoint, 6u);
  }
}

TEST(a_file_that_ends_inside_its_metas_holds_what_is_whole) {
  const std::string directory = TempDirectory();
  ReadBack(directory, SoundMeta());
  const std::string path = SegmentPath(directory, 0);
  MetaState state;
  for (const size_t size : {size_t{5000}, size_t{4196}, size_t{4096}}) {
    ASSERT(truncate(path.c_str(), static_cast<off_t>(size)) == 0);
    ASSERT_OK(SegmentFiles::ReadMeta(Env::Posix(), directory, &state));
    EXPECT(state.present);
    EXPECT_EQ(state.damaged, size > 4096);
    EXPECT_EQ(state.meta.checkpoint, 6u);
  }
  ASSERT(truncate(path.c_str(), 100) == 0);
  EXPECT_CODE(SegmentFiles::ReadMeta(Env::Posix(), directory, &state), ZKDB_NOT_ZKDB);
}

TEST(a_segment_with_another_header_is_refused) {
  const std::string directory = TempDirectory();
  {
    SegmentFiles files(Env::Posix(), OptionsIn(directory));
    ASSERT_OK(files.Reserve(kPages));
    ASSERT_OK(files.Reserve(20));
    ASSERT_OK(files.Sync());
  }
  const auto open = [&](const SegmentOptions& options) {
    SegmentFiles files(Env::Posix(), options);
    return files.Open(20);
  };
  EXPECT_OK(open(OptionsIn(directory)));
  SegmentOptions other = OptionsIn(directory);
  other.partition_uid = 78;
  EXPECT_CODE(open(other), ZKDB_MISMATCH);
  other = OptionsIn(directory);
  other.database_id = {1};
  EXPECT_CODE(open(other), ZKDB_MISMATCH);
  std::string page(kMinPageSize, '\0');
  std::ifstream(SegmentPath(directory, 1), std::ios::binary).read(page.data(), kMinPageSize);
  const auto open_with = [&](size_t offset, char byte) {
    std::string changed = page;
    changed[offset] = byte;
    auto* bytes = reinterpret_cast<uint8_t*>(changed.data());
    Store32(bytes, Crc32c(0, bytes + kChecksumSize, kMinPageSize - kChecksumSize));
    WriteAt(SegmentPath(directory, 1), 0, changed);
    return open(OptionsIn(directory));
  };
  EXPECT_OK(open_with(4000, 1));
  EXPECT_CODE(open_with(offsetof(PageHeader, kind), static_cast<char>(PageKind::kLeaf)), ZKDB_CORRUPT);
  EXPECT_CODE(open_with(sizeof(PageHeader), 'Z'), ZKDB_CORRUPT);
  EXPECT_CODE(open_with(sizeof(PageHeader) + offsetof(SegmentHead, segment), 9), ZKDB_MISMATCH);
  WriteAt(SegmentPath(directory, 1), 0, page);
  WriteAt(SegmentPath(directory, 1), 3000, "!");
  EXPECT_CODE(open(OptionsIn(directory)), ZKDB_CORRUPT);
}

}  // namespace zkdb::test
