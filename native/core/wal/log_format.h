// The byte layout of the write-ahead log. All integers are little-endian. Values here are on disk: do not change.
//
// A log is the files `zkdb-%08llu.log` of one directory, numbered consecutively, the highest being appended to.
// `zkdb-spare-%llu.log` are files kept for reuse; the number is the one the file had, and their content means nothing.
//
// A file:
//   offset  size  meaning
//        0  8192  header block
//     8192     .  records, each at a multiple of 8, one right after the other; the first bytes that are no valid
//                 record end them. What follows is zeros or the remains of the file's earlier use.
//
// Header block:
//   offset  size  meaning
//        0     8  magic "zkdblog\0"
//        8     4  format version, 1
//       12     4  CRC-32C of the header block with this field zero
//       16    16  database id
//       32     8  file number, as in the name
//       40     8  previous sequence: of the last record appended before this file, 0 when there was none
//       48     8  durable sequence: the highest known to be on stable storage when the file was begun
//       56     4  salt: random at each use of the file
//       60     4  flags: bit 0 = begun by a clean close; every record of earlier files is in a checkpoint
//       64     8  file size that the records may fill, bytes
//       72     4  number of partitions, at most 256
//       76     4  zero
//       80  16*n  per partition: uid (8), sequence that its checkpoint had reached (8)
//        .     .  zeros up to 8192
//
// Record:
//   offset  size  meaning
//        0     4  CRC-32C of bytes 4 up to the end of the payload, seeded with the CRC-32C of the file's salt (4) and
//                 number (8): records of an earlier use of the file are therefore never valid
//        4     4  payload size n, bytes
//        8     8  sequence
//       16     8  previous sequence in this log
//       24     8  durable sequence: the highest known to be on stable storage when the record was appended
//       32     n  payload
//        .  0..7  zeros up to a multiple of 8
//
// Thread-safety: pure functions.
//
// Invariants:
//  1. previous < sequence and durable <= previous in every record; the first record's previous is the header's.
//  2. Magic, version and checksum keep their places in every format version.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/coding.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/wal/log.h"

