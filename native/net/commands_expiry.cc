// EXPIRE TTL PERSIST and their kin: when keys end.
#include <algorithm>
#include <string>
#include <string_view>

#include "net/commands.h"
#include "net/expiry_arguments.h"
#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

constexpr int64_t kNoKey = -2;
constexpr int64_t kNoTime = -1;

// Reads the conditions of EXPIRE. False after an error reply.
bool ParseConditions(Session* s, Arguments options, uint8_t* flags) {
  uint32_t set = 0;
  for (const Slice& option : options) {
    if (IsWord(option, "NX")) {
      set |= ZKDB_EXPIRE_IF_NONE;
    } else if (IsWord(option, "XX")) {
      set |= ZKDB_EXPIRE_IF_ANY;
    } else if (IsWord(option, "GT")) {
      set |= ZKDB_EXPIRE_IF_LATER;
    } else if (IsWord(option, "LT")) {
      set |= ZKDB_EXPIRE_IF_EARLIER;
    } else {
      s->reply()->Error("ERR Unsupported option " + option.Sub(0, std::min<size_t>(option.size, 128)).ToString());
      return false;
    }
  }
  constexpr uint32_t kBoth = ZKDB_EXPIRE_IF_LATER | ZKDB_EXPIRE_IF_EARLIER;
  const bool with_none = (set & ZKDB_EXPIRE_IF_NONE) != 0 && set != ZKDB_EXPIRE_IF_NONE;
  if (with_none) s->reply()->Error("ERR NX and XX, GT or LT options at the same time are not compatible");
  if (!with_none && (set & kBoth) == kBoth)
    s->reply()->Error("ERR GT and LT options at the same time are not compatible");
  *flags = static_cast<uint8_t>(set);
  return !with_none && (set & kBoth) != kBoth;
}

// Gives the key another time, 0 for never, and replies 1 when that was done.
void ChangeTime(Session* s, Slice key, uint64_t time, uint8_t flags) {
  if (!s->KeyFits(key)) return;
  BatchBuilder* batch = s->StartBatch();
  batch->Expire(key, time, flags);
  zkdb_write_result result{};
  zkdb_error error{};
  if (s->Write(*batch, 0, &result, &error) != ZKDB_OK) return s->Fail(error);
  s->reply()->Integer(static_cast<int64_t>(result.existed));
}

void ExpireBy(Session* s, Arguments args, std::string_view command, TimeUnit unit, bool from_now) {
  uint64_t time = 0;
  uint8_t flags = 0;
  if (!ParseTime(s, command, args[2], unit, from_now, false, &time)) return;
  if (ParseConditions(s, args.subspan(3), &flags)) ChangeTime(s, args[1], time, flags);
}

// Replies with when the key ends: `from_now`, or since 1970.
void ReplyTime(Session* s, Slice key, TimeUnit unit, bool from_now) {
  if (!s->KeyFits(key)) return;
  zkdb_error error{};
  uint64_t time = 0;
  const zkdb_code code = s->store().Expiry(key, &time, &error);
  if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return s->Fail(error);
  if (code == ZKDB_NOT_FOUND) return s->reply()->Integer(kNoKey);
  if (time == 0) return s->reply()->Integer(kNoTime);
  auto ms = static_cast<int64_t>(std::min<uint64_t>(time, INT64_MAX - 500));
  if (from_now) ms = std::max<int64_t>(0, ms - static_cast<int64_t>(zkdb_clock()));
  s->reply()->Integer(unit == TimeUnit::kSeconds ? (ms + 500) / 1000 : ms);
}

void SetFor(Session* s, Arguments args, std::string_view command, TimeUnit unit) {
  if (!s->KeyFits(args[1])) return;
  NewTime time{ZKDB_PUT_EXPIRES, 0};
  if (!ParseTime(s, command, args[2], unit, true, true, &time.time)) return;
  BatchBuilder* batch = s->StartBatch();
  batch->PutTimed(ZKDB_OP_PUT, args[1], args[3], time);
  zkdb_write_result result{};
  zkdb_error error{};
  if (s->Write(*batch, 0, &result, &error) != ZKDB_OK) return s->Fail(error);
  s->reply()->Ok();
}

}  // namespace

void Expire(Session* s, Arguments args) { ExpireBy(s, args, "expire", TimeUnit::kSeconds, true); }

void PExpire(Session* s, Arguments args) { ExpireBy(s, args, "pexpire", TimeUnit::kMilliseconds, true); }

void ExpireAt(Session* s, Arguments args) { ExpireBy(s, args, "expireat", TimeUnit::kSeconds, false); }

void PExpireAt(Session* s, Arguments args) { ExpireBy(s, args, "pexpireat", TimeUnit::kMilliseconds, false); }

void Persist(Session* s, Arguments args) { ChangeTime(s, args[1], 0, ZKDB_EXPIRE_IF_ANY); }

void Ttl(Session* s, Arguments args) { ReplyTime(s, args[1], TimeUnit::kSeconds, true); }

void PTtl(Session* s, Arguments args) { ReplyTime(s, args[1], TimeUnit::kMilliseconds, true); }

void ExpireTime(Session* s, Arguments args) { ReplyTime(s, args[1], TimeUnit::kSeconds, false); }

void PExpireTime(Session* s, Arguments args) { ReplyTime(s, args[1], TimeUnit::kMilliseconds, false); }

// ZK.PEXPIRETIME snapshot key: as PEXPIRETIME, of the state of the snapshot.
void ZkPExpireTime(Session* s, Arguments args) {
  int64_t id = 0;
  if (!ParseInteger(args[1], &id)) return s->reply()->Error(kNotAnInteger);
  if (!s->ReadAt(static_cast<uint64_t>(id))) return;
  ReplyTime(s, args[2], TimeUnit::kMilliseconds, false);
  s->ReadLatest();
}

void SetEx(Session* s, Arguments args) { SetFor(s, args, "setex", TimeUnit::kSeconds); }

void PSetEx(Session* s, Arguments args) { SetFor(s, args, "psetex", TimeUnit::kMilliseconds); }

}  // namespace zkdb::net
