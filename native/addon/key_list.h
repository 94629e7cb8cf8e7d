// Keys that JavaScript passes packed in one array.
#pragma once

#include <cstddef>
#include <cstdint>

#include "addon/arguments.h"

namespace zkdb::addon {

// Keys packed one after another; offsets[i] .. offsets[i + 1] is key i.
struct KeyList {
  const uint8_t* keys;
  const uint32_t* offsets;
  uint32_t count;
};

// Reads (keys: Uint8Array, offsets: Uint32Array, count) from argument `first` on and checks every offset.
inline bool ReadKeyList(const Arguments& args, size_t first, KeyList* list) {
  uint8_t* keys;
  uint32_t* offsets;
  size_t keys_size, offsets_count;
  if (!args.Bytes(first, &keys, &keys_size) || !args.Uint32s(first + 1, &offsets, &offsets_count) ||
      !args.Uint(first + 2, &list->count) || offsets_count <= list->count) {
    return false;
  }
  for (uint32_t i = 0; i < list->count; ++i) {
    if (offsets[i] > offsets[i + 1]) return false;
  }
  list->keys = keys;
  list->offsets = offsets;
  return list->count == 0 || offsets[list->count] <= keys_size;
}

}  // namespace zkdb::addon
