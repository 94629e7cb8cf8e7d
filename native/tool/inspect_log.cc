// A log file: its header, and record after record with groups and operations, read in small pieces.
#include <algorithm>
#include <vector>

#include "core/base/checksum.h"
#include "core/txn/batch.h"
#include "core/wal/log_format.h"
#include "core/wal/log_reader.h"
#include "tool/inspect.h"

namespace zkdb {
namespace {

constexpr size_t kWindow = 64u << 10;

const char* OperationName(uint8_t kind) {
  switch (kind) {
    case ZKDB_OP_PUT: return "put";
    case ZKDB_OP_DELETE: return "delete";
    case ZKDB_OP_DELETE_RANGE: return "delete_range";
    case ZKDB_OP_EXPIRE: return "expire";
    default: return "unknown";
  }
}

class LogInspector {
 public:
  LogInspector(File* file, InspectOutput* out) : file_(file), out_(out) {}

  Status Run() {
    ZKDB_RETURN_IF_ERROR(file_->Size(&length_));
    out_->Emit(out_->Line("file").Text("kind", "log").Number("size", length_));
    ZKDB_RETURN_IF_ERROR(ReadHeader());
    return ReadRecords();
  }

 private:
  Status ReadHeader();
  void EmitHeader(Slice block, const char* problem);
  Status ReadRecords();
  Status ReadRecord(bool* more);
  Status SumUp(const RecordHeader& header, bool* right);
  Status ReadGroups(uint64_t begin, uint64_t end, uint32_t* count, bool emit);
  Status ReadOperations(uint64_t begin, uint64_t end, bool emit, uint64_t* count, const char** problem);
  Status EmitOperation(uint64_t offset, Slice head);
  Status AddTimes(uint8_t kind, uint8_t flags, uint64_t* offset, size_t* value_size, InspectLine* line);
  Status Stop(const char* reason);
  Status Window(uint64_t offset, size_t n, Slice* bytes);

