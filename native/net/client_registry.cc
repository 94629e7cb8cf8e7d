#include "net/client_registry.h"

namespace zkdb::net {

std::atomic<uint64_t>* ClientRegistry::Add(const ClientInfo& info) {
  auto entry = std::make_unique<Entry>();
  entry->info = info;
  entry->active_us.store(info.active_us, std::memory_order_relaxed);
  std::atomic<uint64_t>* const active_us = &entry->active_us;
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_[info.id] = std::move(entry);
  return active_us;
}

void ClientRegistry::Change(const ClientInfo& info) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(info.id);
  if (found != entries_.end()) found->second->info = info;
}

void ClientRegistry::Remove(uint64_t id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  entries_.erase(id);
}

std::vector<ClientInfo> ClientRegistry::List() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ClientInfo> list;
  list.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) {
    list.push_back(entry->info);
    list.back().active_us = entry->active_us.load(std::memory_order_relaxed);
  }
  return list;
}

std::vector<uint64_t> ClientRegistry::Find(const ClientFilter& filter) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<uint64_t> ids;
  for (const auto& [id, entry] : entries_) {
    if (Matches(filter, entry->info)) ids.push_back(id);
  }
  return ids;
}

}  // namespace zkdb::net
