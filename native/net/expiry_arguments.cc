#include "net/expiry_arguments.h"

#include <string>

#include "include/zkdb.h"
#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

constexpr int64_t kMsOfSecond = 1000;

struct TimeOption {
  std::string_view name;
  TimeUnit unit;
  bool from_now;
};
constexpr TimeOption kTimeOptions[] = {{"EX", TimeUnit::kSeconds, true},
                                       {"PX", TimeUnit::kMilliseconds, true},
                                       {"EXAT", TimeUnit::kSeconds, false},
                                       {"PXAT", TimeUnit::kMilliseconds, false}};

bool FailTime(Session* s, std::string_view command) {
  s->reply()->Error("ERR invalid expire time in '" + std::string(command) + "' command");
  return false;
}

}  // namespace

bool ParseTime(Session* s, std::string_view command, Slice text, TimeUnit unit, bool from_now, bool positive,
               uint64_t* time) {
  int64_t amount = 0;
  if (!ParseInteger(text, &amount)) {
    s->reply()->Error(kNotAnInteger);
    return false;
  }
  if (positive && amount <= 0) return FailTime(s, command);
  const int64_t factor = unit == TimeUnit::kSeconds ? kMsOfSecond : 1;
  const int64_t from = from_now ? static_cast<int64_t>(zkdb_clock()) : 0;
  int64_t ms = 0;
  if (__builtin_mul_overflow(amount, factor, &ms) || __builtin_add_overflow(ms, from, &ms)) return FailTime(s, command);
  *time = ms <= 0 ? 1 : static_cast<uint64_t>(ms);
  return true;
}

Taken TakeTime(Session* s, std::string_view command, Arguments options, size_t* i, NewTime* out) {
  for (const TimeOption& option : kTimeOptions) {
    if (!IsWord(options[*i], option.name)) continue;
    if (out->flags != 0 || *i + 1 == options.size()) {
      s->FailSyntax();
      return Taken::kFailed;
    }
    out->flags = ZKDB_PUT_EXPIRES;
    if (!ParseTime(s, command, options[*i + 1], option.unit, option.from_now, true, &out->time)) return Taken::kFailed;
    *i += 2;
    return Taken::kYes;
  }
  return Taken::kNo;
}

}  // namespace zkdb::net
