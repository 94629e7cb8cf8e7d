// Logs with flipped, cut, missing, stale and foreign bytes.
#include <cstring>

#include "core/wal/log_test_util.h"

namespace zkdb {

using test::Image;
using test::kSmallFile;
using test::LogFixture;
using test::PayloadOf;

namespace {

constexpr uint64_t kRecords = 30;  // they fill several small files

// A log of several small files; every record synced by itself when `sync`, else only written.
Image SmallLog(LogFixture* f, uint64_t records, bool sync) {
  EXPECT_OK(f->Open());
  for (uint64_t i = 1; i <= records; ++i) {
    EXPECT_OK(sync ? f->AppendAndSync(PayloadOf(i)) : f->Append(PayloadOf(i)));
  }
  EXPECT_OK(f->log->Flush(records));
  f->log.reset();
  return TakeImage(*f);
}

bool IsPrefix(const LogFixture& f) {
  for (size_t i = 0; i < f.payloads.size(); ++i) {
    if (f.sequences[i] != i + 1 || f.payloads[i] != PayloadOf(i + 1)) return false;
  }
  return f.summary.last_sequence == f.payloads.size();
}

bool IsRefusal(const Status& status) {
  return status.code() == ZKDB_CORRUPT || status.code() == ZKDB_NOT_ZKDB || status.code() == ZKDB_VERSION;
}

// After an open that succeeded: what is appended next comes back after the prefix and nothing else does.
void ExpectContinues(LogFixture* f) {
  const size_t before = f->payloads.size();
  ASSERT_OK(f->AppendAndSync(PayloadOf(f->counter + 1)));
  ASSERT_OK(f->Open());
  EXPECT(IsPrefix(*f));
  EXPECT_EQ(f->payloads.size(), before + 1);
}

// All offsets of the records and of the header's fields, some of the header's padding.
std::vector<size_t> OffsetsToTry(size_t size) {
  std::vector<size_t> offsets;
  for (size_t i = 0; i < size; i += i < 128 || i >= kLogHeaderSize ? 1 : 113) offsets.push_back(i);
  return offsets;
}

}  // namespace

TEST(a_flipped_byte_of_a_synced_log_is_refused_or_costs_at_most_the_last_record) {
  LogFixture f(kSmallFile);
  const Image image = SmallLog(&f, kRecords, true);
  ASSERT(image.size() >= 3);
  int refused = 0;
  for (const auto& [name, bytes] : image) {
    for (const size_t at : OffsetsToTry(bytes.size())) {
      PutImage(&f, image);
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      test::WriteAll(f.PathOf(name), damaged);
      const Status status = f.Open();
      refused += !status.ok();
      if (status.ok()) {
        EXPECT(IsPrefix(f) && f.payloads.size() >= kRecords - 1);
        if (at % 5 == 0) ExpectContinues(&f);
      } else if (!IsRefusal(status) || status.message().find(f.options.directory) == std::string::npos) {
        EXPECT_OK(status);
      }
    }
  }
  EXPECT(refused > 500);
}

TEST(a_flipped_byte_of_a_written_but_unsynced_log_gives_a_prefix_or_is_refused) {
  LogFixture f(kSmallFile);
  const Image image = SmallLog(&f, kRecords, false);
  int shorter = 0;
  for (const auto& [name, bytes] : image) {
    for (const size_t at : OffsetsToTry(bytes.size())) {
      PutImage(&f, image);
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      test::WriteAll(f.PathOf(name), damaged);
      const Status status = f.Open();
      if (!status.ok()) {
        EXPECT(IsRefusal(status));
        continue;
      }
      EXPECT(IsPrefix(f));
      shorter += f.payloads.size() < kRecords;
      if (at % 3 == 0) ExpectContinues(&f);
    }
  }
  EXPECT(shorter > 500);
}

TEST(a_log_cut_off_anywhere_gives_a_prefix) {
  LogFixture f(kSmallFile);
  const Image image = SmallLog(&f, kRecords, true);
  for (const auto& [name, bytes] : image) {
    const bool last = name == image.rbegin()->first;
    for (const size_t at : OffsetsToTry(bytes.size())) {
      PutImage(&f, image);
      test::WriteAll(f.PathOf(name), bytes.substr(0, at));
      const Status status = f.Open();
      if (last) EXPECT_OK(status);
      if (!status.ok()) {
        EXPECT(IsRefusal(status));
        continue;
      }
      EXPECT(IsPrefix(f));
      if (at % 7 == 0) ExpectContinues(&f);
    }
  }
}

TEST(a_log_of_one_file_cut_off_anywhere_gives_a_prefix) {
  LogFixture f(64 << 10);
  const Image image = SmallLog(&f, 12, true);
  ASSERT_EQ(image.size(), 1u);
  const auto& [name, bytes] = *image.begin();
  size_t most = 0;
  for (size_t at = 0; at < kLogHeaderSize + 700; at += at < kLogHeaderSize - 64 ? 61 : 1) {
    PutImage(&f, image);
    test::WriteAll(f.PathOf(name), bytes.substr(0, at));
    ASSERT_OK(f.Open());
    EXPECT(IsPrefix(f));
    EXPECT(f.payloads.size() >= most);
    most = f.payloads.size();
    if (at % 3 == 0) ExpectContinues(&f);
  }
  EXPECT_EQ(most, 12u);
}

TEST(a_missing_file_in_the_middle_is_named) {
  LogFixture f(kSmallFile);
  const Image image = SmallLog(&f, kRecords, true);
  ASSERT_OK(Env::Posix()->Remove(f.PathOf(LogFileName(2))));
  const Status status = f.Open();
  EXPECT_CODE(status, ZKDB_CORRUPT);
  EXPECT(status.message().find(LogFileName(2)) != std::string::npos);
}

TEST(foreign_and_newer_files_have_their_own_codes) {
  LogFixture f(kSmallFile);
  const Image image = SmallLog(&f, 3, true);
  auto [name, bytes] = *image.begin();
  test::WriteAll(f.PathOf(name), "something else entirely");
  EXPECT_CODE(f.Open(), ZKDB_NOT_ZKDB);
  bytes[kLogVersionOffset] = kLogVersion + 1;
  test::WriteAll(f.PathOf(name), bytes);
  EXPECT_CODE(f.Open(), ZKDB_VERSION);
}

TEST(other_files_in_the_directory_are_left_alone) {
  LogFixture f(kSmallFile);
  for (const char* name : {"zkdb-1.log", "zkdb-0000001x.log", "zkdb-00000000.log", "notes.txt", "zkdb-spare-x.log",
                           "zkdb-.log", "zkdb-spare-.log", "zkdb-18446744073709551617.log"}) {
    test::WriteAll(f.PathOf(name), "mine");
  }
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync("x"));
  ASSERT_OK(f.log->CloseClean());
  EXPECT_EQ(f.Names().size(), 9u);
}

