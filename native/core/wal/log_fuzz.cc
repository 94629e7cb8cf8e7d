// Fuzzes the log's reader and recovery: the files of a real log, changed at places that the input names. Reading ends
// in a Status; a log that opens goes on: what was replayed and what is appended is there again at the next opening.
//
// Input: byte 0 chooses the base log (bit 0: closed cleanly), whether checksums of headers (bit 1) and records (bit 2)
// are made right after the changes, and which file to leave out (bits 4-6, 7: none); then changes, each a file number
// and what PatchOnce takes.
#include "core/base/checksum.h"
#include "core/base/fuzz.h"
#include "core/wal/log_test_util.h"

namespace zkdb::test {
namespace {

using Images = std::vector<std::pair<std::string, std::string>>;  // name, bytes

constexpr uint64_t kFileSize = kLogHeaderSize + 2048;

LogOptions OptionsFor(const std::string& directory) {
  LogOptions options;
  options.directory = directory;
  options.database_id = {1, 2, 3};
  options.file_size = kFileSize;
  return options;
}

// Drops the zeros that end a file: an allocated tail says nothing.
std::string WithoutTail(std::string bytes) {
  const size_t end = bytes.find_last_not_of('\0');
  bytes.resize(std::max<size_t>(kLogHeaderSize, std::min(bytes.size(), (end + 64) / 8 * 8)));
  return bytes;
}

Images MakeBase(bool clean) {
  const LogOptions options = OptionsFor(TempDirectory());
  std::atomic<uint64_t> counter{0};
  LogSummary summary;
  std::unique_ptr<Log> log;
  EXPECT_OK(Log::Open(
      Env::Posix(), options, [](const LogRecord&) { return Status::Ok(); }, &summary, &log));
  log->SetPartitions({{77, 3}, {78, 4}});
  for (uint64_t i = 1; i <= 14; ++i) {
    const std::string payload = PayloadOf(i) + std::string(i % 5 * 90, 'x');
    const Slice part(payload);
    uint64_t sequence = 0;
    EXPECT_OK(log->Append(&counter, &part, 1, &sequence));
    if (i % 3 != 0) EXPECT_OK(log->Sync(sequence));
  }
  if (clean) log->SetPartitions({{77, counter}, {78, counter}});  // a close comes after a checkpoint of everything
  EXPECT_OK(clean ? log->CloseClean() : log->Flush(counter));
  Images images;
  std::vector<std::string> names;
  EXPECT_OK(Env::Posix()->List(options.directory, &names));
  for (const std::string& name : names) {
    images.emplace_back(name, WithoutTail(ReadWholeFile(options.directory + "/" + name)));
  }
  return images;
}

const Images& Base(bool clean) {
  static const Images bases[] = {MakeBase(false), MakeBase(true)};
  return bases[clean ? 1 : 0];
}

void FixHeader(std::string* file) {
  auto* bytes = reinterpret_cast<uint8_t*>(file->data());
  if (file->size() < kLogHeaderSize) return;
  Store32(bytes + kLogCrcOffset, 0u);
  Store32(bytes + kLogCrcOffset, Crc32c(0, bytes, kLogHeaderSize));
}

void FixRecords(std::string* file) {
  auto* bytes = reinterpret_cast<uint8_t*>(file->data());
  if (file->size() < kLogHeaderSize) return;
  const uint32_t seed = RecordSeed(Load32(bytes + kLogSaltOffset), Load64(bytes + kLogNumberOffset));
  for (size_t at = kLogHeaderSize; at + kRecordHeaderSize <= file->size();) {
    const uint64_t size = Load32(bytes + at + kRecordSizeOffset);
    if (size > file->size() - at - kRecordHeaderSize || Load64(bytes + at + kRecordSequenceOffset) == 0) return;
    Store32(bytes + at, Crc32c(seed, bytes + at + 4, kRecordHeaderSize - 4 + size));
    at += RecordSpace(size);
  }
}

class LogRun {
 public:
  explicit LogRun(const std::string& directory) : options_(OptionsFor(directory)) {}

  Status Open() {
    log_.reset();
    records_.clear();
    const auto replay = [this](const LogRecord& record) {
      EXPECT(records_.empty() || record.sequence > records_.back().first);
      records_.emplace_back(record.sequence, record.payload.ToString());
      return Status::Ok();
    };
    ZKDB_RETURN_IF_ERROR(Log::Open(Env::Posix(), options_, replay, &summary_, &log_));
    EXPECT_EQ(summary_.records, records_.size());
    if (!records_.empty()) EXPECT_EQ(summary_.last_sequence, records_.back().first);
    return Status::Ok();
  }

  // Appends behind what was read, closes and reads again.
  void GoOn(uint8_t choice) {
    constexpr uint64_t kLastNumber = uint64_t{1} << 62;
    if (summary_.last_sequence > kLastNumber) return;
    auto expected = records_;
    std::atomic<uint64_t> counter{summary_.last_sequence};
    for (uint64_t i = 0; i < 2u + choice % 8; ++i) {
      const std::string payload = PayloadOf(i) + std::string(choice, 'a');
      const Slice part(payload);
      uint64_t sequence = 0;
      EXPECT_OK(log_->Append(&counter, &part, 1, &sequence));
      expected.emplace_back(sequence, payload);
    }
    EXPECT_OK(log_->Sync(counter));
    EXPECT_OK(Open());
    EXPECT(records_ == expected);
    log_->SetPartitions({{77, counter}, {78, counter}});
    EXPECT_OK(log_->CloseClean());
    EXPECT_OK(Open());
    EXPECT(records_.empty() && summary_.clean && summary_.last_sequence == expected.back().first);
  }

 private:
  const LogOptions options_;
  LogSummary summary_;
  std::unique_ptr<Log> log_;
  std::vector<std::pair<uint64_t, std::string>> records_;
};

// Writes the changed files in place of those of the run before.
void WriteImages(const std::string& directory, const Images& images, size_t left_out) {
  std::vector<std::string> names;
  EXPECT_OK(Env::Posix()->List(directory, &names));
  for (const std::string& name : names) EXPECT_OK(Env::Posix()->Remove(directory + "/" + name));
  for (size_t i = 0; i < images.size(); ++i) {
    if (i != left_out) WriteWholeFile(directory + "/" + images[i].first, images[i].second);
  }
}

void RunOne(FuzzInput* input) {
  static const std::string directory = TempDirectory();
  const uint8_t choice = input->Byte();
  Images images = Base((choice & 1) != 0);
  while (!input->empty()) PatchOnce(input, &images[input->Byte() % images.size()].second);
  for (auto& [name, bytes] : images) {
    if ((choice & 2) != 0) FixHeader(&bytes);
    if ((choice & 4) != 0) FixRecords(&bytes);
  }
  const size_t left_out = choice >> 4 & 7;
  WriteImages(directory, images, left_out == 7 ? images.size() : left_out);
  DatabaseId id{};
  bool found = false;
  const Status read = Log::ReadDatabaseId(Env::Posix(), directory, &id, &found);
  LogRun run(directory);
  const Status opened = run.Open();
  if (!opened.ok()) {
    EXPECT(opened.code() == ZKDB_CORRUPT || opened.code() == ZKDB_MISMATCH || opened.code() == ZKDB_NOT_ZKDB ||
           opened.code() == ZKDB_VERSION);
    return;
  }
  EXPECT_OK(read);
  run.GoOn(choice);
}

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zkdb::test::FuzzInput input(data, size);
  zkdb::test::RunOne(&input);
  return 0;
}
