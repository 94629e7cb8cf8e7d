// MULTI and WATCH: the queue of commands, watched values, and EXEC over one transaction of zkdb.h.
#include "net/session.h"

namespace zkdb::net {

namespace {

constexpr size_t kArgumentCost = 16;  // bytes that an argument of the queue counts for besides its own
constexpr size_t kWatchedCost = 128;  // as kArgumentCost, for a watched key

}  // namespace

void Session::StartMulti() {
  multi_ = true;
  multi_aborted_ = false;
  EditInfo()->queued = 0;
}

void Session::EndMulti() {
  Unwatch();
  messages_.clear();
  if (!multi_) return;
  multi_ = false;
  std::string().swap(queue_);
  std::vector<uint32_t>().swap(queue_sizes_);
  EditInfo()->queued = -1;
}

void Session::Queue(Arguments args) {
  size_t cost = queue_.size() + (queue_sizes_.size() + args.size()) * kArgumentCost;
  for (const Slice& arg : args) cost += arg.size;
  if (cost > limits_.max_queue) {
    multi_aborted_ = true;
    reply_.Error("ERR the commands behind MULTI have more than " + std::to_string(limits_.max_queue) +
                 " bytes; use several transactions");
    return;
  }
  queue_sizes_.push_back(static_cast<uint32_t>(args.size()));
  for (const Slice& arg : args) {
    queue_.append(reinterpret_cast<const char*>(arg.data), arg.size);
    queue_sizes_.push_back(static_cast<uint32_t>(arg.size));
  }
  ++EditInfo()->queued;
  reply_.Simple("QUEUED");
}

void Session::RunQueue() {
  reply_.Array(static_cast<size_t>(info_.queued));
  std::vector<Slice> args;
  size_t byte = 0;
  for (size_t i = 0; i < queue_sizes_.size() && !output_.overflowed();) {
    args.clear();
    for (uint32_t n = queue_sizes_[i++]; n > 0; --n) {
      args.emplace_back(queue_.data() + byte, queue_sizes_[i]);
      byte += queue_sizes_[i++];
    }
    const Command& command = *FindCommand(args[0]);
    if (Permit(command, args)) command.handler(this, args);
  }
}

void Session::ExecuteQueue() {
  if (multi_aborted_) {
    EndMulti();
    return reply_.Error("EXECABORT Transaction discarded because of previous errors.");
  }
  zkdb_error error{};
  zkdb_txn* begun = nullptr;
  if (zkdb_txn_begin(store_.db, &begun, &error) != ZKDB_OK) {
    EndMulti();
    return reply_.Error(std::string("EXECABORT Transaction discarded: ") + error.message);
  }
  TransactionHandle txn(begun);
  bool unchanged = false;
  if (!CompareWatched(txn.get(), &unchanged)) return EndMulti();
  if (!unchanged) {
    EndMulti();
    return reply_.NullArray();
  }
  const size_t mark = output_.size();
  messages_.clear();
  store_.txn = txn.get();
  RunQueue();
  store_.txn = nullptr;
  if (output_.overflowed()) return;  // the queue stays: EXEC may come again
  zkdb_write_result result{};
  if (zkdb_txn_commit(txn.release(), ZKDB_DURABILITY_DEFAULT, &result, &error) != ZKDB_OK) {
    output_.Truncate(mark);
    Fail(error);
  } else {
    SendMessages();
  }
  EndMulti();
}

// ---- WATCH

bool Session::WatchKey(Slice key) {
  if (!KeyFits(key)) return false;
  Watched watched{store_.db, key.ToString(), {}, false};
  const zkdb_code code = ReadValue(key, &watched.value);
  if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return false;
  watched.there = code == ZKDB_OK;
  if (!watched.there) watched.value.clear();
  watched.value.shrink_to_fit();
  const size_t cost = kWatchedCost + key.size + watched.value.size();
  if (watched_bytes_ + cost > limits_.max_watched) {
    reply_.Error("ERR watched keys and their values have more than " + std::to_string(limits_.max_watched) + " bytes");
    return false;
  }
  watched_bytes_ += cost;
  watched_.push_back(std::move(watched));
  EditInfo()->watched = watched_.size();
  return true;
}

void Session::Unwatch() {
  watch_lost_ = false;
  if (watched_.empty()) return;
  std::vector<Watched>().swap(watched_);
  watched_bytes_ = 0;
  EditInfo()->watched = 0;
}

bool Session::CompareWatched(zkdb_txn* txn, bool* unchanged) {
  *unchanged = !watch_lost_;
  if (watch_lost_) return true;
  std::string value;
  const Store selected = store_;
  for (const Watched& watched : watched_) {
    store_ = {watched.db, watched.db == selected.db ? txn : nullptr};
    const zkdb_code code = ReadValue(watched.key, &value);
    store_ = selected;
    if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return false;
    const bool there = code == ZKDB_OK;
    if (there != watched.there || (there && value != watched.value)) *unchanged = false;
  }
  return true;
}

}  // namespace zkdb::net