  File* file_;
  InspectOutput* out_;
  uint64_t length_ = 0;
  LogFileHeader header_;
  bool intact_ = false;
  uint64_t offset_ = kLogHeaderSize;  // of the record to read
  uint64_t last_ = 0;                 // sequence of the record before it
  uint64_t records_ = 0;
  std::vector<uint8_t> window_;  // holds [window_offset_, window_offset_ + window_.size()) of the file
  uint64_t window_offset_ = 0;
};

// Gives `n` bytes (at most kWindow) from `offset` on, fewer only at the end of the file; valid until the next call.
Status LogInspector::Window(uint64_t offset, size_t n, Slice* bytes) {
  const bool held = offset >= window_offset_ && offset + n <= window_offset_ + window_.size();
  if (!held) {
    window_.resize(kWindow);
    window_offset_ = offset;
    size_t got = 0;
    const Status status = file_->Read(offset, window_.data(), window_.size(), &got);
    window_.resize(status.ok() ? got : 0);
    ZKDB_RETURN_IF_ERROR(status);
  }
  const size_t at = static_cast<size_t>(offset - window_offset_);
  *bytes = Slice(window_.data() + at, std::min(n, window_.size() - at));
  return Status::Ok();
}

// ---- header ---------------------------------------------------------------------------------------------------------

Status LogInspector::ReadHeader() {
  std::vector<uint8_t> block(kLogHeaderSize);
  size_t got = 0;
  ZKDB_RETURN_IF_ERROR(file_->Read(0, block.data(), block.size(), &got));
  const Status status = DecodeLogFileHeader(file_->path(), Slice(block.data(), got), &header_, &intact_);
  const char* problem = nullptr;
  if (got < kLogHeaderSize) {
    problem = "the file is shorter than a header";
  } else if (status.code() == ZKDB_NOT_ZKDB) {
    problem = "the magic is wrong";
  } else if (status.code() == ZKDB_VERSION) {
    problem = "the format version is newer than this build reads, or damaged";
  } else if (!intact_) {
    problem = "the checksum does not match";
  }
  EmitHeader(Slice(block.data(), block.size()), problem);
  last_ = Load64(block.data() + kLogPreviousOffset);
  header_.salt = Load32(block.data() + kLogSaltOffset);
  header_.number = Load64(block.data() + kLogNumberOffset);
  return Status::Ok();
}

// `block` has kLogHeaderSize bytes, zeros where the file is shorter.
void LogInspector::EmitHeader(Slice block, const char* problem) {
  const uint8_t* p = block.data;
  InspectLine line = out_->Line("log_header");
  line.Text("state", problem == nullptr ? "ok" : problem);
  line.Number("version", Load32(p + kLogVersionOffset));
  line.Hex("database_id", block.Sub(kLogDatabaseIdOffset, 16));
  line.Number("number", Load64(p + kLogNumberOffset));
  line.Number("previous", Load64(p + kLogPreviousOffset));
  line.Number("durable", Load64(p + kLogDurableOffset));
  line.Number("salt", Load32(p + kLogSaltOffset));
  line.Flag("clean", (Load32(p + kLogFlagsOffset) & kLogFlagClean) != 0);
  line.Number("file_size", Load64(p + kLogFileSizeOffset));
  const uint32_t count = Load32(p + kLogPartitionCountOffset);
  line.Number("partitions", count);
  out_->Emit(line);
  if (problem != nullptr) out_->Emit(out_->Line("bytes").Number("offset", 0).Hex("hex", block.Sub(0, kPreviewBytes)));
  for (uint32_t i = 0; i < std::min<uint64_t>(count, kLogMaxPartitions); ++i) {
    const uint8_t* at = p + kLogPartitionsOffset + i * kLogPartitionSize;
    out_->Emit(out_->Line("log_partition").Hex64("uid", Load64(at)).Number("checkpoint_sequence", Load64(at + 8)));
  }
}

// ---- records --------------------------------------------------------------------------------------------------------

Status LogInspector::ReadRecords() {
  if (intact_ && header_.clean && length_ == kLogHeaderSize) {
    out_->Emit(out_->Line("end")
                   .Number("offset", length_)
                   .Number("records", 0)
                   .Text("reason", "the database was closed cleanly"));
    return Status::Ok();
  }
  if (!intact_) out_->Note("without a sound header the checksums of records cannot be told from damage");
  bool more = true;
  while (more && !out_->stopped()) ZKDB_RETURN_IF_ERROR(ReadRecord(&more));
  return Status::Ok();
}

// Sums up a record in small pieces.
Status LogInspector::SumUp(const RecordHeader& header, bool* right) {
  uint32_t crc = RecordSeed(header_.salt, header_.number);
  const uint64_t end = offset_ + kRecordHeaderSize + header.payload_size;
  *right = false;
  for (uint64_t at = offset_ + kRecordSizeOffset; at < end;) {
    Slice bytes;
    ZKDB_RETURN_IF_ERROR(Window(at, static_cast<size_t>(std::min<uint64_t>(kWindow, end - at)), &bytes));
    if (bytes.empty()) return Status::Ok();
    crc = Crc32c(crc, bytes.data, bytes.size);
    at += bytes.size;
  }
  *right = crc == header.crc;
  return Status::Ok();
}

Status LogInspector::ReadRecord(bool* more) {
  *more = false;
  Slice bytes;
  ZKDB_RETURN_IF_ERROR(Window(offset_, kRecordHeaderSize, &bytes));
  if (bytes.size < kRecordHeaderSize)
    return Stop(bytes.empty() ? "the file ends" : "the file ends within a record's header");
  const auto is_zero = [](uint8_t b) { return b == 0; };
  if (std::all_of(bytes.data, bytes.data + bytes.size, is_zero)) return Stop("zeros follow: nothing was written here");
  const RecordHeader header = DecodeRecordHeader(bytes.data);
  if (!IsPlausible(header, length_ - offset_)) return Stop("the bytes are no record: its fields cannot stand together");
  bool right = false;
  ZKDB_RETURN_IF_ERROR(SumUp(header, &right));
  if (!right && header.previous != last_)
    return Stop("neither checksum nor predecessor fit: what is here is older, or damaged");
  uint32_t groups = 0;
  const uint64_t payload = offset_ + kRecordHeaderSize;
  ZKDB_RETURN_IF_ERROR(ReadGroups(payload, payload + header.payload_size, &groups, false));
  InspectLine line = out_->Line("record");
  line.Number("offset", offset_).Number("sequence", header.sequence).Number("previous", header.previous);
  line.Number("durable", header.durable).Number("size", header.payload_size);
  out_->Emit(line.Text("checksum", right ? "ok" : "bad").Number("groups", groups));
  ZKDB_RETURN_IF_ERROR(ReadGroups(payload, payload + header.payload_size, &groups, true));
  if (!right && intact_) return Stop("the checksum of the record above does not match: a torn write, or damage");
  if (header.previous != last_) out_->Note("the record above does not follow the one before it: a record is missing");
  last_ = header.sequence;
  offset_ += RecordSpace(header.payload_size);
  ++records_;
  *more = true;
  return Status::Ok();
}

// Says why the records end, and whether something after them says that they should not.
Status LogInspector::Stop(const char* reason) {
  InspectLine line = out_->Line("end");
  line.Number("offset", offset_).Number("records", records_).Number("last_sequence", last_).Text("reason", reason);
  out_->Emit(line);
  if (!intact_ || out_->stopped()) return Status::Ok();
  LogReader reader(file_, length_, RecordSeed(header_.salt, header_.number));
  uint64_t claim = 0;
  const Status status = reader.FindClaim(offset_, last_, &claim);
  if (status.code() == ZKDB_CORRUPT) out_->Note("too many bytes after the end look like records to try them all");
  if (!status.ok()) return status.code() == ZKDB_CORRUPT ? Status::Ok() : status;
  if (claim > last_) {
    out_->Note("a valid record after the end says that sequence " + std::to_string(claim) +
               " was on stable storage: records are damaged, this is no torn tail");
  }
  return Status::Ok();
}

// ---- groups and operations ------------------------------------------------------------------------------------------

// Walks the groups of a payload that lies at [begin, end) of the file; shows them when `emit` is set.
Status LogInspector::ReadGroups(uint64_t begin, uint64_t end, uint32_t* count, bool emit) {
  *count = 0;
  while (begin < end && !out_->stopped()) {
    Slice head;
    ZKDB_RETURN_IF_ERROR(Window(begin, kLogGroupHead, &head));
    const bool whole = head.size == kLogGroupHead && end - begin >= kLogGroupHead;
    if (!whole || Load32(head.data + 8) > end - begin - kLogGroupHead) {
      if (emit) out_->Note("the groups do not add up to the record's size: offset " + std::to_string(begin));
      return Status::Ok();
    }
    const uint64_t uid = Load64(head.data);
    const uint64_t size = Load32(head.data + 8);
    const uint64_t first = begin + kLogGroupHead;
    begin = first + size;
    ++*count;
    if (!emit) continue;
    uint64_t operations = 0;
    const char* problem = nullptr;
    ZKDB_RETURN_IF_ERROR(ReadOperations(first, begin, false, &operations, &problem));
    out_->Emit(out_->Line("group").Hex64("uid", uid).Number("size", size).Number("operations", operations));
    ZKDB_RETURN_IF_ERROR(ReadOperations(first, begin, true, &operations, &problem));
    if (problem != nullptr) out_->Note(problem);
  }
  return Status::Ok();
}

Status LogInspector::ReadOperations(uint64_t begin, uint64_t end, bool emit, uint64_t* count, const char** problem) {
  *count = 0;
  *problem = nullptr;
  while (begin < end && !out_->stopped()) {
    Slice head;
    ZKDB_RETURN_IF_ERROR(Window(begin, ZKDB_OP_HEADER_SIZE, &head));
    if (head.size < ZKDB_OP_HEADER_SIZE || end - begin < ZKDB_OP_HEADER_SIZE) {
      *problem = "the last operation of the group is cut short";
      return Status::Ok();
    }
    const uint64_t size = ZKDB_OP_HEADER_SIZE + uint64_t{Load16(head.data + 2)} + Load32(head.data + 4);
    if (size > end - begin) {
      *problem = "an operation is longer than its group";
      return Status::Ok();
    }
    if (emit) ZKDB_RETURN_IF_ERROR(EmitOperation(begin, head));
    begin += size;
    ++*count;
  }
  return Status::Ok();
}

Status LogInspector::EmitOperation(uint64_t offset, Slice head) {
  const uint8_t kind = head.data[0];
  const uint8_t flags = head.data[1];
  const size_t key_size = Load16(head.data + 2);
  size_t value_size = Load32(head.data + 4);
  InspectLine line = out_->Line("operation");
  line.Number("offset", offset).Text("kind", OperationName(kind));
  if (kind != ZKDB_OP_PUT && kind != ZKDB_OP_DELETE) line.Number("kind_number", kind);
  if (flags != 0 || (kind != ZKDB_OP_PUT && kind != ZKDB_OP_DELETE)) line.Number("flags", flags);
  line.Number("key_size", key_size).Number("value_size", value_size);
  Slice bytes;
  offset += ZKDB_OP_HEADER_SIZE;
  ZKDB_RETURN_IF_ERROR(Window(offset, std::min(key_size, kPreviewBytes), &bytes));
  line.Bytes(kind == ZKDB_OP_DELETE_RANGE ? "from" : "key", bytes);
  offset += key_size;
  ZKDB_RETURN_IF_ERROR(AddTimes(kind, flags, &offset, &value_size, &line));
  if (value_size > 0) {
    ZKDB_RETURN_IF_ERROR(Window(offset, std::min(value_size, kPreviewBytes), &bytes));
    line.Bytes(kind == ZKDB_OP_DELETE_RANGE ? "to" : "value", bytes);
  }
  out_->Emit(line);
  return Status::Ok();
}

// Takes the times off the value that lies at *offset.
Status LogInspector::AddTimes(uint8_t kind, uint8_t flags, uint64_t* offset, size_t* value_size, InspectLine* line) {
  std::vector<const char*> names;
  if (kind == ZKDB_OP_PUT && flags != 0) names = {(flags & ZKDB_PUT_KEEPS_TIME) != 0 ? "clock_ms" : "ends_ms"};
  if (kind == ZKDB_OP_EXPIRE) names = {"ends_ms", "clock_ms"};
  for (const char* name : names) {
    Slice bytes;
    if (*value_size < kTimeSize) return Status::Ok();
    ZKDB_RETURN_IF_ERROR(Window(*offset, kTimeSize, &bytes));
    if (bytes.size < kTimeSize) return Status::Ok();
    line->Number(name, Load64(bytes.data));
    *offset += kTimeSize;
    *value_size -= kTimeSize;
  }
  return Status::Ok();
}

}  // namespace

Status InspectLog(File* file, InspectOutput* out) { return LogInspector(file, out).Run(); }

}  // namespace zkdb