TEST(a_newest_file_whose_creation_was_torn_is_dropped) {
  LogFixture f(kSmallFile);
  const Image image = SmallLog(&f, kRecords, true);
  const std::string next = LogFileName(image.size() + 1);
  const std::string old = image.begin()->second;
  for (const std::string& torn : {std::string(), std::string(100, '\0'), std::string(kSmallFile, '\0'), old}) {
    PutImage(&f, image);
    test::WriteAll(f.PathOf(next), torn);
    ASSERT_OK(f.Open());
    EXPECT_EQ(f.payloads.size(), kRecords);
    EXPECT(IsPrefix(f));
    EXPECT(!Env::Posix()->Exists(f.PathOf(next)));
    ExpectContinues(&f);
  }
}

TEST(a_blank_file_below_durable_ones_is_damage_and_below_unsynced_ones_is_a_torn_tail) {
  for (const bool sync : {true, false}) {
    LogFixture f(kSmallFile);
    Image image = SmallLog(&f, kRecords, sync);
    image[LogFileName(2)] = std::string(kSmallFile, '\0');
    PutImage(&f, image);
    const Status status = f.Open();
    if (sync) {
      EXPECT_CODE(status, ZKDB_CORRUPT);
      continue;
    }
    ASSERT_OK(status);
    EXPECT(IsPrefix(f) && f.payloads.size() < kRecords);
    EXPECT_EQ(f.Names().size(), 1u);
    ExpectContinues(&f);
  }
}

TEST(files_that_an_interrupted_clean_close_left_are_not_replayed) {
  LogFixture f(kSmallFile);
  Image image = SmallLog(&f, kRecords, true);
  PutImage(&f, image);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.log->CloseClean());
  image.erase(LogFileName(2));
  for (const auto& [name, bytes] : image) test::WriteAll(f.PathOf(name), bytes);
  ASSERT_OK(f.Open());
  EXPECT(f.summary.clean);
  EXPECT(f.payloads.empty());
  EXPECT_EQ(f.summary.last_sequence, kRecords);
  EXPECT_EQ(f.Names().size(), 1u);
}

