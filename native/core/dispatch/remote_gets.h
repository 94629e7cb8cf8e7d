// Look-ups of many keys on a remote partition: GETs in a pipeline, of the latest state or of a snapshot.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. A window of commands is under way, which every socket buffer takes: the two sides never wait for each other.
//  2. Look-ups of the latest state are sent a second time when their connection is lost, never a third; those of a
//     snapshot are not, since it is gone then.
#pragma once

#include <memory>
#include <vector>

#include "core/dispatch/remote_pin.h"
#include "core/dispatch/remote_store.h"

namespace zkdb {

// Takes the value that `head` begins. NOT_FOUND, BUFFER_TOO_SMALL: then the value is passed over. What is no value
// abandons the connection, unless it is an error of the server.
zkdb_code TakeValue(Connection* connection, const ReplyHead& head, uint8_t* buffer, size_t capacity, size_t* size,
                    Status* status);

// Reads the head of the one value in the answer to ZK.GET that `head` begins.
Status ReadOnlyValue(Connection* connection, ReplyHead* head);

// What an answer is that is none of `command`: nothing more is read from the connection.
Status NoAnswerOf(const char* command, Connection* connection);

class RemoteGets : public PendingGets {
 public:
  // `pin` nullptr: the latest state.
  RemoteGets(RemoteStore* store, RemotePin* pin, std::vector<Slice> keys);
  ~RemoteGets() override;

  zkdb_code Next(uint8_t* buffer, size_t capacity, size_t* size, Status* status) override;

 private:
  void Drop();
  Status Answer(ReplyHead* head);
  Status PinnedAnswer(ReplyHead* head);
  Status Ask(bool only_fresh);
  Status Send();
  void WriteGet(Slice key, std::string* out) const;

  RemoteStore* const store_;
  RemotePin* const pin_;
  const std::vector<Slice> keys_;
  RemotePin::Hold hold_;                    // with `pin_`
  std::unique_ptr<Connection> connection_;  // without
  Connection* at_ = nullptr;                // one of them
  Status held_;                             // whether `hold_` was taken
  Status began_;                            // with it: what came of the first window
  size_t sent_ = 0;
  size_t answered_ = 0;
  uint32_t window_keys_ = 0;  // sent last
  bool asked_again_ = false;
};

}  // namespace zkdb
