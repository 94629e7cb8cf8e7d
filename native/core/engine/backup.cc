// Backup: a snapshot of every partition is written as a new database of the same shape, while this one is in use.
#include "core/base/coding.h"
#include "core/engine/engine.h"
#include "core/engine/scan.h"
#include "core/partition/config_paths.h"

namespace zkdb {
namespace {

constexpr size_t kChunk = 1u << 20;  // bytes of records read and written at a time

// Packed records with their times (ScanOptions::times) as puts (zkdb.h).
Slice MakePuts(const std::vector<uint8_t>& records, uint32_t count, std::vector<uint8_t>* batch) {
  const uint8_t* from = records.data();
  batch->resize(records.size());
  uint8_t* to = batch->data();
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t key_size = Load32(from);
    const uint8_t* const key = from + 8;
    const uint8_t* value = key + key_size;
    from = value + Load32(from + 4);
    const bool expires = Load64(value) != 0;
    if (!expires) value += kTimeSize;
    const auto value_size = static_cast<uint32_t>(from - value);
    to[0] = ZKDB_OP_PUT;
    to[1] = expires ? ZKDB_PUT_EXPIRES : 0;
    Store16(to + 2, static_cast<uint16_t>(key_size));
    Store32(to + 4, value_size);
    to += ZKDB_OP_HEADER_SIZE;
    std::memcpy(to, key, key_size);
    std::memcpy(to + key_size, value, value_size);
    to += size_t{key_size} + value_size;
  }
  return {batch->data(), static_cast<size_t>(to - batch->data())};
}

Status CopyRecords(DatabaseScan* scan, Engine* to, uint64_t total, const Progress& progress) {
  std::vector<uint8_t> records(kChunk);
  std::vector<uint8_t> batch;
  uint64_t copied = 0;
  for (bool done = false; !done;) {
    size_t used = 0;
    uint32_t count = 0;
    bool too_small = false;
    ZKDB_RETURN_IF_ERROR(scan->Pack(records.data(), records.size(), UINT32_MAX, &used, &count, &done, &too_small));
    if (too_small) {
      records.resize(used);
      continue;
    }
    WriteResult result;
    ZKDB_RETURN_IF_ERROR(to->Write(MakePuts(records, count, &batch), ZKDB_DURABILITY_NONE, true, &result));
    copied += count;
    if (progress && !progress(copied, total))
      return {ZKDB_ABORTED, "the backup was stopped; what it wrote is incomplete"};
  }
  return Status::Ok();
}

}  // namespace

Status Engine::Backup(const std::string& directory, const Progress& progress) {
  if (closed()) return ClosedStatus();
  ZKDB_RETURN_IF_ERROR(env_->CreateDirectory(directory));
  std::vector<std::string> names;
  ZKDB_RETURN_IF_ERROR(env_->List(directory, &names));
  if (!names.empty())
    return {ZKDB_EXISTS, directory + ": a backup needs an empty directory, but '" + names.front() + "' is there"};
  const std::string config = directory + "/zkdb.conf";
  ZKDB_RETURN_IF_ERROR(CopyConfigWithoutDirectories(env_, config_.file, config));
  uint64_t total = 0;
  for (auto& p : partitions_) total += p->records;
  std::unique_ptr<DatabaseScan> scan;
  ScanOptions options;
  options.unordered = true;
  options.times = true;
  ZKDB_RETURN_IF_ERROR(DatabaseScan::Open(std::make_shared<Snapshot>(shared_from_this()),
                                          KeyRange{Slice("", 0), Slice("", 0)}, options, &scan));
  std::shared_ptr<Engine> copy;
  EngineOptions restoring;
  restoring.restoring = true;
  ZKDB_RETURN_IF_ERROR(Open(env_, config, restoring, &copy));
  const Status copied = CopyRecords(scan.get(), copy.get(), total, progress);
  const Status closed = copy->Close();
  ZKDB_RETURN_IF_ERROR(copied);
  ZKDB_RETURN_IF_ERROR(closed);
  return env_->SyncDirectory(directory);
}

}  // namespace zkdb
