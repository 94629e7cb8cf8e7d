#include "net/session.h"

#include <algorithm>
#include <new>
#include <utility>

#include "core/base/assert.h"
#include "net/numbers.h"

namespace zkdb::net {

namespace {

constexpr size_t kMaxGets = 256;                      // looked up together
constexpr size_t kMaxGetBytes = size_t{1} << 20;      // of their keys
constexpr size_t kMaxSets = 1024;                     // written together
constexpr size_t kMaxSetBytes = size_t{4} << 20;      // of their batch
constexpr size_t kMaxSharedBytes = size_t{64} << 10;  // of a batch that waits for those of other sessions
constexpr size_t kBulkRoom = 16;         // bytes of a bulk string around its value: $, ten digits, two line ends
constexpr size_t kExpectedLimit = 4096;  // bytes of a value that room is made for before its size is known
constexpr size_t kKeptKeys = size_t{8} << 10;

// A name of three letters in any case.
bool IsThree(Slice name, const char* capitals) {
  return name.size == 3 && (name.data[0] & 0xDF) == capitals[0] && (name.data[1] & 0xDF) == capitals[1] &&
         (name.data[2] & 0xDF) == capitals[2];
}

}  // namespace

Session::Session(Server* server, ClientInfo info, const SessionLimits& limits, std::shared_ptr<const Rights> rights)
    : server_(server),
      cluster_(server->cluster()),
      limits_(limits),
      info_(std::move(info)),
      output_(limits.max_output),
      reply_(&output_),
      parser_(limits.parser),
      first_user_(info_.user),
      first_rights_(std::move(rights)),
      snapshots_(info_.connected_us, limits.max_snapshots, limits.snapshot_idle_us),
      subscriptions_(server->pubsub(), info_.id) {
  ZKDB_ASSERT(limits.max_output >= limits.pause_output + kOutputSlack && limits.max_output <= ZKDB_MAX_VALUE_SIZE);
  ZKDB_ASSERT(limits.parser.frame_bytes <= ZKDB_MAX_VALUE_SIZE);
  if (first_rights_ == nullptr && !server->NeedsLogin()) first_rights_ = FullRights();
  ZKDB_ASSERT(SelectDatabase(0));
  first_rights_ != nullptr ? LogIn(first_user_, first_rights_) : LogOut();
}

ReceiveResult Session::Receive(Slice input) {
  ZKDB_ASSERT(!pending_);
  try {
    const ReceiveResult result = Run(input);
    NoteSubscriptions();
    if (std::exchange(info_changed_, false)) server_->ClientChanged(info_);
    return result;
  } catch (const std::bad_alloc&) {
    // How far the command came is not known, so the client must not take it for answered.
    closing_ = true;
    store_.txn = nullptr;
    ReadLatest();
    return {input.size, SessionState::kClosing};
  }
}

void Session::NoteSubscriptions() {
  const size_t channels = subscriptions_.channels().size();
  const size_t patterns = subscriptions_.patterns().size();
  if (channels == info_.channels && patterns == info_.patterns) return;
  EditInfo()->channels = channels;
  EditInfo()->patterns = patterns;
}

ReceiveResult Session::Run(Slice input) {
  size_t at = 0;
  bool room = true;
  while (room && !closing_ && !login_) {
    room = output_.size() < limits_.pause_output;
    if (!room) break;
    const Parsed parsed = parser_.Next(input.Sub(at));
    if (parsed == Parsed::kNeedMore) break;
    if (parsed == Parsed::kError) {
      room = Flush(&at);
      if (!room) break;
      reply_.Error(parser_.error());
      closing_ = true;
      break;
    }
    const size_t end = at + parser_.consumed();
    const Arguments args = parser_.arguments();
    room = Gather(args, at, end) || (Flush(&at) && (args.empty() || Dispatch(args)));
    if (!room) break;
    at = end;
    ++commands_;
  }
  if (closing_) return {input.size, SessionState::kClosing};
  if (login_) return {at, SessionState::kWaiting};
  pending_ = share_writes_ && room && gathered_ == Gathered::kSets && sets_.bytes().size <= kMaxSharedBytes;
  if (pending_) {
    pending_since_us_ = StartTime();
    return {at, SessionState::kOpen, true};
  }
  room = Flush(&at) && room;
  if (!room) parser_.Reset();
  return {at, room ? SessionState::kOpen : SessionState::kPaused};
}

// ---- gathering

void Session::GatherGet(Slice key, size_t begin, size_t end) {
  if (gathered_ == Gathered::kNothing) {
    offsets_.assign(1, 0);
    ends_.assign(1, begin);
  }
  keys_.append(reinterpret_cast<const char*>(key.data), key.size);
  offsets_.push_back(static_cast<uint32_t>(keys_.size()));
  ends_.push_back(end);
  gathered_ = Gathered::kGets;
}

bool Session::Gather(Arguments args, size_t begin, size_t end) {
  if (multi_ || !logged_in_ || restricted()) return false;
  if (args.size() == 2 && IsThree(args[0], "GET")) {
    const bool fits = ends_.size() <= kMaxGets && keys_.size() < kMaxGetBytes;
    if (gathered_ == Gathered::kSets || !fits || args[1].size > ZKDB_MAX_KEY_SIZE) return false;
    if (!access_.AllowsKey(kVerbRead, args[1]) || !IsHere(cluster_, args[1])) return false;
    GatherGet(args[1], begin, end);
    return true;
  }
  if (args.size() != 3 || !IsThree(args[0], "SET")) return false;
  const bool fits = sets_.count() < kMaxSets && sets_.bytes().size < kMaxSetBytes;
  if (gathered_ == Gathered::kGets || !fits) return false;
  if (args[1].size > ZKDB_MAX_KEY_SIZE || args[2].size > ZKDB_MAX_VALUE_SIZE) return false;
  if (!access_.AllowsKey(kVerbWrite, args[1]) || !IsHere(cluster_, args[1])) return false;
  sets_.Add(ZKDB_OP_PUT, args[1], args[2]);
  gathered_ = Gathered::kSets;
  return true;
}

bool Session::Flush(size_t* at) {
  const Gathered kind = std::exchange(gathered_, Gathered::kNothing);
  if (kind == Gathered::kSets) FlushSets();
  if (kind != Gathered::kGets) return true;
  const size_t count = ends_.size() - 1;
  const uint64_t began_us = StartTime();
  const size_t answered = AnswerGets();
  NoteSlowGets(began_us);
  commands_ -= count - answered;  // the others are taken again
  if (answered < count) *at = ends_[answered];
  if (keys_.capacity() > kKeptKeys) std::string().swap(keys_);
  keys_.clear();
  ends_.clear();
  return answered == count;
}

void Session::FlushSets() {
  zkdb_error error{};
  zkdb_write_result result{};
  // Commands of their own: where one batch cannot be atomic (isolated partitions), it need not be.
  const uint64_t began_us = StartTime();
  const zkdb_code code = store_.Write(sets_, ZKDB_WRITE_NON_ATOMIC, &result, &error);
  NoteSlowSets(began_us);
  AnswerSets(code, error);
}

void Session::AnswerSets(zkdb_code code, const zkdb_error& error) {
  for (size_t i = 0; i < sets_.count(); ++i) code == ZKDB_OK ? reply_.Ok() : Fail(error);
  if (code == ZKDB_OK) TellSets();
  sets_.Clear();
}

void Session::FinishWrites(zkdb_code code, const zkdb_error& error) {
  ZKDB_ASSERT(pending_);
  pending_ = false;
  gathered_ = Gathered::kNothing;
  try {
    NoteSlowSets(pending_since_us_);
    AnswerSets(code, error);
  } catch (const std::bad_alloc&) {
    closing_ = true;  // the client must not take what is missing for the answers of later commands
  }
}

size_t Session::AnswerGets() {
  const size_t count = ends_.size() - 1;
  sizes_.resize(count);
  size_t needed = 0;
  for (size_t i = 0; i < count;) {
    if (i > 0 && output_.size() >= limits_.pause_output) return i;
    const size_t rest = count - i;
    const size_t capacity = std::max(needed, rest * std::min(expected_size_, kExpectedLimit));
    const size_t free = output_.limit() - output_.size();
    uint32_t done = 0;
    if (rest > 1 && rest * kBulkRoom + capacity <= free) {
      const zkdb_code code = AnswerTogether(i, capacity, &done, &needed);
      i += done;
      if (code == ZKDB_OK || code == ZKDB_BUFFER_TOO_SMALL) continue;
    }
    // One alone, one that needs all the room there is, or after a failure: each has its own answer.
    if (!AnswerAlone(i)) return i;
    ++i;
    needed = 0;
  }
  return count;
}

zkdb_code Session::AnswerTogether(size_t from, size_t capacity, uint32_t* done, size_t* needed) {
  const auto count = static_cast<uint32_t>(sizes_.size() - from);
  const size_t gap = count * kBulkRoom;
  uint8_t* const start = output_.Reserve(gap + capacity);
  zkdb_error error{};
  const zkdb_code code = zkdb_get_many(store_.db, nullptr, keys_.data(), offsets_.data() + from, count, start + gap,
                                       capacity, sizes_.data(), done, needed, &error);
  if (code != ZKDB_OK && code != ZKDB_BUFFER_TOO_SMALL) {
    *done = 0;
    return code;
  }
  // The values lie behind a gap; each moves down behind its head. A head never reaches the next value: it has less
  // than kBulkRoom bytes with both line ends.
  const uint8_t* value = start + gap;
  uint8_t* to = start;
  for (uint32_t i = 0; i < *done; ++i) {
    const uint32_t size = sizes_[i];
    if (size == UINT32_MAX) {
      to += WriteNull(to, reply_.protocol());
      continue;
    }
    to += WriteHead(to, '$', size);
    std::memmove(to, value, size);
    to += size;
    value += size;
    *to++ = '\r';
    *to++ = '\n';
    expected_size_ = size;
  }
  output_.Commit(static_cast<size_t>(to - start));
  return code;
}

bool Session::AnswerAlone(size_t i) {
  const size_t mark = output_.size();
  ReplyValue(Slice(keys_.data() + offsets_[i], offsets_[i + 1] - offsets_[i]));
  return SettleOverflow(mark);
}

// ---- one command

bool Session::SettleOverflow(size_t mark) {
  if (!output_.overflowed()) return true;
  output_.Truncate(mark);
  if (mark > 0) return false;
  FailTooLarge();
  return true;
}

bool Session::Dispatch(Arguments args) {
  const Command* command = FindCommand(args[0]);
  if (!Admit(command, args)) {
    multi_aborted_ = multi_;
    return true;
  }
  if (multi_ && (command->flags & kAtOnce) == 0) {
    Queue(args);
    return true;
  }
  const size_t mark = output_.size();
  const uint64_t began_us = StartTime();
  command->handler(this, args);
  const bool lost = output_.overflowed();
  if (!SettleOverflow(mark)) return false;
  NoteSlow(began_us, args, 0);
  if (lost) EndMulti();  // an EXEC whose replies never fit
  return true;
}

bool Session::Admit(const Command* command, Arguments args) {
  if (command == nullptr) {
    FailUnknown(args);
  } else if (!ArityFits(*command, args.size())) {
    FailArity(command->name);
  } else if (!logged_in_ && (command->flags & kNoLogin) == 0) {
    reply_.Error("NOAUTH Authentication required.");
  } else if (restricted() && (command->flags & kSubscribed) == 0) {
    reply_.Error("ERR Can't execute '" + LowerAscii(command->name) +
                 "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context");
  } else if (multi_ && (command->flags & kNoMulti) != 0) {
    reply_.Error("ERR Command not allowed inside a transaction");
  } else {
    return Permit(*command, args) && HoldsKeysOf(*command, args);
  }
  return false;
}

void Session::FailUnknown(Arguments args) {
  constexpr size_t kShown = 128;  // bytes of the name, and of the arguments
  const auto shown = [](Slice s, size_t limit) { return s.Sub(0, std::min(s.size, limit)).ToString(); };
  std::string text = "ERR unknown command '" + shown(args[0], kShown) + "', with args beginning with: ";
  const size_t start = text.size();
  for (const Slice& arg : args.subspan(1)) {
    if (text.size() - start >= kShown) break;
    text += "'" + shown(arg, kShown - (text.size() - start)) + "' ";
  }
  reply_.Error(text);
}

void Session::FailArity(Slice name) {
  reply_.Error("ERR wrong number of arguments for '" + LowerAscii(name) + "' command");
}

void Session::FailTooLarge() {
  reply_.Error("ERR the reply is larger than the " + std::to_string(output_.limit()) +
               " bytes that a connection's output may have; ask for less at once");
}

void Session::Fail(const zkdb_error& error) {
  reply_.Error(std::string(zkdb_code_name(error.code)) + " " + error.message);
}

bool Session::KeyFits(Slice key) {
  if (key.size <= ZKDB_MAX_KEY_SIZE) return true;
  reply_.Error("ZKDB_KEY_TOO_LARGE the key has " + std::to_string(key.size) + " bytes; the limit is " +
               std::to_string(ZKDB_MAX_KEY_SIZE));
  return false;
}

zkdb_code Session::ReadValue(Slice key, std::string* value) {
  zkdb_error error{};
  value->resize(std::min(expected_size_, kExpectedLimit));
  for (;;) {
    size_t size = 0;
    const zkdb_code code = store_.Get(key, value->data(), value->size(), &size, &error);
    if (code == ZKDB_BUFFER_TOO_SMALL && size > limits_.max_output) {
      reply_.Error("ZKDB_VALUE_TOO_LARGE the value has " + std::to_string(size) + " bytes; a command that reads it " +
                   "whole takes up to " + std::to_string(limits_.max_output));
      return ZKDB_VALUE_TOO_LARGE;
    }
    if (code == ZKDB_OK || code == ZKDB_BUFFER_TOO_SMALL) value->resize(size);
    if (code == ZKDB_BUFFER_TOO_SMALL) continue;
    if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) Fail(error);
    return code;
  }
}

