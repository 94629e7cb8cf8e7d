#include "core/remote/connection.h"

namespace zkdb {
namespace {

std::string FirstWord(const std::string& text) { return text.substr(0, text.find(' ')); }

}  // namespace

void WriteCommand(std::initializer_list<Slice> arguments, std::string* out) {
  CommandWriter writer(out);
  writer.Start(arguments.size());
  for (const Slice argument : arguments) writer.Add(argument);
}

Status StatusOfErrorReply(const std::string& text) {
  const std::string word = FirstWord(text);
  if (word.starts_with("ZKDB_")) {
    for (int code = ZKDB_INVALID; code <= ZKDB_SERVER; ++code) {
      if (word != zkdb_code_name(static_cast<zkdb_code>(code))) continue;
      return {static_cast<zkdb_code>(code), text.size() > word.size() ? text.substr(word.size() + 1) : text};
    }
  }
  const bool login = word == "NOAUTH" || word == "NOPERM" || word == "WRONGPASS";
  return {login ? ZKDB_AUTH : ZKDB_SERVER, text};
}

Connection::Connection(Transport* transport, const RemotePlace& place, std::unique_ptr<Socket> socket)
    : transport_(transport),
      timeout_ms_(place.connect_timeout_ms),
      socket_(std::move(socket)),
      reader_(transport, socket_.get(), place.connect_timeout_ms) {}

Status Connection::Open(Transport* transport, const RemotePlace& place, std::unique_ptr<Connection>* out) {
  std::unique_ptr<Socket> socket;
  const uint64_t deadline_ms = transport->MonotonicMs() + place.connect_timeout_ms;
  ZKDB_RETURN_IF_ERROR(transport->Connect(place.address, deadline_ms, &socket));
  std::unique_ptr<Connection> connection(new Connection(transport, place, std::move(socket)));
  connection->open_until_ms_ = deadline_ms;
  if (place.address.tls) ZKDB_RETURN_IF_ERROR(connection->AskRelay(place));
  ZKDB_RETURN_IF_ERROR(connection->LogIn(place));
  connection->timeout_ms_ = place.reply_timeout_ms;
  connection->reader_.SetTimeout(place.reply_timeout_ms);
  *out = std::move(connection);
  return Status::Ok();
}

Status Connection::Ask(const std::string& command) {
  bool handed_over = false;
  ReplyHead head;
  const uint64_t now = transport_->MonotonicMs();
  timeout_ms_ = now < open_until_ms_ ? open_until_ms_ - now : 0;
  reader_.SetTimeout(timeout_ms_);
  ZKDB_RETURN_IF_ERROR(Send(command, 1, &handed_over));
  ZKDB_RETURN_IF_ERROR(ReadAnswer(&head));
  return reader_.Skip(head);
}

Status Connection::AskRelay(const RemotePlace& place) {
  std::string text;
  CommandWriter command(&text);
  command.Start(7);
  for (const std::string& argument :
       {std::string("TLS"), place.address.host, std::to_string(place.address.port), place.tls.server_name,
        place.tls.authority, place.tls.certificate, place.tls.key}) {
    command.Add(argument);
  }
  Status status = Ask(text);
  if (status.ok() || reader_.failed().ok()) return status;
  if (status.code() != ZKDB_TIMEOUT) return {ZKDB_UNREACHABLE, "the relay for TLS has ended; open the database again"};
  return {ZKDB_UNREACHABLE, "no TLS within ConnectTimeout, " + std::to_string(place.connect_timeout_ms) + " ms"};
}

Status Connection::LogIn(const RemotePlace& place) {
  const bool known = !place.login.user.empty();
  std::string hello;
  CommandWriter command(&hello);
  command.Start(known ? 5 : 2);
  command.Add("HELLO");
  command.Add("3");
  if (known) {
    command.Add("AUTH");
    command.Add(place.login.user);
    command.Add(place.login.password);
  }
  Status status = Ask(hello);
  // What a server says about a login may repeat the login: its first word tells enough.
  if (status.code() == ZKDB_AUTH) {
    return {ZKDB_AUTH, known ? "the server refuses the login (" + FirstWord(status.message()) + "); check AuthKey"
                             : "the server asks for a login; give AuthKey"};
  }
  if (status.code() == ZKDB_SERVER) {
    return {ZKDB_UNREACHABLE, "the server refuses the connection (" + FirstWord(status.message()) + ")"};
  }
  if (!status.ok() || place.database.empty()) return status;
  std::string select;
  CommandWriter selection(&select);
  selection.Start(2);
  selection.Add("SELECT");
  selection.Add(place.database);
  status = Ask(select);
  if (status.code() != ZKDB_SERVER) return status;
  return Status::Config("the server has no database '" + place.database + "': " + status.message());
}

Status Connection::Send(Slice bytes, uint32_t commands, bool* handed_over) {
  *handed_over = false;
  owed_ += commands;
  uint64_t deadline_ms = transport_->MonotonicMs() + timeout_ms_;
  size_t since = 0;
  sound_ = false;
  for (size_t at = 0; at < bytes.size;) {
    size_t sent = 0;
    ZKDB_RETURN_IF_ERROR(socket_->Send(bytes.Sub(at), deadline_ms, &sent));
    at += sent;
    since += sent;
    if (since < ReplyReader::kProgress) continue;
    deadline_ms = transport_->MonotonicMs() + timeout_ms_;
    since = 0;
  }
  sound_ = true;
  *handed_over = true;
  return Status::Ok();
}

Status Connection::SendUnanswered(Slice command) {
  bool handed_over = false;
  const Status status = Send(command, 1, &handed_over);
  --owed_;
  if (status.ok()) ++unwanted_;
  return status;
}

// Reads the next answer that nobody wants.
Status Connection::PassOver() {
  ReplyHead head;
  reader_.StartAnswer();
  ZKDB_RETURN_IF_ERROR(reader_.ReadHead(&head));
  --unwanted_;
  return reader_.Skip(head);
}

bool Connection::IsAtRest() {
  if (owed_ != 0 || !IsSound()) return false;
  // What has come of an answer is soon followed by the rest. One that has not come yet is passed over later.
  while (unwanted_ > 0 && !(reader_.empty() && socket_->IsQuiet())) {
    if (!PassOver().ok()) return false;
  }
  return reader_.empty() && socket_->IsQuiet();
}

Status Connection::ReadAnswer(ReplyHead* out) {
  while (unwanted_ > 0) ZKDB_RETURN_IF_ERROR(PassOver());
  reader_.StartAnswer();
  ZKDB_RETURN_IF_ERROR(reader_.ReadHead(out));
  if (owed_ > 0) --owed_;
  return out->kind == ReplyKind::kError ? StatusOfErrorReply(out->text) : Status::Ok();
}

}  // namespace zkdb
