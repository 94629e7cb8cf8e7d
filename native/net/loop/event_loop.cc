#include "net/loop/event_loop.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <new>
#include <utility>

#include "net/write_group.h"

namespace zkdb::net {

namespace {

EventLoop* Owner(const void* handle) { return static_cast<EventLoop*>(static_cast<const uv_handle_t*>(handle)->data); }

// Signals are Node's.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

void NameThread(const std::string& name) {
#ifdef __linux__
  pthread_setname_np(pthread_self(), name.c_str());
#else
  static_cast<void>(name);
#endif
}

}  // namespace

EventLoop::~EventLoop() {
  // A loop that never ran has its handles still.
  for (void* handle : {static_cast<void*>(&wake_), static_cast<void*>(&after_poll_), static_cast<void*>(&busy_),
                       static_cast<void*>(&sweep_), static_cast<void*>(&deadline_)}) {
    auto* base = static_cast<uv_handle_t*>(handle);
    if (base->type != UV_UNKNOWN_HANDLE && uv_is_closing(base) == 0) uv_close(base, nullptr);
  }
  if (chunk_ == nullptr) return;
  uv_run(&uv_, UV_RUN_DEFAULT);
  uv_loop_close(&uv_);
}

bool EventLoop::Init() {
  if (uv_loop_init(&uv_) != 0) return false;
  chunk_ = std::make_unique_for_overwrite<uint8_t[]>(kChunk);
  if (uv_async_init(&uv_, &wake_, [](uv_async_t* handle) { Owner(handle)->RunTasks(); }) != 0) return false;
  uv_check_init(&uv_, &after_poll_);
  uv_idle_init(&uv_, &busy_);
  uv_timer_init(&uv_, &sweep_);
  uv_timer_init(&uv_, &deadline_);
  wake_.data = after_poll_.data = busy_.data = sweep_.data = deadline_.data = this;
  uv_check_start(&after_poll_, [](uv_check_t* handle) { Owner(handle)->AfterPoll(); });
  uv_timer_start(
      &sweep_, [](uv_timer_t* handle) { Owner(handle)->Sweep(); }, kSweep_ms, kSweep_ms);
  return true;
}

void EventLoop::Run(const std::string& name) {
  thread_ = std::thread([this, name] {
    BlockSignals();
    NameThread(name);
    uv_run(&uv_, UV_RUN_DEFAULT);
  });
}

// ---- from other threads

void EventLoop::Post(std::function<void()> task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  uv_async_send(&wake_);
}

void EventLoop::RunTasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

void EventLoop::Adopt(Accepted accepted) {
  load_.fetch_add(1, std::memory_order_relaxed);
  Post([this, accepted = std::move(accepted)] { Connect(accepted); });
}

Connection* EventLoop::Find(uint64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void EventLoop::Wake() {
  Post([this] { DeliverMail(); });
}

void EventLoop::DeliverMail() {
  bool lost = false;
  std::vector<Connection*> told;
  for (const Mail& mail : Take(&lost)) {
    Connection* const connection = Find(mail.client);
    if (connection != nullptr && connection->Deliver(mail)) told.push_back(connection);
  }
  // A connection that is closed stays until the loop has let go of it.
  for (Connection* connection : told) connection->SendMessages();
  if (!lost) return;
  const std::vector<Connection*> all = connections_;
  for (Connection* connection : all) connection->DropSubscriber();
}

void EventLoop::Kill(uint64_t id) {
  Post([this, id] {
    if (Connection* const connection = Find(id)) connection->Close();
  });
}

void EventLoop::FinishLogin(uint64_t id, LoginVerdict verdict, std::shared_ptr<const Rights> rights) {
  Post([this, id, verdict, rights = std::move(rights)] {
    if (Connection* const connection = Find(id)) connection->FinishLogin(verdict, rights);
  });
}

void EventLoop::ChangeRights(std::string user, std::shared_ptr<const Rights> rights) {
  Post([this, user = std::move(user), rights = std::move(rights)] {
    for (Connection* connection : All()) connection->ChangeRights(user, rights);
  });
}

void EventLoop::CloseUnlisted() {
  Post([this] {
    for (Connection* connection : All()) {
      if (!shared_->admission.Lists(connection->host())) connection->Close();
    }
  });
}

// ---- connections

// A copy: who is closed leaves the list. None is deleted before the turn is over.
std::vector<Connection*> EventLoop::All() const { return connections_; }

void EventLoop::Connect(Accepted accepted) {
  const int fd = accepted.fd;
  const std::string host = accepted.host;
  const bool relayed = accepted.relayed_as != 0;
  const uint64_t id = relayed ? accepted.relayed_as : shared_->registry->NextId();
  try {
    if (!stopping_ && AddConnection(id, std::move(accepted))) return;
  } catch (const std::bad_alloc&) {
    // There is no room for the connection: it is closed as if it had never been taken.
  }
  load_.fetch_sub(1, std::memory_order_relaxed);
  shared_->registry->Remove(id);
  relayed ? shared_->owner->Gone(id) : shared_->admission.Leave(host);
  close(fd);
}

bool EventLoop::AddConnection(uint64_t id, Accepted accepted) {
  ClientInfo info;
  info.id = id;
  info.address = accepted.address;
  info.local_address = accepted.local_address;
  info.connected_us = info.active_us = now_us();
  if (accepted.rights != nullptr) info.user = accepted.user;
  if (connections_.size() == connections_.capacity()) connections_.reserve(connections_.size() * 2 + 64);
  auto connection = std::make_unique<Connection>(this, std::move(accepted), std::move(info));
  by_id_.emplace(id, connection.get());
  if (!connection->Start()) {
    by_id_.erase(id);
    return false;
  }
  connection->place = connections_.size();
  connections_.push_back(connection.release());  // it deletes itself when it is closed
  return true;
}

void EventLoop::Remove(Connection* connection) {
  connections_.back()->place = connection->place;
  connections_[connection->place] = connections_.back();
  connections_.pop_back();
  by_id_.erase(connection->id());
  load_.fetch_sub(1, std::memory_order_relaxed);
  shared_->registry->Remove(connection->id());
  if (!connection->relayed()) shared_->admission.Leave(connection->host());
  if (connection->relayed() || connection->waits_for_login()) shared_->owner->Gone(connection->id());
  if (stopping_ && connections_.empty()) FinishStop();
}

void EventLoop::AddReady(Connection* connection) {
  ready_.push_back(connection);
  // Keeps the loop from waiting for sockets.
  uv_idle_start(&busy_, [](uv_idle_t*) {});
}

void EventLoop::AfterPoll() {
  EndTurn();
  if (ready_.empty()) return;
  turn_.swap(ready_);
  for (Connection* connection : turn_) connection->Resume();
  turn_.clear();
  EndTurn();
  if (ready_.empty()) uv_idle_stop(&busy_);
}

void EventLoop::EndTurn() {
  if (pending_.empty()) return;
  for (Connection* connection : pending_) {
    if (connection->session()->pending()) sessions_.push_back(connection->session());
  }
  if (sessions_.size() > 1) counters_.shared_writes.Add(1);
  WriteTogether(&sessions_);
  sessions_.clear();
  // Sending makes no new writes: the rest of a pipeline has its turn in AfterPoll.
  for (Connection* connection : pending_) connection->EndTurn();
  pending_.clear();
}

void EventLoop::Sweep() {
  const size_t count = std::min(connections_.size(), connections_.size() / kSweepParts + 1);
  // From behind: what is closed has its place taken by one that was looked at already, or by itself.
  for (size_t i = 0; i < count && !connections_.empty(); ++i) {
    swept_ = swept_ == 0 || swept_ > connections_.size() ? connections_.size() - 1 : swept_ - 1;
    connections_[swept_]->Sweep(now_ms());
  }
}

// ---- the end

void EventLoop::Stop(uint64_t deadline_ms, std::function<void()> drained) {
  stopping_ = true;
  drained_ = std::move(drained);
  if (connections_.empty()) return FinishStop();
  const auto drop_all = [](uv_timer_t* handle) {
    EventLoop* const self = Owner(handle);
    while (!self->connections_.empty()) self->connections_.back()->Close();
  };
  uv_timer_start(&deadline_, drop_all, deadline_ms, 0);
  for (Connection* connection : All()) connection->Stop();
}

void EventLoop::FinishStop() {
  uv_timer_stop(&deadline_);
  if (drained_) std::exchange(drained_, nullptr)();
}

void EventLoop::Quit() {
  const auto end = [](auto* handle) { uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr); };
  end(&wake_);
  end(&after_poll_);
  end(&busy_);
  end(&sweep_);
  end(&deadline_);
}

EventLoop* LeastLoaded(const std::vector<std::unique_ptr<EventLoop>>& loops) {
  return std::min_element(loops.begin(), loops.end(),
                          [](const auto& a, const auto& b) { return a->load() < b->load(); })
      ->get();
}

}  // namespace zkdb::net
