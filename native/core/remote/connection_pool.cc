#include "core/remote/connection_pool.h"

#include <algorithm>
#include <new>

namespace zkdb {

bool ConnectionPool::TakeAtRest(std::unique_ptr<Connection>* out) {
  for (;;) {
    std::unique_ptr<Connection> connection;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (at_rest_.empty()) return false;
      connection = std::move(at_rest_.back());
      at_rest_.pop_back();
    }
    if (!connection->IsAtRest()) continue;
    *out = std::move(connection);
    return true;
  }
}

// Whether a server that was down is to be tried by this thread, now.
Status ConnectionPool::MayTry() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failures_ == 0) return Status::Ok();
  const uint64_t now = transport_->MonotonicMs();
  if (!trying_ && now >= retry_at_ms_) {
    trying_ = true;
    return Status::Ok();
  }
  const std::string when =
      trying_ ? "it is being tried" : "it is tried again in " + std::to_string(retry_at_ms_ - now) + " ms";
  return {last_failure_.code(), last_failure_.message() + "; " + when};
}

// The longer an attempt took, the less often one is worth it: callers wait for it.
void ConnectionPool::NoteFailure(const Status& status, uint64_t took_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t whole = std::min(kMostDelayMs, kLeastDelayMs << std::min(failures_, 10u));
  const uint64_t delay = whole / 2 + transport_->Random(whole / 2 + 1);
  ++failures_;
  trying_ = false;
  retry_at_ms_ = transport_->MonotonicMs() + std::max(delay, std::min(took_ms, kMostPauseMs));
  last_failure_ = status.code() == ZKDB_TIMEOUT ? Status(ZKDB_UNREACHABLE, status.message()) : status;
  at_rest_.clear();
}

Status ConnectionPool::Take(bool only_fresh, std::unique_ptr<Connection>* out, bool* fresh) {
  *fresh = false;
  if (!only_fresh && TakeAtRest(out)) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(MayTry());
  const uint64_t began_ms = transport_->MonotonicMs();
  Status status;
  try {
    status = Connection::Open(transport_, place_, out);
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
  }
  if (!status.ok()) {
    NoteFailure(status, transport_->MonotonicMs() - began_ms);
    return status.code() == ZKDB_TIMEOUT ? Status(ZKDB_UNREACHABLE, status.message()) : status;
  }
  *fresh = true;
  const std::lock_guard<std::mutex> lock(mutex_);
  failures_ = 0;
  trying_ = false;
  return Status::Ok();
}

Status ConnectionPool::StartPinned() {
  if (pinned_.fetch_add(1, std::memory_order_relaxed) < kMaxPinned) return Status::Ok();
  EndPinned();
  return {ZKDB_UNREACHABLE, std::to_string(kMaxPinned) +
                                " snapshots and scans have a connection to the server already, as many as may; close "
                                "those that are done"};
}

void ConnectionPool::Discard(std::unique_ptr<Connection> connection) {
  if (connection != nullptr) connection->Abandon();
  Give(std::move(connection));
}

void ConnectionPool::Give(std::unique_ptr<Connection> connection) {
  if (connection == nullptr) return;
  const Status& failed = connection->reader()->failed();
  if (failed.code() == ZKDB_TIMEOUT) NoteFailure(failed, place_.reply_timeout_ms);
  if (!connection->IsAtRest()) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (at_rest_.size() < kMaxAtRest) at_rest_.push_back(std::move(connection));
}

}  // namespace zkdb
