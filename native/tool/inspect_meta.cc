#include "tool/inspect_meta.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/base/checksum.h"
#include "core/base/coding.h"
#include "core/segment/segment_files.h"

namespace zkdb {
namespace {

constexpr uint32_t kGuessPages = 64;  // pages whose checksums a guess of the page size looks at

// Why the slot is no valid meta, or nullptr. `bytes` has kMetaSlotSize bytes.
const char* SlotProblem(const uint8_t* bytes, const Meta& meta) {
  if (std::all_of(bytes, bytes + kMetaSlotSize, [](uint8_t b) { return b == 0; })) return "empty";
  if (meta.magic != kMetaMagic) return "the magic is wrong";
  if (MetaChecksum(bytes) != meta.checksum) return "the checksum does not match";
  if (meta.version > kFormatVersion) return "the format version is newer than this build reads";
  return MetaSizesProblem(meta);
}

void EmitMeta(uint32_t index, const MetaSlot& slot, bool newest, InspectOutput* out) {
  const Meta& m = slot.meta;
  InspectLine line = out->Line("meta");
  line.Number("slot", index).Text("state", slot.problem == nullptr ? "ok" : slot.problem).Flag("newest", newest);
  if (m.magic == std::array<uint8_t, 8>{}) return out->Emit(line);
  line.Number("version", m.version).Number("checksum", m.checksum);
  line.Hex("database_id", Slice(m.database_id.data(), m.database_id.size())).Hex64("uid", m.partition_uid);
  line.Number("checkpoint", m.checkpoint).Number("sequence", m.sequence).Number("page_size", m.page_size);
  line.Number("segment_pages", m.segment_pages).Number("root", m.root.number).Number("root_stamp", m.root.stamp);
  line.Number("free_map", m.free_map.number).Number("free_map_stamp", m.free_map.stamp).Number("records", m.records);
  line.Number("page_count", m.page_count).Number("last_stamp", m.last_stamp).Hex64("fingerprint", m.fingerprint);
  line.Number("time_ms", m.time_ms).Number("levels", m.levels).Number("free_pages", m.free_pages);
  line.Number("partition_index", m.partition_index).Number("expiring", m.expiring);
  line.Number("expiry_root", m.expiry_root.number).Number("expiry_root_stamp", m.expiry_root.stamp);
  out->Emit(line.Number("expiry_levels", m.expiry_levels));
}

// ---- the shape ------------------------------------------------------------------------------------------------------

// Whether the page of `page_size` bytes at `offset` carries its own checksum.
bool HasChecksum(File* file, uint64_t offset, uint32_t page_size, std::vector<uint8_t>* buffer) {
  buffer->resize(page_size);
  size_t got = 0;
  if (!file->Read(offset, buffer->data(), page_size, &got).ok() || got < page_size) return false;
  return Load32(buffer->data()) == Crc32c(0, buffer->data() + kChecksumSize, page_size - kChecksumSize);
}

// The page size under which most bytes of the file's beginning have right checksums; 0 when none has any.
uint32_t GuessPageSize(File* file) {
  std::vector<uint8_t> buffer;
  uint32_t best = 0;
  uint64_t best_bytes = 0;
  for (uint32_t size = kMinPageSize; size <= kMaxPageSize; size *= 2) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < kGuessPages; ++i) bytes += HasChecksum(file, uint64_t{i} * size, size, &buffer) ? size : 0;
    if (bytes > best_bytes) best = size, best_bytes = bytes;
  }
  return best;
}

