// Writes of a session, and the keyspace events that tell of them.
#include <string>

#include "net/keyspace_events.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

// What an operation that took place is told as; nullptr: it is not told.
const char* EventOf(zkdb_op kind, Slice value) {
  switch (kind) {
    case ZKDB_OP_DELETE_RANGE: return nullptr;
    case ZKDB_OP_DELETE:
    case ZKDB_OP_DELETE_IF_VALUE: return "del";
    case ZKDB_OP_EXPIRE: return Load64(value.data) == 0 ? "persist" : "expire";
    default: return "set";
  }
}

uint32_t ClassOf(zkdb_op kind) {
  const bool generic = kind == ZKDB_OP_DELETE || kind == ZKDB_OP_DELETE_IF_VALUE || kind == ZKDB_OP_EXPIRE;
  return generic ? kEventGeneric : kEventString;
}

// Whether it does nothing where its key is not there.
bool NeedsKey(zkdb_op kind) { return kind == ZKDB_OP_DELETE || kind == ZKDB_OP_EXPIRE; }

}  // namespace

bool Session::TellsEvents() const {
  return TellsOf(server_->event_classes(), kEventGeneric | kEventString) && !server_->pubsub()->idle();
}

zkdb_code Session::Write(const BatchBuilder& batch, uint32_t write_flags, zkdb_write_result* result, zkdb_error* error,
                         zkdb_durability durability) {
  const bool tells = TellsEvents();
  // The batch says how many of its keys it has found, and not which.
  std::vector<bool> idle;
  if (tells) {
    EachOperation(batch.bytes(), [&](zkdb_op kind, Slice key, Slice) {
      size_t size = 0;
      idle.push_back(NeedsKey(kind) && store_.Size(key, &size, nullptr) == ZKDB_NOT_FOUND);
    });
  }
  const zkdb_code code = store_.Write(batch, write_flags, result, error, durability);
  if (code != ZKDB_OK || result->failed_index >= 0 || !tells) return code;
  size_t i = 0;
  EachOperation(batch.bytes(), [&](zkdb_op kind, Slice key, Slice value) {
    // A time that is changed on a condition tells by its count whether it was.
    if (kind == ZKDB_OP_EXPIRE && idle.size() == 1) idle[0] = result->existed == 0;
    if (!idle[i++]) TellEvent(kind, key, value);
  });
  return code;
}

void Session::TellSets() {
  if (!TellsEvents()) return;
  EachOperation(sets_.bytes(), [this](zkdb_op kind, Slice key, Slice value) { TellEvent(kind, key, value); });
}

void Session::TellEvent(zkdb_op kind, Slice key, Slice value) {
  const char* const name = EventOf(kind, value);
  const uint32_t classes = server_->event_classes();
  if (name == nullptr || (classes & ClassOf(kind)) == 0) return;
  EachEvent(classes, info_.database, name, key, [this](Slice channel, Slice text) { Publish(channel, text); });
}

}  // namespace zkdb::net
