#include "net/pubsub.h"

#include <algorithm>
#include <utility>

#include "net/glob.h"

namespace zkdb::net {

// ---- a mailbox

void Mailbox::Put(Mail mail) {
  bool wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Message& message = *mail.message;
    const size_t cost = kMailCost + (last_ == &message ? 0 : message.channel.size() + message.text.size());
    wake = mail_.empty() && !lost_;
    lost_ = lost_ || bytes_ + cost > max_bytes_;
    if (!lost_) {
      bytes_ += cost;
      last_ = &message;
      mail_.push_back(std::move(mail));
    }
  }
  if (wake) Wake();
}

std::vector<Mail> Mailbox::Take(bool* lost) {
  const std::lock_guard<std::mutex> lock(mutex_);
  *lost = std::exchange(lost_, false);
  bytes_ = 0;
  last_ = nullptr;
  return std::exchange(mail_, {});
}

// ---- subscribing

void PubSub::Subscribe(Mailbox* mailbox, uint64_t client, Slice channel) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (channels_[channel.ToString()].emplace(client, mailbox).second) subscriptions_.fetch_add(1);
}

void PubSub::Unsubscribe(uint64_t client, Slice channel) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = channels_.find(channel.ToString());
  if (found == channels_.end()) return;
  subscriptions_.fetch_sub(found->second.erase(client));
  if (found->second.empty()) channels_.erase(found);
}

void PubSub::SubscribePattern(Mailbox* mailbox, uint64_t client, Slice pattern) {
  const std::lock_guard<std::mutex> lock(mutex_);
  PatternClients& entry = patterns_[pattern.ToString()];
  if (entry.pattern == nullptr) entry.pattern = std::make_shared<const std::string>(pattern.ToString());
  if (entry.clients.emplace(client, mailbox).second) subscriptions_.fetch_add(1);
}

void PubSub::UnsubscribePattern(uint64_t client, Slice pattern) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = patterns_.find(pattern.ToString());
  if (found == patterns_.end()) return;
  subscriptions_.fetch_sub(found->second.clients.erase(client));
  if (found->second.clients.empty()) patterns_.erase(found);
}

// ---- messages

uint64_t PubSub::Publish(Slice channel, Slice text) {
  if (idle()) return 0;
  const auto message = std::make_shared<const Message>(Message{channel.ToString(), text.ToString()});
  uint64_t count = 0;
  // Mail is put under the lock: two messages reach all mailboxes in one order.
  const std::lock_guard<std::mutex> lock(mutex_);
  if (const auto found = channels_.find(message->channel); found != channels_.end()) {
    for (const auto& [client, mailbox] : found->second) mailbox->Put({client, message, nullptr});
    count += found->second.size();
  }
  for (const auto& [pattern, entry] : patterns_) {
    if (!GlobMatches(pattern, channel)) continue;
    for (const auto& [client, mailbox] : entry.clients) mailbox->Put({client, message, entry.pattern});
    count += entry.clients.size();
  }
  return count;
}

uint64_t PubSub::Receivers(Slice channel) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = channels_.find(channel.ToString());
  uint64_t count = found == channels_.end() ? 0 : found->second.size();
  for (const auto& [pattern, entry] : patterns_) count += GlobMatches(pattern, channel) ? entry.clients.size() : 0;
  return count;
}

std::vector<std::string> PubSub::Channels(Slice pattern) const {
  std::vector<std::string> names;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [channel, clients] : channels_) {
      if (GlobMatches(pattern, channel)) names.push_back(channel);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t PubSub::Subscribers(Slice channel) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = channels_.find(channel.ToString());
  return found == channels_.end() ? 0 : found->second.size();
}

uint64_t PubSub::Patterns() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return patterns_.size();
}

}  // namespace zkdb::net
