// The state of a remote partition that stays: a snapshot of its server, and the connection to which that belongs. It is
// opened by itself (Start and Wait), or by the first range that is asked for, when that has more than one chunk.
//
// Thread-safety: all functions from any thread; an Asker belongs to one thread at a time.
//
// Invariants:
//  1. What is read through a pin is of one state. When the connection or the snapshot is gone, every further read is
//     ZKDB_SNAPSHOT_EXPIRED; when it could not be opened, every read says why.
//  2. Between two calls at most one answer is due, that of an Asker. Who needs the connection first has it read.
//  3. A thread that has a Hold waits for those of later stores only: no circle of threads waits for each other.
//  4. A pin has a connection only while it has a snapshot, or while an answer is due; the pool counts them.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/dispatch/store.h"
#include "core/remote/connection_pool.h"

namespace zkdb {

class RemotePin : public StoreSnapshot {
 public:
  static constexpr uint64_t kTouchMs = 15000;  // without a use, after which the server is told of one

  // Who reads ranges, and has an answer that may be read ahead.
  class Asker {
   public:
    virtual ~Asker() = default;
    // Of `snapshot`; empty: a state is to be pinned.
    virtual void WriteRange(const std::string& snapshot, std::string* command) = 0;
    // Takes the whole answer; *snapshot is the number that it gives, 0 for none.
    virtual Status ReadRange(Connection* connection, uint64_t* snapshot) = 0;

   private:
    friend class RemotePin;
    bool answered_ = false;  // by ReadRange, with `status_`
    Status status_;
  };

  // The connection, for what is asked and answered while this object lives. Answers that were not read are passed over.
  class Hold {
   public:
    Hold() = default;
    ~Hold() {
      if (pin_ != nullptr) pin_->Release();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    Connection* connection() const { return pin_->connection_.get(); }
    const std::string& snapshot() const { return pin_->id_; }
    // What a failure on the connection means.
    Status Judge(const Status& status) { return pin_->Judge(status); }

   private:
    friend class RemotePin;
    std::unique_lock<std::mutex> lock_;
    RemotePin* pin_ = nullptr;
  };

  // `pool` outlives the pin.
  explicit RemotePin(ConnectionPool* pool) : pool_(pool) {}
  ~RemotePin() override;

  void Start() override;
  void Wait() override;
  void KeepAlive(uint64_t now_ms) override;

  // REQUIRES: Wait.
  Status Take(Hold* hold);

  // Asks for a range without waiting; what goes wrong is told by Answer, which asks again.
  void Ask(Asker* asker);
  // Has the answer read, asking first when it is not under way.
  void Await(Asker* asker);
  // Await, and what came of it.
  Status Answer(Asker* asker);
  // No answer is due to `asker` any more, and none that was read counts. `last`: it asks no more.
  void Forget(Asker* asker, bool last);

 private:
  bool has_snapshot() const { return !id_.empty(); }
  Status Connect(bool only_fresh);
  void Disconnect(bool discard);
  Status AskToOpen(bool only_fresh);
  Status ReadOpened();
  Status Send(Asker* asker, bool only_fresh);
  Status Read(Asker* asker);
  void Settle();
  // Notes what came of a read: true when the state went with its connection.
  bool EndsWith(const Status& status);
  // The same; what the caller of the read is told.
  Status Judge(const Status& status);
  void Release();

  ConnectionPool* const pool_;
  std::mutex mutex_;
  std::unique_ptr<Connection> connection_;
  bool fresh_ = false;
  bool opened_by_itself_ = false;
  std::string id_;        // of the snapshot; empty: there is none
  Status failure_;        // of every read from now on
  Asker* due_ = nullptr;  // whose answer is
  uint64_t used_ms_ = 0;
};

}  // namespace zkdb