namespace zkdb {

inline constexpr char kLogMagic[8] = {'z', 'k', 'd', 'b', 'l', 'o', 'g', '\0'};
inline constexpr uint32_t kLogVersion = 2;  // 2: operations on records that expire
inline constexpr uint32_t kLogFlagClean = 1;
inline constexpr size_t kLogMaxPartitions = 256;

inline constexpr size_t kLogMagicOffset = 0;
inline constexpr size_t kLogVersionOffset = kLogMagicOffset + sizeof kLogMagic;
inline constexpr size_t kLogCrcOffset = kLogVersionOffset + 4;
inline constexpr size_t kLogDatabaseIdOffset = kLogCrcOffset + 4;
inline constexpr size_t kLogNumberOffset = kLogDatabaseIdOffset + 16;
inline constexpr size_t kLogPreviousOffset = kLogNumberOffset + 8;
inline constexpr size_t kLogDurableOffset = kLogPreviousOffset + 8;
inline constexpr size_t kLogSaltOffset = kLogDurableOffset + 8;
inline constexpr size_t kLogFlagsOffset = kLogSaltOffset + 4;
inline constexpr size_t kLogFileSizeOffset = kLogFlagsOffset + 4;
inline constexpr size_t kLogPartitionCountOffset = kLogFileSizeOffset + 8;
inline constexpr size_t kLogReservedOffset = kLogPartitionCountOffset + 4;
inline constexpr size_t kLogPartitionsOffset = kLogReservedOffset + 4;
inline constexpr size_t kLogPartitionSize = 16;
inline constexpr size_t kLogHeaderSize = 8192;
static_assert(kLogPartitionsOffset == 80);
static_assert(kLogPartitionsOffset + kLogMaxPartitions * kLogPartitionSize <= kLogHeaderSize);

inline constexpr size_t kRecordCrcOffset = 0;
inline constexpr size_t kRecordSizeOffset = kRecordCrcOffset + 4;
inline constexpr size_t kRecordSequenceOffset = kRecordSizeOffset + 4;
inline constexpr size_t kRecordPreviousOffset = kRecordSequenceOffset + 8;
inline constexpr size_t kRecordDurableOffset = kRecordPreviousOffset + 8;
inline constexpr size_t kRecordHeaderSize = kRecordDurableOffset + 8;
inline constexpr size_t kRecordAlignment = 8;
static_assert(kRecordHeaderSize == 32);
static_assert(kLogHeaderSize % kRecordAlignment == 0);

// Bytes of the largest payload: a batch of the largest size and what its writer puts around it.
inline constexpr uint64_t kMaxRecordPayload = (uint64_t{2} << 30) - 4096;
static_assert(kMaxRecordPayload > ZKDB_MAX_BATCH_SIZE);

struct LogFileHeader {
  uint32_t version = kLogVersion;  // read; what is written has kLogVersion
  DatabaseId database_id{};
  uint64_t number = 0;
  uint64_t previous_sequence = 0;
  uint64_t durable_sequence = 0;
  uint32_t salt = 0;
  bool clean = false;
  uint64_t file_size = 0;
  std::vector<LogPartition> partitions;  // at most kLogMaxPartitions
};

struct RecordHeader {
  uint32_t crc = 0;
  uint32_t payload_size = 0;
  uint64_t sequence = 0;
  uint64_t previous = 0;
  uint64_t durable = 0;
};

// Fills a block of kLogHeaderSize bytes.
void EncodeLogFileHeader(const LogFileHeader& header, uint8_t* block);

// Decodes the start of the file `path`: `block` has kLogHeaderSize bytes, or fewer when the file is shorter.
// *intact is false when the block is incomplete, blank, fails its checksum or claims more durable than was appended
// before the file; *header then holds the database id, number, sequences and salt as far as they are legible.
// ZKDB_NOT_ZKDB: another magic. ZKDB_VERSION: a newer format version.
Status DecodeLogFileHeader(const std::string& path, Slice block, LogFileHeader* header, bool* intact);

// What a record's checksum starts from.
uint32_t RecordSeed(uint32_t salt, uint64_t number);

// Bytes that a record takes in a file.
inline constexpr uint64_t RecordSpace(uint64_t payload_size) {
  return RoundUp(kRecordHeaderSize + payload_size, kRecordAlignment);
}

inline void EncodeRecordHeader(const RecordHeader& header, uint8_t* to) {
  Store32(to + kRecordCrcOffset, header.crc);
  Store32(to + kRecordSizeOffset, header.payload_size);
  Store64(to + kRecordSequenceOffset, header.sequence);
  Store64(to + kRecordPreviousOffset, header.previous);
  Store64(to + kRecordDurableOffset, header.durable);
}

inline RecordHeader DecodeRecordHeader(const uint8_t* from) {
  return {Load32(from + kRecordCrcOffset), Load32(from + kRecordSizeOffset), Load64(from + kRecordSequenceOffset),
          Load64(from + kRecordPreviousOffset), Load64(from + kRecordDurableOffset)};
}

// Whether the fields of a record can stand together (invariant 1) in the `space` bytes that the file has for it.
inline bool IsPlausible(const RecordHeader& h, uint64_t space) {
  return h.previous < h.sequence && h.durable <= h.previous && h.payload_size <= kMaxRecordPayload &&
         kRecordHeaderSize + uint64_t{h.payload_size} <= space;
}

std::string LogFileName(uint64_t number);
std::string SpareFileName(uint64_t number);
// Whether `name` is exactly what LogFileName (SpareFileName) gives for a number from 1 on.
bool ParseLogFileName(const std::string& name, uint64_t* number);
bool ParseSpareFileName(const std::string& name, uint64_t* number);

}  // namespace zkdb
