#include "net/subscriptions.h"

namespace zkdb::net {

void Subscriptions::AddChannel(Slice channel) {
  if (!channels_.insert(channel.ToString()).second) return;
  bytes_ += CostOf(channel);
  hub_->Subscribe(mailbox_, client_, channel);
}

void Subscriptions::RemoveChannel(Slice channel) {
  if (channels_.erase(channel.ToString()) == 0) return;
  bytes_ -= CostOf(channel);
  hub_->Unsubscribe(client_, channel);
}

void Subscriptions::AddPattern(Slice pattern) {
  if (!patterns_.insert(pattern.ToString()).second) return;
  bytes_ += CostOf(pattern);
  hub_->SubscribePattern(mailbox_, client_, pattern);
}

void Subscriptions::RemovePattern(Slice pattern) {
  if (patterns_.erase(pattern.ToString()) == 0) return;
  bytes_ -= CostOf(pattern);
  hub_->UnsubscribePattern(client_, pattern);
}

void Subscriptions::Clear() {
  for (const std::string& channel : channels_) hub_->Unsubscribe(client_, channel);
  for (const std::string& pattern : patterns_) hub_->UnsubscribePattern(client_, pattern);
  channels_.clear();
  patterns_.clear();
  bytes_ = 0;
}

bool Subscriptions::Wants(const Mail& mail) const {
  return mail.pattern == nullptr ? channels_.contains(mail.message->channel) : patterns_.contains(*mail.pattern);
}

}  // namespace zkdb::net
