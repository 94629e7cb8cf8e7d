// Keyspace events: messages that tell of the keys that clients of the server have set or deleted, under the names of
// Redis: channel __keyspace@0__:key with the text "set", channel __keyevent@0__:set with the key.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>

#include "net/store.h"

namespace zkdb::net {

// Which events are published, as in notify-keyspace-events of Redis; one of the first two and one of the others.
enum EventClass : uint32_t {
  kEventKeyspace = 1,  // K: by key
  kEventKeyevent = 2,  // E: by what happened
  kEventGeneric = 4,   // g: del, expire, persist
  kEventString = 8     // $: set
};

inline bool AnyEvents(uint32_t classes) {
  return (classes & (kEventKeyspace | kEventKeyevent)) != 0 && (classes & (kEventGeneric | kEventString)) != 0;
}

// Calls `take` with the kind, the key and the value of each operation of a packed batch.
template <typename F>
void EachOperation(Slice batch, F take) {
  while (!batch.empty()) {
    const auto kind = static_cast<zkdb_op>(batch.data[0]);
    const size_t key_size = Load16(batch.data + 2);
    const size_t value_size = Load32(batch.data + 4);
    take(kind, batch.Sub(ZKDB_OP_HEADER_SIZE, key_size), batch.Sub(ZKDB_OP_HEADER_SIZE + key_size, value_size));
    batch = batch.Sub(ZKDB_OP_HEADER_SIZE + key_size + value_size);
  }
}

}  // namespace zkdb::net
