// Tells of the records that databases remove because they have ended, as keyspace events: channel __keyspace@0__:key
// with the text "expired", channel __keyevent@0__:expired with the key.
//
// Thread-safety: Start and Stop by one thread. What is told is published by the threads that remove the records.
//
// Invariants:
//  1. After Stop nothing is published any more.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "include/zkdb.h"
#include "net/pubsub.h"

namespace zkdb::net {

class ExpiredEvents {
 public:
  // `pubsub` outlives it. Of `classes` (keyspace_events.h) it tells what they ask for, which may be nothing.
  ExpiredEvents(PubSub* pubsub, uint32_t classes) : pubsub_(pubsub), classes_(classes) {}
  ~ExpiredEvents() { Stop(); }
  ExpiredEvents(const ExpiredEvents&) = delete;
  ExpiredEvents& operator=(const ExpiredEvents&) = delete;

  // Begins to tell of a database, which stays open until Stop.
  zkdb_code Start(zkdb_db* db, uint32_t number, zkdb_error* error);
  void Stop();

 private:
  struct Watched {
    const ExpiredEvents* owner;
    zkdb_db* db;
    uint32_t number;
  };

  static void Tell(void* context, const void* key, size_t key_size);

  PubSub* const pubsub_;
  const uint32_t classes_;
  std::vector<std::unique_ptr<Watched>> watched_;
};

}  // namespace zkdb::net
