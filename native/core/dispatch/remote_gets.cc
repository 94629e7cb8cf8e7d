#include "core/dispatch/remote_gets.h"

#include <utility>

namespace zkdb {
namespace {

constexpr size_t kWindow = size_t{20} << 10;  // bytes of commands that are sent before an answer is read

}  // namespace

Status NoAnswerOf(const char* command, Connection* connection) {
  connection->Abandon();
  return {ZKDB_PROTOCOL, std::string("the answer is none of ") + command + ": is it a zkdb server?"};
}

zkdb_code TakeValue(Connection* connection, const ReplyHead& head, uint8_t* buffer, size_t capacity, size_t* size,
                    Status* status) {
  if (head.kind == ReplyKind::kNull) return ZKDB_NOT_FOUND;
  if (head.kind == ReplyKind::kError) return *status = StatusOfErrorReply(head.text), status->code();
  if (head.kind != ReplyKind::kString) return *status = NoAnswerOf("GET", connection), status->code();
  *size = static_cast<size_t>(head.size);
  const bool fits = head.size <= capacity;
  *status = fits ? connection->reader()->ReadString(head.size, buffer) : connection->reader()->Skip(head);
  if (!status->ok()) return status->code();
  return fits ? ZKDB_OK : ZKDB_BUFFER_TOO_SMALL;
}

Status ReadOnlyValue(Connection* connection, ReplyHead* head) {
  if (head->kind != ReplyKind::kArray || head->size != 1) return NoAnswerOf("ZK.GET", connection);
  return connection->reader()->ReadHead(head);
}

RemoteGets::RemoteGets(RemoteStore* store, RemotePin* pin, std::vector<Slice> keys)
    : store_(store), pin_(pin), keys_(std::move(keys)) {
  // What goes wrong is told by Next, which asks again where that is possible.
  if (pin_ != nullptr) {
    held_ = pin_->Take(&hold_);
    if (held_.ok()) at_ = hold_.connection(), began_ = Send();
  } else if (!Ask(false).ok()) {
    Drop();
  }
}

RemoteGets::~RemoteGets() { store_->pool()->Give(std::move(connection_)); }

zkdb_code RemoteGets::Next(uint8_t* buffer, size_t capacity, size_t* size, Status* status) {
  ReplyHead head;
  zkdb_code code = ZKDB_OK;
  *status = pin_ == nullptr ? Answer(&head) : PinnedAnswer(&head);
  if (status->ok()) code = TakeValue(at_, head, buffer, capacity, size, status);
  if (status->ok()) {
    ++answered_;
    return code;
  }
  if (pin_ != nullptr && held_.ok()) *status = hold_.Judge(*status);
  Drop();
  *status = store_->Named(*status);
  return status->code();
}

void RemoteGets::Drop() { store_->pool()->Discard(std::exchange(connection_, nullptr)); }

// Reads the head of the next answer, asking first when nothing is under way, and once more when that was lost.
Status RemoteGets::Answer(ReplyHead* head) {
  Status status = connection_ == nullptr ? Ask(false) : Send();
  if (status.ok()) status = connection_->ReadAnswer(head);
  if (status.code() != ZKDB_UNREACHABLE || connection_ == nullptr || asked_again_) return status;
  asked_again_ = true;
  ZKDB_RETURN_IF_ERROR(Ask(true));
  return connection_->ReadAnswer(head);
}

Status RemoteGets::PinnedAnswer(ReplyHead* head) {
  ZKDB_RETURN_IF_ERROR(held_);
  ZKDB_RETURN_IF_ERROR(began_);
  ZKDB_RETURN_IF_ERROR(Send());
  ZKDB_RETURN_IF_ERROR(at_->ReadAnswer(head));
  return ReadOnlyValue(at_, head);
}

Status RemoteGets::Ask(bool only_fresh) {
  bool fresh = false;
  Drop();
  ZKDB_RETURN_IF_ERROR(store_->pool()->Take(only_fresh, &connection_, &fresh));
  at_ = connection_.get();
  sent_ = answered_;
  return Send();
}

void RemoteGets::WriteGet(Slice key, std::string* out) const {
  pin_ == nullptr ? WriteCommand({"GET", key}, out) : WriteCommand({"ZK.GET", hold_.snapshot(), key}, out);
}

// Fills the window when half of it is answered.
Status RemoteGets::Send() {
  if (sent_ == keys_.size() || at_->owed() > window_keys_ / 2) return Status::Ok();
  std::string commands;
  uint32_t count = 0;
  for (; sent_ < keys_.size() && (count == 0 || commands.size() + keys_[sent_].size < kWindow); ++sent_, ++count) {
    WriteGet(keys_[sent_], &commands);
  }
  window_keys_ = count;
  bool handed_over = false;
  return at_->Send(commands, count, &handed_over);
}

}  // namespace zkdb
