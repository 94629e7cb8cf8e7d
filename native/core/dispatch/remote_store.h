// A remote partition: a database on a server, reached through connections that block.
//
// Thread-safety: that of PartitionStore; each thread that waits has a connection of its own.
//
// Invariants:
//  1. A read of the latest state is sent a second time, never a third, when its connection is lost; one of a snapshot
//     is not. A write is handed over once: when its answer is missing, ZKDB_UNKNOWN_OUTCOME says so.
//  2. Every failure names the partition and the address of its server.
//  3. Memory: a chunk of a scan and what the system's sockets hold; a value that is being read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/dispatch/store.h"
#include "core/remote/connection_pool.h"

namespace zkdb {

class RemoteStore : public PartitionStore {
 public:
  // `transport` outlives the store. `name` is the partition's.
  RemoteStore(Transport* transport, const std::string& name, RemotePlace place);

  std::shared_ptr<StoreSnapshot> MakeSnapshot() override;
  zkdb_code Get(StoreSnapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size,
                Status* status) override;
  zkdb_code Expiry(StoreSnapshot* snapshot, Slice key, uint64_t* time, Status* status) override;
  std::unique_ptr<PendingGets> StartGets(StoreSnapshot* snapshot, std::vector<Slice> keys) override;
  std::unique_ptr<PendingWrite> StartWrite(std::vector<Operation> operations, zkdb_durability durability,
                                           bool non_atomic) override;
  Status Sync() override;
  Status OpenChunks(std::shared_ptr<StoreSnapshot> snapshot, const ScanBounds* bounds,
                    std::unique_ptr<ChunkSource>* out) override;
  Status PartitionFigures(uint32_t partition, bool full, zkdb_partition_stats* out) override;
  Status Estimate(uint32_t partition, const KeyRange& range, uint64_t* records) override;
  Status Check(const Finding& finding, const Progress& progress, uint64_t* findings) override;

  // Whether the server can be reached and takes the login.
  Status Probe();

  ConnectionPool* pool() { return &pool_; }
  // The failure with the partition and its address before it.
  Status Named(const Status& status) const;

 private:
  // Sends a command and has `read` take the whole answer. Once more when the connection is lost.
  using Reading = std::function<Status(Connection*, const ReplyHead&)>;
  Status Ask(const std::string& command, const Reading& read, uint64_t timeout_ms = 0);
  Status AskOnce(const std::string& command, const Reading& read, uint64_t timeout_ms, bool only_fresh, bool* again);
  // The same for a key in the state of a snapshot, which is lost with its connection.
  Status AskPinned(StoreSnapshot* snapshot, Slice name, Slice key, const Reading& read);

  const std::string label_;
  ConnectionPool pool_;
};

}  // namespace zkdb
