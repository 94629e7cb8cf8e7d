#include "tool/inspect.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/format/layout.h"
#include "core/wal/log_format.h"

namespace zkdb {
namespace {

enum class FileKind { kUnknown, kSegment, kLog };

bool HasMagic(Slice bytes, size_t offset, const void* magic, size_t size) {
  return bytes.size >= offset + size && std::memcmp(bytes.data + offset, magic, size) == 0;
}

FileKind KindByContent(Slice start) {
  if (HasMagic(start, kLogMagicOffset, kLogMagic, sizeof kLogMagic)) return FileKind::kLog;
  for (uint32_t i = 0; i < kMetaSlots; ++i) {
    if (HasMagic(start, size_t{i} * kMetaSlotSize, kMetaMagic.data(), kMetaMagic.size())) return FileKind::kSegment;
  }
  const bool header = HasMagic(start, sizeof(PageHeader), kSegmentMagic.data(), kSegmentMagic.size());
  return header ? FileKind::kSegment : FileKind::kUnknown;
}

FileKind KindByName(const std::string& path) {
  if (path.ends_with(".zkd")) return FileKind::kSegment;
  const std::string name = path.substr(path.find_last_of('/') + 1);
  return name.starts_with("zkdb-") && name.ends_with(".log") ? FileKind::kLog : FileKind::kUnknown;
}

}  // namespace

Status Inspect(Env* env, const std::string& path, int64_t page, bool as_json, InspectSink sink) {
  if (page < -1) return Status::Invalid("page " + std::to_string(page) + ": a page number is 0 or more, or -1 for all");
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(env->Open(path, OpenMode::kRead, &file));
  std::array<uint8_t, kMetaSlots * kMetaSlotSize> start{};
  size_t got = 0;
  ZKDB_RETURN_IF_ERROR(file->Read(0, start.data(), start.size(), &got));
  FileKind kind = KindByContent(Slice(start.data(), got));
  if (kind == FileKind::kUnknown) kind = KindByName(path);
  InspectOutput out(as_json, std::move(sink));
  switch (kind) {
    case FileKind::kSegment: return InspectSegment(env, file.get(), page, &out);
    case FileKind::kLog:
      if (page < 0) return InspectLog(file.get(), &out);
      return Status::Invalid(path + ": is a log file, which has no pages; inspect it without a page number");
    case FileKind::kUnknown: break;
  }
  return {ZKDB_NOT_ZKDB, path + ": neither its first bytes nor its name are those of a zkdb segment (NNN.zkd) or log " +
                             "file (zkdb-NNNNNNNN.log)"};
}

}  // namespace zkdb