bool Session::ReplyValue(Slice key) {
  zkdb_error error{};
  for (size_t capacity = std::min(expected_size_, kExpectedLimit);;) {
    uint8_t* const to = reply_.StartBulk(capacity);
    if (to == nullptr) return false;
    size_t size = 0;
    const zkdb_code code = store_.Get(key, to, capacity, &size, &error);
    if (code == ZKDB_BUFFER_TOO_SMALL) {
      capacity = size;
      continue;
    }
    if (code == ZKDB_OK) {
      reply_.FinishBulk(size);
      expected_size_ = size;
    } else if (code == ZKDB_NOT_FOUND) {
      reply_.Null();
    } else {
      Fail(error);
    }
    return code == ZKDB_OK || code == ZKDB_NOT_FOUND;
  }
}

void Session::ReleaseMemory() {
  if (pending_) return;
  std::string().swap(keys_);
  std::vector<uint32_t>().swap(offsets_);
  std::vector<size_t>().swap(ends_);
  std::vector<uint32_t>().swap(sizes_);
  sets_.Release();
  batch_.Release();
  output_.ReleaseMemory();
  parser_.ReleaseMemory();
}

// ---- what the connection is

bool Session::SelectDatabase(uint32_t number) {
  zkdb_db* db = server_->Database(number);
  if (db == nullptr) return false;
  store_.db = db;
  access_.SelectDatabase(db, number);
  EditInfo()->database = number;
  return true;
}

void Session::SetProtocol(int version) {
  reply_.set_protocol(version);
  EditInfo()->protocol = version;
}

void Session::ResetState() {
  EndMulti();
  subscriptions_.Clear();
  SetProtocol(2);
  SelectDatabase(0);
  info_.name.clear();
  info_.no_evict = false;
  first_rights_ != nullptr ? LogIn(first_user_, first_rights_) : LogOut();
}

}  // namespace zkdb::net
