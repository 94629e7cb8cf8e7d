#include "net/slow_log.h"

#include <algorithm>
#include <utility>

#include "net/numbers.h"

namespace zkdb::net {

namespace {

constexpr size_t kMaxArguments = 32;
constexpr size_t kMaxArgument = 128;  // bytes

std::string Cut(Slice argument) {
  if (argument.size <= kMaxArgument) return argument.ToString();
  return argument.Sub(0, kMaxArgument).ToString() + "... (" + std::to_string(argument.size - kMaxArgument) +
         " more bytes)";
}

bool TakesPasswords(Slice name) { return IsWord(name, "AUTH") || IsWord(name, "HELLO"); }

std::vector<std::string> Shown(Arguments arguments, size_t more) {
  std::vector<std::string> shown;
  const bool secret = TakesPasswords(arguments[0]);
  const size_t count = arguments.size() <= kMaxArguments ? arguments.size() : kMaxArguments - 1;
  for (size_t i = 0; i < count; ++i) shown.push_back(secret && i > 0 ? "(redacted)" : Cut(arguments[i]));
  if (count < arguments.size()) {
    shown.push_back("... (" + std::to_string(arguments.size() - count) + " more arguments)");
  }
  if (more > 0) shown.push_back("... (" + std::to_string(more) + " more commands)");
  return shown;
}

}  // namespace

void SlowLog::Add(uint64_t now_us, uint64_t took_us, Arguments arguments, size_t more, const std::string& address,
                  const std::string& name) {
  SlowCommand command{0, now_us / 1'000'000, took_us, Shown(arguments, more), address, name};
  const std::lock_guard<std::mutex> lock(mutex_);
  command.id = next_id_++;
  commands_.push_front(std::move(command));
  if (commands_.size() > most_) commands_.pop_back();
}

std::vector<SlowCommand> SlowLog::Newest(size_t count) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto end = commands_.begin() + static_cast<std::ptrdiff_t>(std::min(count, commands_.size()));
  return {commands_.begin(), end};
}

size_t SlowLog::size() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return commands_.size();
}

void SlowLog::Reset() {
  const std::lock_guard<std::mutex> lock(mutex_);
  commands_.clear();
}

}  // namespace zkdb::net
