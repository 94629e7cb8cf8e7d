#include "core/dispatch/remote_pin.h"

#include <utility>

namespace zkdb {

// The server is told without waiting for it, so that the connection is soon of use for others.
RemotePin::~RemotePin() {
  if (connection_ == nullptr) return;
  bool told = false;
  if (due_ == nullptr && has_snapshot() && connection_->IsSound()) {
    std::string command;
    WriteCommand({"ZK.SNAPSHOT", "CLOSE", id_}, &command);
    told = connection_->SendUnanswered(command).ok();
  }
  Disconnect(!told);
}

// REQUIRES of all below that are private: the lock.
Status RemotePin::Connect(bool only_fresh) {
  Disconnect(true);
  ZKDB_RETURN_IF_ERROR(pool_->StartPinned());
  const Status status = pool_->Take(only_fresh, &connection_, &fresh_);
  if (!status.ok()) pool_->EndPinned();
  return status;
}

void RemotePin::Disconnect(bool discard) {
  if (connection_ == nullptr) return;
  due_ = nullptr;
  discard ? pool_->Discard(std::exchange(connection_, nullptr)) : pool_->Give(std::exchange(connection_, nullptr));
  pool_->EndPinned();
}

// ---- opening

Status RemotePin::AskToOpen(bool only_fresh) {
  ZKDB_RETURN_IF_ERROR(Connect(only_fresh));
  std::string command;
  WriteCommand({"ZK.SNAPSHOT", "OPEN"}, &command);
  bool handed_over = false;
  return connection_->Send(command, 1, &handed_over);
}

Status RemotePin::ReadOpened() {
  ReplyHead head;
  ZKDB_RETURN_IF_ERROR(connection_->ReadAnswer(&head));
  if (head.kind != ReplyKind::kInteger || head.integer <= 0) {
    return {ZKDB_PROTOCOL, "the answer is none of ZK.SNAPSHOT: is it a zkdb server?"};
  }
  id_ = std::to_string(head.integer);
  used_ms_ = pool_->transport()->MonotonicMs();
  return Status::Ok();
}

void RemotePin::Start() {
  const std::lock_guard<std::mutex> lock(mutex_);
  opened_by_itself_ = true;
  failure_ = AskToOpen(false);
}

void RemotePin::Wait() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failure_.ok()) failure_ = ReadOpened();
  if (failure_.code() == ZKDB_UNREACHABLE && connection_ != nullptr && !fresh_) {
    failure_ = AskToOpen(true);
    if (failure_.ok()) failure_ = ReadOpened();
  }
  if (failure_.ok()) return;
  Disconnect(true);
  failure_ = {failure_.code(), "the snapshot could not be opened: " + failure_.message()};
}

// ---- using it

bool RemotePin::EndsWith(const Status& status) {
  if (status.ok() || !failure_.ok()) return false;
  if (connection_->IsSound()) {
    if (status.code() == ZKDB_SNAPSHOT_EXPIRED) failure_ = status;
    return false;
  }
  failure_ = {ZKDB_SNAPSHOT_EXPIRED,
              "the snapshot ended with its connection (" + status.message() + "); open another one"};
  Disconnect(true);
  return true;
}

Status RemotePin::Judge(const Status& status) {
  return EndsWith(status) && status.code() == ZKDB_UNREACHABLE ? failure_ : status;
}

Status RemotePin::Take(Hold* hold) {
  hold->lock_ = std::unique_lock<std::mutex>(mutex_);
  Settle();
  if (!failure_.ok()) return failure_;
  used_ms_ = pool_->transport()->MonotonicMs();
  hold->pin_ = this;
  return Status::Ok();
}

void RemotePin::Release() {
  while (failure_.ok() && connection_->owed() > 0) {
    ReplyHead head;
    Status status = connection_->ReadAnswer(&head);
    if (status.ok()) status = connection_->reader()->Skip(head);
    EndsWith(status);  // the next read tells it
  }
}

void RemotePin::KeepAlive(uint64_t now_ms) {
  const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || !has_snapshot() || !failure_.ok() || now_ms < used_ms_ + kTouchMs) return;
  Settle();
  if (!failure_.ok()) return;
  std::string command;
  WriteCommand({"ZK.SNAPSHOT", "TOUCH", id_}, &command);
  used_ms_ = now_ms;
  EndsWith(connection_->SendUnanswered(command));  // the next read tells it
}

// ---- ranges

Status RemotePin::Send(Asker* asker, bool only_fresh) {
  if (!failure_.ok()) return failure_;
  if (!has_snapshot()) ZKDB_RETURN_IF_ERROR(Connect(only_fresh));
  std::string command;
  asker->WriteRange(id_, &command);
  bool handed_over = false;
  const Status status = connection_->Send(command, 1, &handed_over);
  used_ms_ = pool_->transport()->MonotonicMs();
  if (status.ok()) due_ = asker;
  return has_snapshot() ? Judge(status) : status;
}

Status RemotePin::Read(Asker* asker) {
  due_ = nullptr;
  uint64_t snapshot = 0;
  const Status status = asker->ReadRange(connection_.get(), &snapshot);
  if (has_snapshot()) return Judge(status);
  if (!status.ok()) return status;
  if (snapshot != 0) id_ = std::to_string(snapshot);
  if (snapshot == 0) Disconnect(false);
  return Status::Ok();
}

void RemotePin::Settle() {
  if (due_ == nullptr) return;
  Asker* const asker = due_;
  asker->status_ = Read(asker);
  if (!asker->status_.ok() && !has_snapshot()) Disconnect(true);
  asker->answered_ = true;
}

void RemotePin::Ask(Asker* asker) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (due_ == asker || asker->answered_) return;
  Settle();
  static_cast<void>(Send(asker, false).ok());
}

void RemotePin::Await(Asker* asker) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (asker->answered_) return;
  const bool ahead = due_ == asker;
  const bool pins = !has_snapshot();
  if (!ahead) Settle();
  Status status = ahead ? Status::Ok() : Send(asker, false);
  if (status.ok()) status = Read(asker);
  if (status.code() == ZKDB_UNREACHABLE && pins && connection_ != nullptr && (ahead || !fresh_)) {
    status = Send(asker, true);
    if (status.ok()) status = Read(asker);
  }
  if (!status.ok() && !has_snapshot()) Disconnect(true);
  asker->status_ = std::move(status);
  asker->answered_ = true;
}

Status RemotePin::Answer(Asker* asker) {
  Await(asker);
  asker->answered_ = false;
  return std::exchange(asker->status_, Status::Ok());
}

// A snapshot that nobody else reads goes with its connection: then what is left of an answer is not read.
void RemotePin::Forget(Asker* asker, bool last) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (due_ == asker && last && !opened_by_itself_) Disconnect(true);
  if (due_ == asker) Settle();
  asker->answered_ = false;
}

}  // namespace zkdb
