// What one client has subscribed to.
//
// Thread-safety: none; it belongs to one session.
//
// Invariants:
//  1. PubSub knows the client's channels and patterns, and no others, until the end of this object.
#pragma once

#include <set>
#include <string>

#include "net/pubsub.h"

namespace zkdb::net {

class Subscriptions {
 public:
  Subscriptions(PubSub* hub, uint64_t client) : hub_(hub), client_(client) {}
  ~Subscriptions() { Clear(); }
  Subscriptions(const Subscriptions&) = delete;
  Subscriptions& operator=(const Subscriptions&) = delete;

  // Where the client's messages go; without one it can subscribe to nothing.
  void set_mailbox(Mailbox* mailbox) { mailbox_ = mailbox; }
  bool possible() const { return mailbox_ != nullptr; }

  void AddChannel(Slice channel);
  void RemoveChannel(Slice channel);
  void AddPattern(Slice pattern);
  void RemovePattern(Slice pattern);
  void Clear();

  bool empty() const { return channels_.empty() && patterns_.empty(); }
  size_t size() const { return channels_.size() + patterns_.size(); }
  // Of the names, with what each costs besides.
  size_t bytes() const { return bytes_; }
  static size_t CostOf(Slice name) { return kNameCost + name.size; }

  const std::set<std::string, std::less<>>& channels() const { return channels_; }
  const std::set<std::string, std::less<>>& patterns() const { return patterns_; }
  // Whether the mail is still for the client, who may have unsubscribed after it was sent.
  bool Wants(const Mail& mail) const;

 private:
  static constexpr size_t kNameCost = 256;  // here and in PubSub

  PubSub* const hub_;
  const uint64_t client_;
  Mailbox* mailbox_ = nullptr;
  std::set<std::string, std::less<>> channels_;
  std::set<std::string, std::less<>> patterns_;
  size_t bytes_ = 0;
};

}  // namespace zkdb::net
