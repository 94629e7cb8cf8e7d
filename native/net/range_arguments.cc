#include "net/range_arguments.h"

#include "net/numbers.h"

namespace zkdb::net {

namespace {

// Takes a bound at options[*i]; false when it is none.
bool TakeBound(Arguments options, size_t* i, zkdb_range* range) {
  const Slice name = options[*i];
  const bool lower = IsWord(name, "GT") || IsWord(name, "GTE");
  if (!lower && !IsWord(name, "LT") && !IsWord(name, "LTE")) return false;
  if (*i + 1 >= options.size()) return false;
  const Slice key = options[++*i];
  const bool equal = name.size == 3;
  if (lower) {
    range->lo = key.data;
    range->lo_size = key.size;
    range->flags = (range->flags & ~uint32_t{ZKDB_RANGE_LO_EXCLUSIVE}) | (equal ? 0 : ZKDB_RANGE_LO_EXCLUSIVE);
  } else {
    range->hi = key.data;
    range->hi_size = key.size;
    range->flags =
        (range->flags & ~uint32_t{ZKDB_RANGE_HI_INCLUSIVE}) | ZKDB_RANGE_HAS_HI | (equal ? ZKDB_RANGE_HI_INCLUSIVE : 0);
  }
  return true;
}

// Takes another option of ZK.RANGE at options[*i]; false when it is none.
bool TakeOption(Arguments options, size_t* i, RangeOptions* out) {
  int64_t number = 0;
  if (IsWord(options[*i], "REVERSE")) {
    out->scan_flags |= ZKDB_SCAN_REVERSE;
  } else if (IsWord(options[*i], "KEYS")) {
    out->values = false;
    out->scan_flags |= ZKDB_SCAN_NO_VALUES;
  } else if (IsWord(options[*i], "VALUES")) {
    out->keys = false;
  } else if (IsWord(options[*i], "LIMIT") && *i + 1 < options.size() && ParseInteger(options[*i + 1], &number) &&
             number >= 0) {
    out->limit = static_cast<uint64_t>(number);
    ++*i;
  } else if (IsWord(options[*i], "SNAPSHOT") && *i + 1 < options.size() && ParseInteger(options[*i + 1], &number) &&
             number > 0) {
    out->snapshot = static_cast<uint64_t>(number);
    ++*i;
  } else if (IsWord(options[*i], "PIN")) {
    out->pin = true;
  } else {
    return false;
  }
  return (out->keys || out->values) && (!out->pin || out->snapshot == 0);
}

}  // namespace

bool ParseRange(Arguments options, bool bounds_only, RangeOptions* out) {
  for (size_t i = 0; i < options.size(); ++i) {
    if (!TakeBound(options, &i, &out->range) && (bounds_only || !TakeOption(options, &i, out))) return false;
  }
  return true;
}

}  // namespace zkdb::net