TEST(a_damaged_clean_file_is_refused) {
  LogFixture f(kSmallFile);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync("x"));
  ASSERT_OK(f.log->CloseClean());
  const Image image = TakeImage(f);
  std::string bytes = image.begin()->second;
  bytes[kLogPreviousOffset] = static_cast<char>(bytes[kLogPreviousOffset] ^ 1);
  test::WriteAll(f.PathOf(image.begin()->first), bytes);
  EXPECT_CODE(f.Open(), ZKDB_CORRUPT);
}

// Records behind such a header would repeat the claim, and none of them would be read again.
TEST(a_header_that_claims_more_durable_than_was_appended_is_refused) {
  LogFixture log;
  ASSERT_OK(log.Open());
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_OK(log.AppendAndSync(PayloadOf(i)));
  log.log.reset();
  const std::string path = log.PathOf(LogFileName(1));
  std::string bytes = test::ReadAll(path);
  LogFileHeader header;
  bool intact = false;
  ASSERT_OK(DecodeLogFileHeader(path, Slice(bytes).Sub(0, kLogHeaderSize), &header, &intact));
  ASSERT(intact);
  header.durable_sequence = header.previous_sequence + 1;
  EncodeLogFileHeader(header, reinterpret_cast<uint8_t*>(bytes.data()));
  ASSERT_OK(DecodeLogFileHeader(path, Slice(bytes).Sub(0, kLogHeaderSize), &header, &intact));
  EXPECT(!intact);
  test::WriteAll(path, bytes);
  EXPECT_CODE(log.Open(), ZKDB_CORRUPT);
}

TEST(bytes_that_look_like_records_do_not_make_an_open_hang) {
  LogFixture f(4 << 20);
  ASSERT_OK(f.Open());
  std::string payload(3 << 20, '\0');
  for (size_t i = 0; i + 8 <= payload.size(); i += 8) {
    const uint64_t descending = (uint64_t{1} << 52) - i;  // every word makes a plausible header with its neighbours
    std::memcpy(payload.data() + i, &descending, 8);
  }
  ASSERT_OK(f.Append("first"));
  ASSERT_OK(f.AppendAndSync(payload));
  f.log.reset();
  const std::string path = f.PathOf(f.Names()[0]);
  std::string bytes = test::ReadAll(path);
  bytes[kLogHeaderSize + 100] = static_cast<char>(bytes[kLogHeaderSize + 100] ^ 1);
  test::WriteAll(path, bytes);
  const uint64_t before = Env::Posix()->MonotonicMs();
  const Status status = f.Open();
  EXPECT(status.ok() || status.code() == ZKDB_CORRUPT);
  EXPECT(Env::Posix()->MonotonicMs() - before < 20000);
}

// A power cut tore file 2 and left file 3, whose header alone says that a checkpoint holds file 1.
TEST(what_a_dropped_header_said_of_checkpoints_is_written_again_before_older_files_go) {
  LogFixture f(kSmallFile);
  ASSERT_OK(f.Open());
  f.log->SetPartitions({{7, 0}});
  while (f.log->file_count() < 2) ASSERT_OK(f.AppendAndSync(PayloadOf(f.counter + 1)));
  const uint64_t held = f.counter - 1;
  ASSERT_OK(f.Append(PayloadOf(f.counter + 1)));
  ASSERT_OK(f.log->Flush(f.counter));
  Image image = TakeImage(f);
  f.log->SetPartitions({{7, held}});
  ASSERT_OK(f.log->Recycle(held));
  image[LogFileName(3)] = test::ReadAll(f.PathOf(LogFileName(3)));
  std::string& torn = image[LogFileName(2)];
  torn[torn.find_last_not_of('\0')] ^= 1;
  PutImage(&f, image);
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.summary.last_sequence, held + 1);
  f.log->SetPartitions({{7, held}});
  ASSERT_OK(f.log->Recycle(held));
  ASSERT(!Env::Posix()->Exists(f.PathOf(LogFileName(1))));
  EXPECT_OK(f.Open());
  EXPECT_EQ(f.summary.last_sequence, held + 1);
}

}  // namespace zkdb
