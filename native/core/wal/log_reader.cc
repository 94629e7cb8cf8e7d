#include "core/wal/log_reader.h"

#include <algorithm>

#include "core/base/checksum.h"

namespace zkdb {
namespace {

constexpr uint64_t kChunk = 1 << 20;
constexpr uint64_t kScratch = 64 << 10;

// Payloads may hold bytes that look like record headers: the checksums tried are bounded by this and four file lengths.
constexpr uint64_t kMinCrcBudget = 64 << 20;

constexpr uint64_t kCrcBegin = kRecordSizeOffset;  // what the checksum covers begins here

}  // namespace

// Gives the bytes from `offset` on: at least `n`, fewer only at the end of the file.
Status LogReader::Window(uint64_t offset, uint64_t n, const uint8_t** data, uint64_t* got) {
  *got = 0;
  if (offset >= length_) return Status::Ok();
  n = std::min(n, length_ - offset);
  const bool held = offset >= buffer_offset_ && offset + n <= buffer_offset_ + buffer_.size();
  if (!held) {
    const uint64_t want = std::min(std::max(n, kChunk), length_ - offset);
    buffer_.resize(want);
    buffer_offset_ = offset;
    size_t read = 0;
    const Status status = file_->Read(offset, buffer_.data(), want, &read);
    buffer_.resize(status.ok() ? read : 0);
    ZKDB_RETURN_IF_ERROR(status);
  }
  *data = buffer_.data() + (offset - buffer_offset_);
  *got = buffer_offset_ + buffer_.size() - offset;
  return Status::Ok();
}

// Sums up a record of which more than the header need not lie in the buffer, which stays as it is.
Status LogReader::HasRightCrc(uint64_t offset, const RecordHeader& header, bool* right) {
  *right = false;
  const uint64_t end = offset + kRecordHeaderSize + header.payload_size;
  uint64_t at = offset + kCrcBegin;
  if (end <= buffer_offset_ + buffer_.size()) {
    *right = Crc32c(seed_, buffer_.data() + (at - buffer_offset_), end - at) == header.crc;
    return Status::Ok();
  }
  scratch_.resize(kScratch);
  uint32_t crc = seed_;
  while (at < end) {
    const size_t n = std::min(kScratch, end - at);
    size_t got = 0;
    ZKDB_RETURN_IF_ERROR(file_->Read(at, scratch_.data(), n, &got));
    if (got < n) return Status::Ok();
    crc = Crc32c(crc, scratch_.data(), n);
    at += n;
  }
  *right = crc == header.crc;
  return Status::Ok();
}

Status LogReader::ReadRecord(uint64_t offset, RecordHeader* header, Slice* payload, bool* valid) {
  *valid = false;
  const uint8_t* data = nullptr;
  uint64_t got = 0;
  ZKDB_RETURN_IF_ERROR(Window(offset, kRecordHeaderSize, &data, &got));
  if (got < kRecordHeaderSize) return Status::Ok();
  *header = DecodeRecordHeader(data);
  if (!IsPlausible(*header, length_ - offset)) return Status::Ok();
  const uint64_t size = kRecordHeaderSize + header->payload_size;
  if (size <= kChunk) ZKDB_RETURN_IF_ERROR(Window(offset, size, &data, &got));
  bool right = false;
  ZKDB_RETURN_IF_ERROR(HasRightCrc(offset, *header, &right));
  if (!right) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(Window(offset, size, &data, &got));
  if (got < size) return Status::Ok();
  *payload = Slice(data + kRecordHeaderSize, header->payload_size);
  *valid = true;
  return Status::Ok();
}

Status LogReader::ScanWindow(uint64_t offset, const uint8_t* data, uint64_t got, uint64_t last, uint64_t* claim) {
  for (uint64_t i = 0; i + kRecordHeaderSize <= got; i += kRecordAlignment) {
    if (Load64(data + i + kRecordDurableOffset) <= last) continue;
    const RecordHeader header = DecodeRecordHeader(data + i);
    if (!IsPlausible(header, length_ - (offset + i))) continue;
    const uint64_t size = kRecordHeaderSize + header.payload_size;
    if (size > crc_budget_) {
      return Status::Corrupt("log file '" + file_->path() + "' has too many bytes after its last valid record that " +
                             "look like records; restore the log from a backup");
    }
    crc_budget_ -= size;
    bool right = false;
    ZKDB_RETURN_IF_ERROR(HasRightCrc(offset + i, header, &right));
    if (!right) continue;
    *claim = header.durable;
    return Status::Ok();
  }
  return Status::Ok();
}

Status LogReader::FindClaim(uint64_t from, uint64_t last, uint64_t* claim) {
  crc_budget_ = kMinCrcBudget + 4 * length_;
  uint64_t offset = RoundUp(from, kRecordAlignment);
  const uint64_t before = *claim;
  while (offset + kRecordHeaderSize <= length_) {
    const uint8_t* data = nullptr;
    uint64_t got = 0;
    ZKDB_RETURN_IF_ERROR(Window(offset, kChunk, &data, &got));
    if (got < kRecordHeaderSize) break;
    ZKDB_RETURN_IF_ERROR(ScanWindow(offset, data, got, last, claim));
    if (*claim != before) break;
    offset += (got - kRecordHeaderSize) / kRecordAlignment * kRecordAlignment + kRecordAlignment;
  }
  return Status::Ok();
}

Status LogReader::FindClaimInChain(uint64_t last, uint64_t* claim) {
  uint64_t previous = last;
  uint64_t offset = kLogHeaderSize;
  while (offset + kRecordHeaderSize <= length_) {
    const uint8_t* data = nullptr;
    uint64_t got = 0;
    ZKDB_RETURN_IF_ERROR(Window(offset, kRecordHeaderSize, &data, &got));
    if (got < kRecordHeaderSize) break;
    const RecordHeader header = DecodeRecordHeader(data);
    if (header.previous != previous || !IsPlausible(header, length_ - offset)) break;
    if (header.durable > last) {
      *claim = header.durable;
      break;
    }
    previous = header.sequence;
    offset += RecordSpace(header.payload_size);
  }
  return Status::Ok();
}

}  // namespace zkdb
