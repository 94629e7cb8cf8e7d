// One client's connection without its socket: bytes in, bytes out. Decodes commands, carries them out on a database
// through zkdb.h, and appends their replies to an output buffer.
//
// Thread-safety: none; a session is used by one thread at a time. Receive may block for as long as a write takes to
// become durable.
//
// Invariants:
//  1. Replies stand in the order of their commands, one for each.
//  2. Consecutive GETs of a chunk are looked up together, consecutive plain SETs are written as one batch; everything
//     else is carried out when it is its turn, after what was gathered.
//  3. A command is taken only while the output holds less than `pause_output`, and the output never passes
//     `max_output`. A reply that does not fit behind others waits until they were sent: its command is not consumed.
//     One that does not fit alone is an error reply. Either way the command has changed nothing.
//  4. After a protocol error, QUIT, or its own kill the session is closing: it takes no byte more.
//  5. Memory: the input is the caller's; the queue of MULTI, watched values and values read whole are limited, and so
//     is the number of snapshots and how long one is kept that is not used. An
//     idle session keeps at most some 64 KiB, and a few hundred bytes after ReleaseMemory.
//  6. No command is carried out that the rights of the session's user do not allow at that moment, and none that names
//     a key which another server of the cluster holds.
//  7. While a login is being checked no command is taken: those behind it see its outcome.
//  8. While writes are pending (ShareWrites), the session takes no byte more and answers nothing: FinishWrites first.
//  9. Messages of channels stand between replies, never inside one. A client that does not read them is dropped.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/client_snapshots.h"
#include "net/command_table.h"
#include "net/host.h"
#include "net/permission.h"
#include "net/reply.h"
#include "net/resp_parser.h"
#include "net/rights.h"
#include "net/store.h"
#include "net/subscriptions.h"

namespace zkdb::net {

// Bytes. Frames and output have at most ZKDB_MAX_VALUE_SIZE.
struct SessionLimits {
  ParserLimits parser;  // after the login
  ParserLimits before_login = {4096, 4096, 16, false};
  size_t pause_output = size_t{1} << 20;  // no further command is begun above it
  size_t max_output = size_t{64} << 20;   // at least pause_output + kOutputSlack
  size_t max_queue = size_t{16} << 20;    // of the commands behind MULTI
  size_t max_watched = size_t{16} << 20;  // of watched keys and their values
  size_t max_snapshots = 16;              // their number
  uint64_t snapshot_idle_us = 60'000'000;
  size_t max_subscribed = size_t{4} << 20;  // of the names of channels and patterns
  size_t max_pushed = size_t{32} << 20;     // of output, when a message is added to it
};
// Room for the short replies of what is gathered when the output is nearly at pause_output.
inline constexpr size_t kOutputSlack = size_t{2} << 20;

enum class SessionState {
  kOpen,     // give more bytes when there are some
  kPaused,   // send output; then call again with what was not consumed
  kWaiting,  // a login is being checked: after FinishLogin call again with what was not consumed
  kClosing,  // send output, then close
};

enum class LoginVerdict {
  kWelcome,
  kRefused,  // wrong, unknown, or not to be told: one answer for all
  kFailed,   // it could not be checked
};

// A login that is being checked, and what its command does when it is welcome.
struct PendingLogin {
  std::string user;
  bool hello = false;  // HELLO, not AUTH
  int protocol = 2;    // of HELLO, as the two below
  bool named = false;
  std::string name;
};

struct ReceiveResult {
  size_t consumed;  // bytes of the input that are done with
  SessionState state;
  bool pending = false;  // the SETs at the end of the input wait to be written: write_group.h
};

class Session {
 public:
  // `info` says id, addresses and the time of connecting. `server` outlives the session. With `rights` the connection
  // has proved already, by a certificate, that it is the user of `info`; RESET brings it back to that.
  Session(Server* server, ClientInfo info, const SessionLimits& limits = {},
          std::shared_ptr<const Rights> rights = nullptr);

  // Carries out the commands that `input` holds whole. `input` begins with the bytes that the last call did not
  // consume; it may lie elsewhere than then, and may be empty.
  ReceiveResult Receive(Slice input);

  // From now on, Receive may leave the plain SETs at the end of its input to the caller, who writes them together with
  // those of other sessions (write_group.h).
  void ShareWrites() { share_writes_ = true; }
  // After a ReceiveResult with `pending`: what is to be written and where, and what came of it. Nothing of it may be
  // visible before. Out of memory, the session is closing().
  bool pending() const { return pending_; }
  const BatchBuilder& pending_writes() const { return sets_; }
  zkdb_db* pending_database() const { return store_.db; }
  void FinishWrites(zkdb_code code, const zkdb_error& error);

