// The reader of one log file, over files whose reads fail or that become shorter while they are read.
#include "core/wal/log_reader.h"

#include <algorithm>
#include <cstring>

#include "core/wal/log_test_util.h"

namespace zkdb {

using test::LogFixture;
using test::PayloadOf;

namespace {

constexpr uint64_t kSmall = 1500;      // records of which the windows of the reader cut some in two
constexpr size_t kSmallPayload = 900;  // bytes
constexpr size_t kLargePayload = 3 << 20;
constexpr uint64_t kRecords = kSmall + 2;

// Bytes of which read number `fails_at` fails, and that end at `short_length` from read number `shrinks_at` on.
class TestFile : public File {
 public:
  explicit TestFile(const std::string& bytes) : bytes_(bytes) {}

  Status Read(uint64_t offset, void* buffer, size_t n, size_t* got) override {
    *got = 0;
    const uint64_t number = reads++;
    if (number == fails_at) return Status::Io("read number " + std::to_string(number));
    const uint64_t length = number >= shrinks_at ? short_length : bytes_.size();
    if (offset >= length) return Status::Ok();
    *got = std::min<uint64_t>(n, length - offset);
    std::memcpy(buffer, bytes_.data() + offset, *got);
    return Status::Ok();
  }
  using File::Write;
  Status Write(uint64_t, const Slice*, size_t) override { return No(); }
  Status Sync() override { return No(); }
  Status Allocate(uint64_t, uint64_t) override { return No(); }
  Status Truncate(uint64_t) override { return No(); }
  Status Size(uint64_t*) override { return No(); }
  Status Map(uint64_t, const uint8_t**) override { return No(); }
  const std::string& path() const override { return path_; }

  uint64_t reads = 0;
  uint64_t fails_at = UINT64_MAX;
  uint64_t shrinks_at = UINT64_MAX;
  uint64_t short_length = 0;

 private:
  static Status No() { return Status::Io("a reader only reads"); }

  const std::string& bytes_;
  const std::string path_ = "zkdb-00000001.log";
};

std::string PayloadAt(uint64_t i) {
  if (i == kSmall + 1) return std::string(kLargePayload, 'L');
  return PayloadOf(i) + std::string(kSmallPayload, 's');
}

// A log file of many small records, a large one, which alone says that they are durable, and another small one.
struct LogBytes {
  LogBytes() {
    LogFixture f(8 << 20);
    EXPECT_OK(f.Open());
    for (uint64_t i = 1; i <= kSmall; ++i) EXPECT_OK(f.Append(PayloadAt(i)));
    EXPECT_OK(f.log->Sync(kSmall));
    EXPECT_OK(f.AppendAndSync(PayloadAt(kSmall + 1)));
    EXPECT_OK(f.AppendAndSync(PayloadAt(kSmall + 2)));
    f.log.reset();
    bytes = test::ReadAll(f.PathOf(LogFileName(1)));
    bool intact = false;
    LogFileHeader header;
    EXPECT_OK(DecodeLogFileHeader("log", Slice(bytes).Sub(0, kLogHeaderSize), &header, &intact));
    EXPECT(intact);
    seed = RecordSeed(header.salt, header.number);
  }
  LogReader ReaderOf(TestFile* file) const { return {file, bytes.size(), seed}; }

  std::string bytes;
  uint32_t seed = 0;
};

// Reads records until there is none; *count of them were right.
Status ReadAllRecords(LogReader reader, uint64_t* count) {
  uint64_t offset = kLogHeaderSize;
  for (*count = 0;; ++*count) {
    RecordHeader header;
    Slice payload;
    bool valid = false;
    ZKDB_RETURN_IF_ERROR(reader.ReadRecord(offset, &header, &payload, &valid));
    if (!valid) return Status::Ok();
    if (header.sequence != *count + 1 || !(payload == Slice(PayloadAt(header.sequence)))) {
      return Status::Corrupt("record " + std::to_string(header.sequence) + " is not what was written");
    }
    offset += RecordSpace(payload.size);
  }
}

struct Search {
  const char* name;
  Status (*run)(LogReader reader, uint64_t* found);
  uint64_t finds;
};

const Search kSearches[] = {
    {"records", [](LogReader reader, uint64_t* found) { return ReadAllRecords(std::move(reader), found); }, kRecords},
    {"claim", [](LogReader reader, uint64_t* found) { return reader.FindClaim(kLogHeaderSize, kSmall - 1, found); },
     kSmall},
    {"no claim", [](LogReader reader, uint64_t* found) { return reader.FindClaim(kLogHeaderSize, kRecords, found); },
     0},
    {"chain", [](LogReader reader, uint64_t* found) { return reader.FindClaimInChain(0, found); }, kSmall}};

}  // namespace

TEST(a_log_reader_gives_the_failure_of_whichever_read_fails) {
  const LogBytes log;
  for (const Search& search : kSearches) {
    uint64_t reads = 0;
    for (uint64_t at = 0;; ++at) {
      TestFile file(log.bytes);
      file.fails_at = at;
      uint64_t found = 0;
      const Status status = search.run(log.ReaderOf(&file), &found);
      if (file.reads <= at) {
        EXPECT_OK(status);
        EXPECT_EQ(found, search.finds);
        break;
      }
      reads = at;
      EXPECT_CODE(status, ZKDB_IO);
      EXPECT_EQ(status.message(), "read number " + std::to_string(at));
    }
    EXPECT(reads > 0);
  }
}

// Another process cuts the file off: what is read must be what was written, and the reading must end.
TEST(a_log_reader_gives_only_whole_records_of_a_file_that_becomes_shorter) {
  const LogBytes log;
  const uint64_t large = kLogHeaderSize + kSmall * RecordSpace(kSmallPayload + 40);  // in the large record
  for (const Search& search : kSearches) {
    for (const uint64_t length : {uint64_t{0}, uint64_t{kLogHeaderSize} + 16, uint64_t{1} << 20, large, large + 50}) {
      for (uint64_t at = 0;; ++at) {
        TestFile file(log.bytes);
        file.shrinks_at = at;
        file.short_length = length;
        uint64_t found = 0;
        EXPECT_OK(search.run(log.ReaderOf(&file), &found));
        EXPECT(found <= search.finds);
        if (file.reads <= at) break;
      }
    }
  }
}

}  // namespace zkdb
