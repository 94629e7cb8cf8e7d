#include "net/client_snapshots.h"

#include <algorithm>

namespace zkdb::net {

zkdb_code ClientSnapshots::Open(zkdb_db* db, uint64_t now_us, uint64_t* id, zkdb_error* err) {
  zkdb_snapshot* opened = nullptr;
  const zkdb_code code = zkdb_snapshot_open(db, &opened, err);
  SnapshotHandle snapshot(opened);
  if (code != ZKDB_OK) return code;
  *id = next_id_++;
  entries_.push_back({*id, db, now_us, std::move(snapshot)});
  return ZKDB_OK;
}

zkdb_snapshot* ClientSnapshots::Use(uint64_t id, const zkdb_db* db, uint64_t now_us) {
  CloseIdle(now_us);
  for (Entry& entry : entries_) {
    if (entry.id != id || entry.db != db) continue;
    entry.used_us = now_us;
    return entry.snapshot.get();
  }
  return nullptr;
}

bool ClientSnapshots::Close(uint64_t id) {
  return std::erase_if(entries_, [id](const Entry& entry) { return entry.id == id; }) > 0;
}

void ClientSnapshots::CloseIdle(uint64_t now_us) {
  std::erase_if(entries_, [&](const Entry& entry) { return now_us >= entry.used_us + idle_us_; });
}

}  // namespace zkdb::net
