// One connection to the server of a remote partition: logged in, with its database selected, blocking.
//
// Thread-safety: none; a connection is used by one thread at a time.
//
// Invariants:
//  1. Answers are read in the order of the commands. A connection that still owes answers, or has failed, is not used
//     for anything else.
//  2. No password stands in a message.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>

#include "core/partition/remote_address.h"
#include "core/remote/reply_reader.h"

namespace zkdb {

// A database on a server.
struct RemotePlace {
  ServerAddress address;
  TlsFiles tls;  // when the address has TLS
  Login login;
  std::string database;  // name or number; empty: the server's first
  uint64_t connect_timeout_ms = 2000;
  uint64_t reply_timeout_ms = 10000;
};

// Appends a command in RESP.
class CommandWriter {
 public:
  explicit CommandWriter(std::string* out) : out_(out) {}
  void Start(size_t arguments) { Line('*', arguments); }
  void Add(Slice argument) {
    Line('$', argument.size);
    out_->append(reinterpret_cast<const char*>(argument.data), argument.size);
    out_->append("\r\n");
  }

 private:
  void Line(char type, size_t number) {
    out_->push_back(type);
    out_->append(std::to_string(number));
    out_->append("\r\n");
  }
  std::string* out_;
};

// Appends a command of a few arguments.
void WriteCommand(std::initializer_list<Slice> arguments, std::string* out);

// The Status of an error reply: a code of zkdb stays what it is.
Status StatusOfErrorReply(const std::string& text);

class Connection {
 public:
  // ZKDB_UNREACHABLE, ZKDB_TIMEOUT, ZKDB_PROTOCOL; ZKDB_AUTH for a login that is refused, ZKDB_CONFIG for a database
  // that is not there.
  static Status Open(Transport* transport, const RemotePlace& place, std::unique_ptr<Connection>* out);

  // Sends `commands` commands, of which each is answered once. *handed_over: the last byte was given to the system, so
  // the server may carry them out whatever happens next. When that failed, an answer that says why may lie here.
  Status Send(Slice bytes, uint32_t commands, bool* handed_over);
  // Sends one command whose answer nobody wants: it is passed over before the next one is read. REQUIRES: owed() == 0.
  Status SendUnanswered(Slice command);
  // Begins to read the next answer. Error replies give their Status, and the connection goes on.
  Status ReadAnswer(ReplyHead* out);
  ReplyReader* reader() { return &reader_; }

  // Its answers are not understood: it is of no more use.
  void Abandon() { sound_ = false; }

  // Answers that are wanted and were not begun.
  uint32_t owed() const { return owed_; }
  // Whether it is in step with its server, as far as is known.
  bool IsSound() const { return sound_ && reader_.failed().ok(); }
  // Whether it can be kept for later. Passes over answers that have come and that nobody wants.
  bool IsAtRest();

 private:
  Connection(Transport* transport, const RemotePlace& place, std::unique_ptr<Socket> socket);
  // Tells the relay for TLS where to connect to, and waits until the keys are agreed on.
  Status AskRelay(const RemotePlace& place);
  Status LogIn(const RemotePlace& place);
  // Until the connection is open: the answer has to come before `open_until_ms_`.
  Status Ask(const std::string& command);
  Status PassOver();

  Transport* transport_;
  uint64_t timeout_ms_;
  uint64_t open_until_ms_ = 0;
  std::unique_ptr<Socket> socket_;
  ReplyReader reader_;
  uint32_t owed_ = 0;
  uint32_t unwanted_ = 0;  // answers that come before those
  bool sound_ = true;      // nothing was sent in part
};

}  // namespace zkdb