  // Answers the login that Server::BeginLogin was told of. `rights` are those of a welcome user.
  // REQUIRES: the last Receive gave kWaiting, and everything before the login has been replied to.
  void FinishLogin(LoginVerdict verdict, std::shared_ptr<const Rights> rights = nullptr);
  // A user's rights are others from now on; nullptr: there is no such user any more, and a session of his closes.
  // Commands behind MULTI are asked again when EXEC runs. Sessions of other users are left alone.
  void ChangeRights(const std::string& user, const std::shared_ptr<const Rights>& rights);

  // From now on the client may subscribe to channels; its messages are put into `mailbox`, which outlives the session.
  void UseMailbox(Mailbox* mailbox) { subscriptions_.set_mailbox(mailbox); }
  // Writes a message from the mailbox behind the replies. False when the client reads too slowly: the session is
  // closing, and what is in its output is not to be sent.
  bool Deliver(const Mail& mail);
  // Whether the client waits for messages.
  bool subscribed() const { return !subscriptions_.empty(); }

  // Gives back what an idle session keeps for the next commands.
  void ReleaseMemory();
  // Closes the snapshots that the client has not used for too long.
  void CloseIdleSnapshots() {
    if (!snapshots_.empty()) snapshots_.CloseIdle(server_->NowUs());
  }
  // Commands taken so far.
  uint64_t commands() const { return commands_; }
  bool closing() const { return closing_; }

  // Replies to be sent; the caller takes from its front with Consume.
  OutputBuffer* output() { return &output_; }
  // The command that begins the unconsumed input has at least so many bytes; never more than the frame limit.
  size_t wanted() const { return parser_.needed(); }
  const ClientInfo& info() const { return info_; }
  const SessionLimits& limits() const { return limits_; }

  // ---- for the handlers of commands

  Server* server() const { return server_; }
  ReplyWriter* reply() { return &reply_; }
  const Store& store() const { return store_; }
  ClientSnapshots* snapshots() { return &snapshots_; }
  // Opens one of the latest state. False after an error reply.
  bool OpenSnapshot(uint64_t* id);
  // Lets store() read from one of the client's snapshots. False after an error reply.
  bool ReadAt(uint64_t id);
  void ReadLatest() { store_.snapshot = nullptr; }
  // To be changed; the server hears of it when the call ends.
  ClientInfo* EditInfo() {
    info_changed_ = true;
    return &info_;
  }

  void Close() { closing_ = true; }
  bool logged_in() const { return logged_in_; }
  const Access& access() const { return access_; }
  const ClusterMap* cluster() const { return cluster_; }
  // Asks the server; the reply comes when it has answered.
  void BeginLogin(PendingLogin login, Slice password);
  // False when there is no such database.
  bool SelectDatabase(uint32_t number);
  void SetProtocol(int version);
  void ResetState();

  Subscriptions* subscriptions() { return &subscriptions_; }
  // Sends a message, behind MULTI when that is committed; gives how many clients get it.
  uint64_t Publish(Slice channel, Slice text);
  // Store::Write of the selected database, with the keyspace events that follow from it.
  zkdb_code Write(const BatchBuilder& batch, uint32_t write_flags, zkdb_write_result* result, zkdb_error* error,
                  zkdb_durability durability = ZKDB_DURABILITY_DEFAULT);

  void Fail(const zkdb_error& error);  // replies with the code's name and the message
  void FailSyntax() { reply_.Error("ERR syntax error"); }
  void FailArity(Slice name);
  // Replies with an error when a key has too many bytes.
  bool KeyFits(Slice key);
  // The value of `key` in *value. ZKDB_OK, ZKDB_NOT_FOUND, or a failure that was replied to.
  zkdb_code ReadValue(Slice key, std::string* value);
  // Replies with the value of `key`; a null when it is not there. False after an error or an overflow.
  bool ReplyValue(Slice key);
  // An empty batch for one command.
  BatchBuilder* StartBatch() {
    batch_.Clear();
    return &batch_;
  }

  // MULTI
  bool in_multi() const { return multi_; }
  void StartMulti();
  void EndMulti();      // forgets queue and watched keys
  void ExecuteQueue();  // EXEC
  // WATCH of one key. False after an error reply.
  bool WatchKey(Slice key);
  void Unwatch();

