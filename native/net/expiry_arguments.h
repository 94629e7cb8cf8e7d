// When a record ends, as arguments of commands say it, as Redis reads them.
//
// Thread-safety: functions without state.
#pragma once

#include <cstdint>
#include <string_view>

#include "net/command_table.h"
#include "net/store.h"

namespace zkdb::net {

class Session;

enum class TimeUnit { kSeconds, kMilliseconds };

// Reads an amount of `unit`, from now on or since 1970. What is not after 1970 is a time that has passed. False after
// an error reply, which names `command`; `positive`: an amount that is not is an error too.
bool ParseTime(Session* s, std::string_view command, Slice text, TimeUnit unit, bool from_now, bool positive,
               uint64_t* time);

enum class Taken { kNo, kYes, kFailed };

// Takes EX, PX, EXAT or PXAT with its amount at options[*i], which it moves behind them. kFailed after an error reply:
// of the amount, or a syntax error where it is missing or `out` has flags already.
Taken TakeTime(Session* s, std::string_view command, Arguments options, size_t* i, NewTime* out);

}  // namespace zkdb::net
