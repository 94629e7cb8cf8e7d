// Channels: who has subscribed to which, and messages on their way to the threads of their subscribers.
//
// Thread-safety: PubSub and Mailbox may be used by any thread.
//
// Invariants:
//  1. Messages reach each subscriber in the order in which they were published, also those of different channels.
//  2. A mailbox holds at most so many bytes. When it is full it keeps nothing more and says so: whoever is served from
//     it can no longer be told everything.
//  3. The lock of PubSub is taken before that of a mailbox, which is released before Wake.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/slice.h"

namespace zkdb::net {

struct Message {
  std::string channel;
  std::string text;
};

// A message for one client, because of the channel, or because of a pattern.
struct Mail {
  uint64_t client;
  std::shared_ptr<const Message> message;
  std::shared_ptr<const std::string> pattern;  // nullptr: the channel itself
};

class Mailbox {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 20;

  explicit Mailbox(size_t max_bytes = kMaxBytes) : max_bytes_(max_bytes) {}
  virtual ~Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void Put(Mail mail);
  // What has come since the last call; *lost says whether something could not be kept.
  std::vector<Mail> Take(bool* lost);

 protected:
  // There is mail where there was none.
  virtual void Wake() = 0;

 private:
  static constexpr size_t kMailCost = 64;  // bytes that each counts for; its message counts once

  const size_t max_bytes_;
  std::mutex mutex_;
  std::vector<Mail> mail_;
  const Message* last_ = nullptr;  // that was counted
  size_t bytes_ = 0;
  bool lost_ = false;
};

class PubSub {
 public:
  // A client has its messages put into `mailbox` until Unsubscribe. Twice is once.
  void Subscribe(Mailbox* mailbox, uint64_t client, Slice channel);
  void Unsubscribe(uint64_t client, Slice channel);
  void SubscribePattern(Mailbox* mailbox, uint64_t client, Slice pattern);
  void UnsubscribePattern(uint64_t client, Slice pattern);

  // Sends a message; gives to how many: a client counts once for its channel and once for each pattern that matches.
  uint64_t Publish(Slice channel, Slice text);
  // To how many it would go.
  uint64_t Receivers(Slice channel) const;

  // Channels with subscribers whose names match, in their order.
  std::vector<std::string> Channels(Slice pattern) const;
  // Subscribers of a channel, without those of patterns.
  uint64_t Subscribers(Slice channel) const;
  // Different patterns.
  uint64_t Patterns() const;
  // Whether nobody has subscribed to anything.
  bool idle() const { return subscriptions_.load(std::memory_order_relaxed) == 0; }

 private:
  using Clients = std::map<uint64_t, Mailbox*>;
  struct PatternClients {
    std::shared_ptr<const std::string> pattern;
    Clients clients;
  };

  std::atomic<uint64_t> subscriptions_{0};
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Clients> channels_;
  std::map<std::string, PatternClients> patterns_;
};

}  // namespace zkdb::net
