#include "tool/salvage_writer.h"

#include "core/base/coding.h"
#include "core/engine/scan.h"
#include "core/partition/config_paths.h"

namespace zkdb {
namespace {

constexpr size_t kBatchBytes = 1u << 20;
constexpr size_t kScanBytes = 256u << 10;

}  // namespace

Status SalvageWriter::Open(Env* env, const std::string& config_file, const std::string& directory) {
  env_ = env;
  directory_ = directory;
  ZKDB_RETURN_IF_ERROR(env->CreateDirectory(directory));
  std::vector<std::string> names;
  ZKDB_RETURN_IF_ERROR(env->List(directory, &names));
  if (!names.empty())
    return {ZKDB_EXISTS, directory + ": a salvage needs an empty directory, but '" + names.front() + "' is there"};
  ZKDB_RETURN_IF_ERROR(CopyConfigWithoutDirectories(env, config_file, directory + "/zkdb.conf"));
  EngineOptions options;
  options.restoring = true;
  return Engine::Open(env, directory + "/zkdb.conf", options, &engine_);
}

Status SalvageWriter::Add(zkdb_op kind, Slice key, Slice value, uint64_t time) {
  const size_t begin = batch_.size();
  const uint32_t time_size = time != 0 ? kTimeSize : 0;
  batch_.resize(begin + ZKDB_OP_HEADER_SIZE + key.size + time_size + value.size);
  uint8_t* to = batch_.data() + begin;
  to[0] = static_cast<uint8_t>(kind);
  to[1] = time != 0 ? ZKDB_PUT_EXPIRES : 0;
  Store16(to + 2, static_cast<uint16_t>(key.size));
  Store32(to + 4, time_size + static_cast<uint32_t>(value.size));
  to += ZKDB_OP_HEADER_SIZE;
  if (key.size != 0) std::memcpy(to, key.data, key.size);
  if (time != 0) Store64(to + key.size, time);
  if (value.size != 0) std::memcpy(to + key.size + time_size, value.data, value.size);
  return FlushFull();
}

Status SalvageWriter::AddLogged(const Operation& op) {
  batch_.insert(batch_.end(), op.bytes, op.bytes + op.size);
  return FlushFull();
}

Status SalvageWriter::FlushFull() { return batch_.size() < kBatchBytes ? Status::Ok() : Flush(); }

Status SalvageWriter::Flush() {
  if (batch_.empty()) return Status::Ok();
  WriteResult result;
  const Status written = engine_->Write(Slice(batch_.data(), batch_.size()), ZKDB_DURABILITY_NONE, true, &result);
  batch_.clear();
  return written;
}

Status SalvageWriter::DeleteRange(uint32_t partition, const KeyRange& range) {
  ZKDB_RETURN_IF_ERROR(Flush());
  ScanOptions options;
  options.unordered = true;
  options.no_values = true;
  options.times = true;  // those that have ended are there too
  std::unique_ptr<DatabaseScan> scan;
  ZKDB_RETURN_IF_ERROR(DatabaseScan::Open(std::make_shared<Snapshot>(engine_), range, options, &scan));
  std::vector<uint8_t> records(kScanBytes);
  for (bool done = false; !done;) {
    size_t used = 0;
    uint32_t count = 0;
    bool too_small = false;
    ZKDB_RETURN_IF_ERROR(scan->Pack(records.data(), records.size(), UINT32_MAX, &used, &count, &done, &too_small));
    const uint8_t* from = records.data();
    for (uint32_t i = 0; i < count; ++i) {
      const Slice key(from + 8, Load32(from));
      if (engine_->selector().Select(key) == partition) ZKDB_RETURN_IF_ERROR(Delete(key));
      from += 8 + key.size + Load32(from + 4);
    }
  }
  return Flush();
}

Status SalvageWriter::Close(uint64_t* records) {
  *records = 0;
  if (engine_ == nullptr) return Status::Ok();
  const Status flushed = Flush();
  for (uint32_t i = 0; i < engine_->partition_count(); ++i) *records += engine_->partition(i).records;
  const Status closed = engine_->Close();
  engine_.reset();
  if (!flushed.ok()) return flushed;
  if (!closed.ok()) return closed;
  return env_->SyncDirectory(directory_);
}

}  // namespace zkdb
