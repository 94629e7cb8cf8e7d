// The records of a range of a remote partition, from ZK.RANGE: chunk after chunk, with one read ahead.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. A chunk begins behind the last key of the one before, so a scan goes on over a lost connection and a server that
//     was restarted. Each chunk is of one state of the partition, two chunks may be of different ones.
//  2. Keys ascend strictly in scan order and lie in the bounds, whatever a server sends.
#pragma once

#include <memory>
#include <string>

#include "core/remote/connection_pool.h"
#include "core/scan/packed_stream.h"

namespace zkdb {

class RemoteChunks : public ChunkSource {
 public:
  // `pool` and `bounds` outlive the source.
  RemoteChunks(ConnectionPool* pool, const ScanBounds* bounds) : pool_(pool), bounds_(bounds) { Restart(); }
  ~RemoteChunks() override { Drop(); }

  void Restart() override;
  void Prepare() override;
  Status Next(PackedChunk* out) override;

  bool Position(Slice* key) const override { return *key = last_, has_last_; }

 private:
  void WriteCommand(std::string* command) const;
  Status Ask(bool only_fresh);
  Status TryNext(PackedChunk* out, bool* again);
  Status Read(PackedChunk* out);
  Status ReadRecords(uint64_t count, PackedChunk* out);
  Status ReadRecord(PackedChunk* out);
  Status AppendPart(uint64_t most, PackedChunk* out, uint32_t* size);
  bool InOrder(const PackedChunk& chunk, Slice key) const;
  void Drop();

  ConnectionPool* const pool_;
  const ScanBounds* const bounds_;
  std::unique_ptr<Connection> connection_;  // while an answer is due
  bool asked_ = false;
  bool fresh_ = false;
  bool ended_ = false;
  bool has_last_ = false;
  std::string last_;    // key of what was given
  uint32_t chunk_ = 0;  // records to ask for
};

}  // namespace zkdb
