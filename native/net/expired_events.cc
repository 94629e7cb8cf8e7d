#include "net/expired_events.h"

#include <new>

#include "net/keyspace_events.h"

namespace zkdb::net {

zkdb_code ExpiredEvents::Start(zkdb_db* db, uint32_t number, zkdb_error* error) {
  if (!TellsOf(classes_, kEventExpired)) return ZKDB_OK;
  watched_.push_back(std::make_unique<Watched>(Watched{this, db, number}));
  return zkdb_on_expired(db, &ExpiredEvents::Tell, watched_.back().get(), error);
}

void ExpiredEvents::Stop() {
  for (const auto& watched : watched_) zkdb_on_expired(watched->db, nullptr, nullptr, nullptr);
  watched_.clear();
}

void ExpiredEvents::Tell(void* context, const void* key, size_t key_size) {
  const auto* const watched = static_cast<const Watched*>(context);
  PubSub* const pubsub = watched->owner->pubsub_;
  if (pubsub->idle()) return;
  // No exception may pass the interface. Without memory there is no event, as there is none of a write then.
  try {
    EachEvent(watched->owner->classes_, watched->number, "expired", {static_cast<const uint8_t*>(key), key_size},
              [pubsub](Slice channel, Slice text) { pubsub->Publish(channel, text); });
  } catch (const std::bad_alloc&) {
    return;
  }
}

}  // namespace zkdb::net
