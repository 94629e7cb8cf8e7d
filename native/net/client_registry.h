// The clients of all threads of a server, for CLIENT LIST and CLIENT KILL.
//
// Thread-safety: all functions may be called by any thread.
//
// Invariants:
//  1. An id is given once.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "net/host.h"

namespace zkdb::net {

class ClientRegistry {
 public:
  uint64_t NextId() { return next_id_.fetch_add(1, std::memory_order_relaxed); }

  // Where the owner of the connection stores the time of its last command, until Remove.
  std::atomic<uint64_t>* Add(const ClientInfo& info);
  void Change(const ClientInfo& info);
  void Remove(uint64_t id);

  std::vector<ClientInfo> List() const;  // by id
  std::vector<uint64_t> Find(const ClientFilter& filter) const;

 private:
  struct Entry {
    ClientInfo info;
    std::atomic<uint64_t> active_us;
  };

  std::atomic<uint64_t> next_id_{1};
  mutable std::mutex mutex_;
  std::map<uint64_t, std::unique_ptr<Entry>> entries_;
};

}  // namespace zkdb::net