 private:
  enum class Gathered { kNothing, kGets, kSets };
  struct Watched {
    zkdb_db* db;
    std::string key;
    std::string value;
    bool there;
  };

  ReceiveResult Run(Slice input);
  // Takes a plain GET or SET into what is gathered. `begin` and `end` are its places in the input.
  bool Gather(Arguments args, size_t begin, size_t end);
  void GatherGet(Slice key, size_t begin, size_t end);
  // Carries out what is gathered. False when the output is full; *at is then behind the last command that was answered.
  bool Flush(size_t* at);
  // Answers gathered GETs; gives how many, fewer than there are when the output is full.
  size_t AnswerGets();
  zkdb_code AnswerTogether(size_t from, size_t capacity, uint32_t* done, size_t* needed);
  // False when the reply has to wait for room.
  bool AnswerAlone(size_t i);
  void FlushSets();
  void AnswerSets(zkdb_code code, const zkdb_error& error);
  // Carries out one command. False when its reply has to wait for room.
  bool Dispatch(Arguments args);
  bool Admit(const Command* command, Arguments args);
  // Whether the user's rights allow the command. False after an error reply.
  bool Permit(const Command& command, Arguments args);
  // Whether this server holds the keys of the command. False after an error reply that says who does.
  bool HoldsKeysOf(const Command& command, Arguments args);
  void ReplyDenied(Denial denial, const Command& command, Arguments args);
  void AuditDenied(Denial denial, const Command& command);
  // In RESP2 a client with subscriptions may do little else: it could not tell replies from messages.
  bool restricted() const { return reply_.protocol() == 2 && !subscriptions_.empty(); }
  // Closes when a subscription is not the user's to hear any more.
  void CheckSubscriptions();
  void NoteSubscriptions();
  void SendMessages();
  bool TellsEvents() const;
  void TellEvent(zkdb_op kind, Slice key, Slice value);
  void TellSets();
  void LogIn(const std::string& user, std::shared_ptr<const Rights> rights);
  void LogOut();
  // The time for NoteSlow; 0 when nothing is noted.
  uint64_t StartTime() const;
  // Notes a command that began then in the slow log, if it took long; `more` of its kind took the time with it.
  void NoteSlow(uint64_t began_us, Arguments args, size_t more);
  // The same of what is gathered.
  void NoteSlowGets(uint64_t began_us);
  void NoteSlowSets(uint64_t began_us);
  // Takes the reply behind `mark` back when it did not fit. False when it can fit once the output is sent.
  bool SettleOverflow(size_t mark);
  void Queue(Arguments args);
  void FailUnknown(Arguments args);
  void FailTooLarge();
  void RunQueue();
  // False after an error reply.
  bool CompareWatched(zkdb_txn* txn, bool* unchanged);

  Server* const server_;
  const ClusterMap* const cluster_;
  const SessionLimits limits_;
  ClientInfo info_;
  OutputBuffer output_;
  ReplyWriter reply_;
  RespParser parser_;
  Store store_;
  const std::string first_user_;                // whom the connection is without a login
  std::shared_ptr<const Rights> first_rights_;  // nullptr: nobody
  Access access_;
  ClientSnapshots snapshots_;
  Subscriptions subscriptions_;
  std::vector<Message> messages_;  // of EXEC, before its commit
  std::optional<PendingLogin> login_;
  uint64_t denied_ = 0;  // commands since the login
  bool logged_in_ = false;
  bool closing_ = false;
  bool info_changed_ = true;
  bool share_writes_ = false;
  bool pending_ = false;
  uint64_t pending_since_us_ = 0;
  uint64_t commands_ = 0;

  Gathered gathered_ = Gathered::kNothing;
  std::string keys_;               // of gathered GETs
  std::vector<uint32_t> offsets_;  // n + 1 places in keys_
  std::vector<size_t> ends_;       // behind each gathered GET in the input, and first the place where they begin
  std::vector<uint32_t> sizes_;    // of their values
  BatchBuilder sets_;              // gathered SETs
  BatchBuilder batch_;             // of a single command
  size_t expected_size_ = 128;     // of a value, from those seen

  bool multi_ = false;
  bool multi_aborted_ = false;
  bool watch_lost_ = false;            // keys were watched with other rights: EXEC does nothing
  std::string queue_;                  // arguments, one behind the other
  std::vector<uint32_t> queue_sizes_;  // per command: number of arguments, then the size of each
  std::vector<Watched> watched_;
  size_t watched_bytes_ = 0;
};

}  // namespace zkdb::net
