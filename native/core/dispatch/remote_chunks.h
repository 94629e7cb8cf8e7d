// The records of a range of a remote partition, from ZK.RANGE: chunk after chunk of one state, with one read ahead.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. All chunks are of the state of the pin. One that has none yet is given it by the first chunk of the whole range;
//     when that is all there is, no snapshot is opened, and the chunk is kept for those who start again.
//  2. Keys ascend strictly in scan order and lie in the bounds, whatever a server sends.
#pragma once

#include <memory>
#include <string>

#include "core/dispatch/remote_pin.h"
#include "core/scan/packed_stream.h"

namespace zkdb {

class RemoteChunks : public ChunkSource, private RemotePin::Asker {
 public:
  // `bounds` outlives the source.
  RemoteChunks(std::shared_ptr<RemotePin> pin, const ScanBounds* bounds) : pin_(std::move(pin)), bounds_(bounds) {
    Begin();
  }
  ~RemoteChunks() override { pin_->Forget(this, true); }

  void Restart() override;
  void Prepare() override;
  void Await() override;
  Status Next(PackedChunk* out) override;

  bool Position(Slice* key) const override { return *key = last_, has_last_; }

 private:
  void Begin();
  void WriteRange(const std::string& snapshot, std::string* command) override;
  Status ReadRange(Connection* connection, uint64_t* snapshot) override;
  Status ReadChunk(Connection* connection, const ReplyHead& answer, uint64_t* snapshot);
  Status ReadSnapshot(Connection* connection, bool more, uint64_t* snapshot);
  Status ReadRecords(Connection* connection, uint64_t count);
  Status ReadRecord(Connection* connection);
  Status AppendPart(Connection* connection, uint64_t most, uint32_t* size);
  Status Take(PackedChunk* out);
  void TakeWhole(PackedChunk* out);
  bool InOrder(Slice key) const;

  const std::shared_ptr<RemotePin> pin_;
  const ScanBounds* const bounds_;
  bool due_ = false;    // an answer was asked for and not taken
  bool pins_ = false;   // the question that was asked last pins a state
  bool ended_ = false;  // there is nothing behind `last_`
  bool has_last_ = false;
  std::string last_;    // key of what was read
  uint32_t chunk_ = 0;  // records to ask for
  uint32_t given_ = 0;  // chunks
  PackedChunk ahead_;   // what was read and not given
  PackedChunk whole_;   // the first chunk, when it is all of the range
  bool has_whole_ = false;
};

}  // namespace zkdb
