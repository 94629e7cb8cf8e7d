#include "core/wal/log_format.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/checksum.h"

namespace zkdb {
namespace {

// The checksum of a whole header block as if its checksum field were zero.
uint32_t HeaderCrc(const uint8_t* block) {
  constexpr size_t kAfterCrc = kLogCrcOffset + 4;
  constexpr uint8_t kZero[4] = {};
  uint32_t crc = Crc32c(0, block, kLogCrcOffset);
  crc = Crc32c(crc, kZero, sizeof kZero);
  return Crc32c(crc, block + kAfterCrc, kLogHeaderSize - kAfterCrc);
}

bool IsZero(Slice bytes) {
  return std::all_of(bytes.data, bytes.data + bytes.size, [](uint8_t b) { return b == 0; });
}

Status CheckMagicAndVersion(const std::string& path, Slice block) {
  const Slice magic = block.Sub(0, std::min(block.size, sizeof kLogMagic));
  if (!IsZero(magic) && !(magic == Slice(kLogMagic, magic.size))) {
    return {ZKDB_NOT_ZKDB, "'" + path + "' does not start as a zkdb log file; move it out of the log directory"};
  }
  if (block.size < kLogVersionOffset + 4) return Status::Ok();
  const uint32_t version = Load32(block.data + kLogVersionOffset);
  if (version <= kLogVersion) return Status::Ok();
  return {ZKDB_VERSION, "log file '" + path + "' has format version " + std::to_string(version) +
                            ", this library reads up to " + std::to_string(kLogVersion) + "; use a newer zkdb"};
}

void DecodeFields(const uint8_t* block, LogFileHeader* header) {
  std::memcpy(header->database_id.data(), block + kLogDatabaseIdOffset, header->database_id.size());
  header->version = Load32(block + kLogVersionOffset);
  header->number = Load64(block + kLogNumberOffset);
  header->previous_sequence = Load64(block + kLogPreviousOffset);
  header->durable_sequence = Load64(block + kLogDurableOffset);
  header->salt = Load32(block + kLogSaltOffset);
  header->clean = (Load32(block + kLogFlagsOffset) & kLogFlagClean) != 0;
  header->file_size = Load64(block + kLogFileSizeOffset);
}

void DecodePartitions(const uint8_t* block, uint32_t count, std::vector<LogPartition>* partitions) {
  partitions->resize(count);
  const uint8_t* at = block + kLogPartitionsOffset;
  for (LogPartition& partition : *partitions) {
    partition = {Load64(at), Load64(at + 8)};
    at += kLogPartitionSize;
  }
}

// Decimal digits without sign or space; false when there are none, too many or others.
bool ParseNumber(const std::string& text, uint64_t* number) {
  constexpr size_t kMaxDigits = 19;
  if (text.size() > kMaxDigits) return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  *number = std::strtoull(text.c_str(), nullptr, 10);
  return *number > 0;
}

bool ParseName(const std::string& name, const std::string& prefix, std::string (*format)(uint64_t), uint64_t* number) {
  const std::string suffix = ".log";
  if (name.size() <= prefix.size() + suffix.size() || name.compare(0, prefix.size(), prefix) != 0) return false;
  if (!ParseNumber(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()), number)) return false;
  return name == format(*number);
}

}  // namespace

void EncodeLogFileHeader(const LogFileHeader& header, uint8_t* block) {
  ZKDB_ASSERT(header.partitions.size() <= kLogMaxPartitions);
  std::memset(block, 0, kLogHeaderSize);
  std::memcpy(block + kLogMagicOffset, kLogMagic, sizeof kLogMagic);
  Store32(block + kLogVersionOffset, kLogVersion);
  std::memcpy(block + kLogDatabaseIdOffset, header.database_id.data(), header.database_id.size());
  Store64(block + kLogNumberOffset, header.number);
  Store64(block + kLogPreviousOffset, header.previous_sequence);
  Store64(block + kLogDurableOffset, header.durable_sequence);
  Store32(block + kLogSaltOffset, header.salt);
  Store32(block + kLogFlagsOffset, header.clean ? kLogFlagClean : 0);
  Store64(block + kLogFileSizeOffset, header.file_size);
  Store32(block + kLogPartitionCountOffset, static_cast<uint32_t>(header.partitions.size()));
  uint8_t* at = block + kLogPartitionsOffset;
  for (const LogPartition& partition : header.partitions) {
    Store64(at, partition.uid);
    Store64(at + 8, partition.checkpoint_sequence);
    at += kLogPartitionSize;
  }
  Store32(block + kLogCrcOffset, HeaderCrc(block));
}

Status DecodeLogFileHeader(const std::string& path, Slice block, LogFileHeader* header, bool* intact) {
  *intact = false;
  ZKDB_RETURN_IF_ERROR(CheckMagicAndVersion(path, block));
  if (block.size < kLogHeaderSize) return Status::Ok();
  DecodeFields(block.data, header);
  const uint32_t count = Load32(block.data + kLogPartitionCountOffset);
  if (std::memcmp(block.data, kLogMagic, sizeof kLogMagic) != 0 || count > kLogMaxPartitions) return Status::Ok();
  if (HeaderCrc(block.data) != Load32(block.data + kLogCrcOffset)) return Status::Ok();
  // Records that follow it would say the same, and none of them would be plausible.
  if (header->durable_sequence > header->previous_sequence) return Status::Ok();
  DecodePartitions(block.data, count, &header->partitions);
  *intact = true;
  return Status::Ok();
}

uint32_t RecordSeed(uint32_t salt, uint64_t number) {
  uint8_t bytes[12];
  Store32(bytes, salt);
  Store64(bytes + 4, number);
  return Crc32c(0, bytes, sizeof bytes);
}

std::string LogFileName(uint64_t number) {
  char name[40];
  std::snprintf(name, sizeof name, "zkdb-%08llu.log", static_cast<unsigned long long>(number));
  return name;
}

std::string SpareFileName(uint64_t number) { return "zkdb-spare-" + std::to_string(number) + ".log"; }

bool ParseLogFileName(const std::string& name, uint64_t* number) {
  return ParseName(name, "zkdb-", &LogFileName, number);
}

bool ParseSpareFileName(const std::string& name, uint64_t* number) {
  return ParseName(name, "zkdb-spare-", &SpareFileName, number);
}

}  // namespace zkdb
