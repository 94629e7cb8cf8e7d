#include "capi/handles.h"

#include <algorithm>

namespace zkdb::capi {
namespace {

bool NeedsRecovery(zkdb_code code) {
  switch (code) {
    case ZKDB_CORRUPT:
    case ZKDB_SEGMENT_MISSING:
    case ZKDB_MISMATCH:
    case ZKDB_FAILED: return true;
    default: return false;
  }
}

zkdb_code Fill(const Status& status, bool urgent, zkdb_error* err) {
  if (status.ok()) return ZKDB_OK;
  if (err != nullptr) {
    err->code = status.code();
    err->urgent = urgent ? 1 : 0;
    CopyText(status.message(), err->message, sizeof err->message);
  }
  return status.code();
}

}  // namespace

void CopyText(const std::string& text, char* out, size_t capacity) {
  size_t n = std::min(text.size(), capacity - 1);
  const auto continues = [&](size_t i) {
    return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
  };
  while (n > 0 && continues(n)) --n;
  text.copy(out, n);
  out[n] = '\0';
}

zkdb_code Report(const Status& status, zkdb_error* err) { return Fill(status, NeedsRecovery(status.code()), err); }

zkdb_code ReportUrgent(const Status& status, zkdb_error* err) { return Fill(status, true, err); }

zkdb_code ReportNoMemory(zkdb_error* err) {
  if (err != nullptr) {
    err->code = ZKDB_NO_MEMORY;
    err->urgent = 0;
    constexpr char kText[] = "out of memory";
    std::copy(std::begin(kText), std::end(kText), err->message);
  }
  return ZKDB_NO_MEMORY;
}

KeyRange RangeOf(const zkdb_range* range) {
  if (range == nullptr) return KeyRange{BytesOf(nullptr, 0), BytesOf(nullptr, 0), false, false, false};
  KeyRange out;
  out.lo = BytesOf(range->lo, range->lo_size);
  out.hi = BytesOf(range->hi, range->hi_size);
  out.has_hi = (range->flags & ZKDB_RANGE_HAS_HI) != 0;
  out.lo_exclusive = (range->flags & ZKDB_RANGE_LO_EXCLUSIVE) != 0;
  out.hi_inclusive = (range->flags & ZKDB_RANGE_HI_INCLUSIVE) != 0;
  return out;
}

void DescribePartition(const DatabaseConfig& config, const Selector& selector, uint32_t index,
                       zkdb_partition_info* out) {
  const PartitionConfig& partition = config.partitions[index];
  *out = zkdb_partition_info{};
  CopyText(partition.name, out->name, sizeof out->name);
  out->index = index;
  out->is_remote = partition.is_remote ? 1 : 0;
  CopyText(partition.is_remote ? partition.address : partition.directory, out->directory, sizeof out->directory);
  CopyText(selector.Describe(index), out->rule, sizeof out->rule);
}

}  // namespace zkdb::capi
