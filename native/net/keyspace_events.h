// Keyspace events: messages that tell of keys that clients of the server have set or deleted, and of keys that have
// ended, under the names of Redis: channel __keyspace@0__:key with the text "set", channel __keyevent@0__:set with the
// key.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/store.h"

namespace zkdb::net {

// Which events are published, as in notify-keyspace-events of Redis; one of the first two and one of the others.
enum EventClass : uint32_t {
  kEventKeyspace = 1,  // K: by key
  kEventKeyevent = 2,  // E: by what happened
  kEventGeneric = 4,   // g: del, expire, persist
  kEventString = 8,    // $: set
  kEventExpired = 16   // x: expired
};

// Whether any of `kinds` is published.
inline bool TellsOf(uint32_t classes, uint32_t kinds) {
  return (classes & (kEventKeyspace | kEventKeyevent)) != 0 && (classes & kinds) != 0;
}

// As notify-keyspace-events of Redis shows them: "AKE".
inline std::string EventLetters(uint32_t classes) {
  constexpr uint32_t kAll = kEventGeneric | kEventString | kEventExpired;
  std::string letters;
  if ((classes & kAll) == kAll) {
    letters = "A";
  } else {
    if ((classes & kEventGeneric) != 0) letters += 'g';
    if ((classes & kEventString) != 0) letters += '$';
    if ((classes & kEventExpired) != 0) letters += 'x';
  }
  if ((classes & kEventKeyspace) != 0) letters += 'K';
  if ((classes & kEventKeyevent) != 0) letters += 'E';
  return letters;
}

// Calls `publish` with the channel and the text of each message about `key`.
template <typename F>
void EachEvent(uint32_t classes, uint32_t database, std::string_view event, Slice key, F publish) {
  const std::string place = "@" + std::to_string(database) + "__:";
  if ((classes & kEventKeyspace) != 0) publish("__keyspace" + place + key.ToString(), event);
  if ((classes & kEventKeyevent) != 0) publish("__keyevent" + place + std::string(event), key);
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