// The number in a file name such as 012.zkd; 0 for another name.
uint32_t IndexByName(const std::string& path) {
  const std::string name = path.substr(path.find_last_of('/') + 1);
  char* end = nullptr;
  const unsigned long index = std::strtoul(name.c_str(), &end, 10);
  return end != name.c_str() && std::strcmp(end, ".zkd") == 0 && index < kMaxSegments ? static_cast<uint32_t>(index)
                                                                                      : 0;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// Reads the metas of 000.zkd in the file's directory, as far as they are there.
void ReadMetasBeside(Env* env, const std::string& path, InspectOutput* out, MetaSlots* metas) {
  std::unique_ptr<File> first;
  const bool read = env->Open(SegmentPath(DirectoryOf(path), 0), OpenMode::kRead, &first).ok() &&
                    ReadMetaSlots(first.get(), metas).ok();
  if (!read || metas->newest < 0) out->Note("there is no 000.zkd with a valid meta beside this file");
}

// What a segment header at the file's beginning says. `page_size` is known or guessed.
void ReadSegmentHeader(File* file, InspectOutput* out, SegmentShape* shape) {
  std::vector<uint8_t> page;
  if (!HasChecksum(file, 0, shape->page_size, &page)) return;
  const auto header = Load<PageHeader>(page.data());
  const auto head = Load<SegmentHead>(page.data() + sizeof header);
  if (header.kind != PageKind::kSegmentHeader || head.magic != kSegmentMagic || head.segment == 0 ||
      head.segment >= kMaxSegments)
    return;
  const uint32_t by_name = IndexByName(file->path());
  if (by_name != 0 && by_name != head.segment) {
    out->Note("the file's name is that of segment " + std::to_string(by_name) + ", its header says segment " +
              std::to_string(head.segment));
  }
  shape->index = head.segment;
  if (shape->newest() != nullptr &&
      (shape->newest()->partition_uid != head.partition_uid || shape->newest()->database_id != head.database_id)) {
    out->Note("the 000.zkd beside this file belongs to another partition or database: it is not used");
    shape->metas = MetaSlots{};
  }
  if (shape->newest() != nullptr || header.number % head.segment != 0) return;
  const uint32_t pages = header.number / head.segment;
  const uint64_t bytes = uint64_t{pages} * shape->page_size;
  if (std::has_single_bit(pages) && bytes <= kMaxSegmentSize && bytes >= kMinSegmentSize) shape->segment_pages = pages;
}

void ChoosePageSize(File* file, InspectOutput* out, SegmentShape* shape) {
  if (shape->newest() != nullptr) {
    shape->page_size = shape->newest()->page_size;
    return;
  }
  shape->page_size = GuessPageSize(file);
  const bool found = shape->page_size != 0;
  if (!found) shape->page_size = kMinPageSize;
  out->Note("no valid meta: the page size " + std::to_string(shape->page_size) +
            (found ? " is the one under which checksums are right" : " is a guess, no page has a right checksum"));
}

}  // namespace

Status ReadMetaSlots(File* file, MetaSlots* out) {
  *out = MetaSlots{};
  std::vector<uint8_t> bytes(kMetaSlots * kMetaSlotSize);
  size_t got = 0;
  ZKDB_RETURN_IF_ERROR(file->Read(0, bytes.data(), bytes.size(), &got));
  for (uint32_t i = 0; i < kMetaSlots; ++i) {
    const uint8_t* begin = bytes.data() + size_t{i} * kMetaSlotSize;
    MetaSlot& slot = out->slot[i];
    slot.meta = Load<Meta>(begin);
    slot.problem = SlotProblem(begin, slot.meta);
    out->any_magic |= slot.meta.magic == kMetaMagic;
    const bool newer = out->newest < 0 || slot.meta.checkpoint > out->slot[out->newest].meta.checkpoint;
    if (slot.problem == nullptr && newer) out->newest = static_cast<int>(i);
  }
  return Status::Ok();
}

void EmitMetaSlots(const MetaSlots& slots, InspectOutput* out) {
  for (uint32_t i = 0; i < kMetaSlots; ++i) EmitMeta(i, slots.slot[i], slots.newest == static_cast<int>(i), out);
}

Status FindShape(Env* env, File* file, InspectOutput* out, SegmentShape* shape) {
  ZKDB_RETURN_IF_ERROR(file->Size(&shape->size));
  ZKDB_RETURN_IF_ERROR(ReadMetaSlots(file, &shape->metas));
  shape->index = shape->metas.any_magic ? 0 : IndexByName(file->path());
  shape->has_metas = shape->index == 0;
  if (!shape->has_metas) ReadMetasBeside(env, file->path(), out, &shape->metas);
  ChoosePageSize(file, out, shape);
  if (!shape->metas.any_magic || !shape->has_metas) ReadSegmentHeader(file, out, shape);
  if (shape->index != 0) shape->has_metas = false;
  if (shape->newest() != nullptr) shape->segment_pages = shape->newest()->segment_pages;
  if (shape->index != 0 && shape->segment_pages == 0)
    out->Note("pages are numbered from the file's beginning: its place is not known");
  shape->first_page = shape->index * shape->segment_pages;
  const uint64_t limit = shape->segment_pages != 0 ? shape->segment_pages : kMaxSegmentSize / shape->page_size;
  shape->file_pages = static_cast<uint32_t>(std::min<uint64_t>(shape->size / shape->page_size, limit));
  return Status::Ok();
}

}  // namespace zkdb
