// GET SET and the other commands of single keys and lists of keys.
#include <algorithm>
#include <vector>

#include "net/commands.h"
#include "net/expiry_arguments.h"
#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

// Reads a value anew when another writer came between reading and writing; each time one of them got ahead.
constexpr int kAttempts = 1000;

bool KeysFit(Session* s, Arguments keys) {
  return std::all_of(keys.begin(), keys.end(), [s](Slice key) { return s->KeyFits(key); });
}

// Writes the session's batch. False after an error reply; *result is filled otherwise.
bool Write(Session* s, const BatchBuilder& batch, zkdb_write_result* result) {
  zkdb_error error{};
  if (s->Write(batch, 0, result, &error) == ZKDB_OK) return true;
  s->Fail(error);
  return false;
}

// ---- read, change, write

struct Edit {
  bool there = false;
  std::string old;   // the value, when it is there
  std::string next;  // what it becomes
  bool remove = false;
  NewTime time;  // of what it becomes; a value that was there keeps its own, unless `change` says another
};

// Makes `edit` true, unless the value is no longer the old one: then *result has a failed condition.
bool WriteEdit(Session* s, Slice key, const Edit& edit, zkdb_write_result* result) {
  BatchBuilder* batch = s->StartBatch();
  if (s->store().txn != nullptr) {
    edit.remove ? batch->Add(ZKDB_OP_DELETE, key) : batch->PutTimed(ZKDB_OP_PUT, key, edit.next, edit.time);
  } else if (!edit.there) {
    batch->PutTimed(ZKDB_OP_PUT_IF_ABSENT, key, edit.next, edit.time);
  } else if (edit.remove) {
    batch->Add(ZKDB_OP_DELETE_IF_VALUE, key, edit.old);
  } else {
    batch->PutIfValue(key, edit.old, edit.next, edit.time);
  }
  return Write(s, *batch, result);
}

// Reads the value of `key`, lets `change` fill in what it becomes, and writes that as one step. `change` may write the
// reply, and gives false when there is nothing to write. True when the value was written.
template <typename F>
bool EditValue(Session* s, Slice key, F change) {
  if (!s->KeyFits(key)) return false;
  OutputBuffer* const out = s->output();
  const size_t mark = out->size();
  Edit edit;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const zkdb_code code = s->ReadValue(key, &edit.old);
    if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return false;
    edit.there = code == ZKDB_OK;
    if (!edit.there) edit.old.clear();
    edit.time = {edit.there ? uint8_t{ZKDB_PUT_KEEPS_TIME} : uint8_t{0}, 0};
    if (!change(&edit) || out->overflowed()) return false;
    zkdb_write_result result{};
    const size_t replied = out->size();
    if (!WriteEdit(s, key, edit, &result)) {
      // The error takes the place of what `change` replied.
      const std::string failure(reinterpret_cast<const char*>(out->At(replied)), out->size() - replied);
      out->Truncate(mark);
      out->Append(failure.data(), failure.size());
      return false;
    }
    if (result.failed_index < 0) return true;
    out->Truncate(mark);
  }
  s->reply()->Error("ERR other clients change the key all the time; try again");
  return false;
}

void AddTo(Session* s, Slice key, int64_t amount) {
  int64_t sum = 0;
  const bool written = EditValue(s, key, [&](Edit* edit) {
    int64_t n = 0;
    if (edit->there && !ParseInteger(edit->old, &n)) {
      s->reply()->Error(kNotAnInteger);
      return false;
    }
    if (__builtin_add_overflow(n, amount, &sum)) {
      s->reply()->Error("ERR increment or decrement would overflow");
      return false;
    }
    edit->next = std::to_string(sum);
    return true;
  });
  if (written) s->reply()->Integer(sum);
}

// ---- SET

struct SetOptions {
  bool if_absent = false;
  bool if_present = false;
  bool get = false;
  NewTime time;
};

// False after an error reply.
bool ParseSetOptions(Session* s, Arguments options, SetOptions* out) {
  for (size_t i = 0; i < options.size();) {
    const Taken taken = TakeTime(s, "set", options, &i, &out->time);
    if (taken == Taken::kFailed) return false;
    if (taken == Taken::kYes) continue;
    const Slice& option = options[i++];
    if (IsWord(option, "NX")) {
      out->if_absent = true;
    } else if (IsWord(option, "XX")) {
      out->if_present = true;
    } else if (IsWord(option, "GET")) {
      out->get = true;
    } else if (IsWord(option, "KEEPTTL") && out->time.flags == 0) {
      out->time.flags = ZKDB_PUT_KEEPS_TIME;
    } else {
      s->FailSyntax();
      return false;
    }
  }
  if (out->if_absent && out->if_present) s->FailSyntax();
  return !(out->if_absent && out->if_present);
}

// Puts under the condition. False after an error reply; *put says whether the condition held.
bool PutIf(Session* s, zkdb_op kind, Slice key, Slice value, NewTime time, bool* put) {
  if (!s->KeyFits(key)) return false;
  BatchBuilder* batch = s->StartBatch();
  // Where nothing is there, there is no time to keep.
  if (kind == ZKDB_OP_PUT_IF_ABSENT && time.flags == ZKDB_PUT_KEEPS_TIME) time = {};
  batch->PutTimed(kind, key, value, time);
  zkdb_write_result result{};
  if (!Write(s, *batch, &result)) return false;
  *put = result.failed_index < 0;
  return true;
}

void SetAndGet(Session* s, Slice key, Slice value, const SetOptions& options) {
  EditValue(s, key, [&](Edit* edit) {
    edit->there ? s->reply()->Bulk(edit->old) : s->reply()->Null();
    if (edit->there ? options.if_absent : options.if_present) return false;
    edit->next = value.ToString();
    if (!edit->there || options.time.flags != ZKDB_PUT_KEEPS_TIME) edit->time = options.time;
    if (!edit->there && options.time.flags == ZKDB_PUT_KEEPS_TIME) edit->time = {};
    return true;
  });
}

// ---- MGET

class ManyReader {
 public:
  ManyReader(Session* s, Arguments keys) : session_(s), count_(static_cast<uint32_t>(keys.size())) {
    for (const Slice& key : keys) {
      keys_.append(reinterpret_cast<const char*>(key.data), key.size);
      offsets_.push_back(static_cast<uint32_t>(keys_.size()));
    }
    sizes_.resize(count_);
    MakeRoom(std::min(size_t{count_} * 256, kFirstRoom));
  }

  // Replies with the values; stops at an overflow.
  void Reply() {
    session_->reply()->Array(count_);
    for (uint32_t at = 0; at < count_ && !session_->output()->overflowed();) {
      uint32_t done = 0;
      size_t needed = 0;
      const zkdb_code code = Get(at, &done, &needed);
      const bool failed = code != ZKDB_OK && code != ZKDB_BUFFER_TOO_SMALL;
      if (failed || (at == 0 && snapshot_tried_ && snapshot_ == nullptr)) return ReplyAlone(at);
      if (code == ZKDB_BUFFER_TOO_SMALL && pinned() == nullptr) {
        OpenSnapshot();  // and from the first key again: all answers are of one state
        continue;
      }
      ReplyDone(done);
      at += done;
      if (needed > capacity_ && session_->output()->Reserve(needed) != nullptr) MakeRoom(needed);
    }
  }

 private:
  static constexpr size_t kFirstRoom = size_t{1} << 20;

  void MakeRoom(size_t capacity) {
    capacity_ = std::max<size_t>(capacity, 4096);
    values_ = std::make_unique_for_overwrite<uint8_t[]>(capacity_);
  }

  zkdb_code Get(uint32_t at, uint32_t* done, size_t* needed) {
    return zkdb_get_many(session_->store().db, pinned(), keys_.data(), offsets_.data() + at, count_ - at, values_.get(),
                         capacity_, sizes_.data(), done, needed, &error_);
  }

  zkdb_snapshot* pinned() const {
    return session_->store().snapshot != nullptr ? session_->store().snapshot : snapshot_.get();
  }

  void OpenSnapshot() {
    zkdb_snapshot* opened = nullptr;
    if (zkdb_snapshot_open(session_->store().db, &opened, &error_) == ZKDB_OK) snapshot_.reset(opened);
    snapshot_tried_ = true;
  }

  void ReplyDone(uint32_t done) {
    const uint8_t* value = values_.get();
    for (uint32_t i = 0; i < done; ++i) {
      if (sizes_[i] == UINT32_MAX) {
        session_->reply()->Null();
        continue;
      }
      session_->reply()->Bulk(Slice(value, sizes_[i]));
      value += sizes_[i];
    }
  }

  // After a failure: each key that is left has its own answer, which may be an error.
  void ReplyAlone(uint32_t at) {
    for (; at < count_; ++at) {
      session_->ReplyValue({keys_.data() + offsets_[at], offsets_[at + 1] - offsets_[at]});
    }
  }

  Session* const session_;
  const uint32_t count_;
  std::string keys_;
  std::vector<uint32_t> offsets_ = {0};
  std::vector<uint32_t> sizes_;
  std::unique_ptr<uint8_t[]> values_;
  size_t capacity_ = 0;
  SnapshotHandle snapshot_;
  bool snapshot_tried_ = false;
  zkdb_error error_{};
};

// An array of the values of keys, all of one state.
void ReplyValues(Session* s, Arguments keys) {
  if (!KeysFit(s, keys)) return;
  if (s->store().txn == nullptr && keys.size() > 1) return ManyReader(s, keys).Reply();
  s->reply()->Array(keys.size());
  for (const Slice& key : keys) {
    if (!s->output()->overflowed()) s->ReplyValue(key);
  }
}

}  // namespace

void Get(Session* s, Arguments args) {
  if (s->KeyFits(args[1])) s->ReplyValue(args[1]);
}

void Set(Session* s, Arguments args) {
  SetOptions options;
  if (!ParseSetOptions(s, args.subspan(3), &options)) return;
  if (options.get) return SetAndGet(s, args[1], args[2], options);
  const zkdb_op kind = options.if_absent    ? ZKDB_OP_PUT_IF_ABSENT
                       : options.if_present ? ZKDB_OP_PUT_IF_PRESENT
                                            : ZKDB_OP_PUT;
  bool put = false;
  if (!PutIf(s, kind, args[1], args[2], options.time, &put)) return;
  put ? s->reply()->Ok() : s->reply()->Null();
}

void SetNx(Session* s, Arguments args) {
  bool put = false;
  if (PutIf(s, ZKDB_OP_PUT_IF_ABSENT, args[1], args[2], {}, &put)) s->reply()->Integer(put ? 1 : 0);
}

void GetDel(Session* s, Arguments args) {
  EditValue(s, args[1], [&](Edit* edit) {
    edit->there ? s->reply()->Bulk(edit->old) : s->reply()->Null();
    edit->remove = true;
    return edit->there;
  });
}

void GetEx(Session* s, Arguments args) {
  const Arguments options = args.subspan(2);
  NewTime time;
  bool persists = false;
  for (size_t i = 0; i < options.size();) {
    const Taken taken = persists ? Taken::kNo : TakeTime(s, "getex", options, &i, &time);
    if (taken == Taken::kFailed) return;
    if (taken == Taken::kYes) continue;
    if (persists || time.flags != 0 || !IsWord(options[i++], "PERSIST")) return s->FailSyntax();
    persists = true;
  }
  if (options.empty()) return Get(s, args);
  EditValue(s, args[1], [&](Edit* edit) {
    edit->there ? s->reply()->Bulk(edit->old) : s->reply()->Null();
    edit->next = edit->old;
    edit->time = time;
    return edit->there;
  });
}

void Append(Session* s, Arguments args) {
  const Slice tail = args[2];
  size_t size = 0;
  const bool written = EditValue(s, args[1], [&](Edit* edit) {
    size = edit->old.size() + tail.size;
    if (size > s->limits().max_output) {
      s->reply()->Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
      return false;
    }
    edit->next.assign(edit->old).append(reinterpret_cast<const char*>(tail.data), tail.size);
    return true;
  });
  if (written) s->reply()->Integer(static_cast<int64_t>(size));
}

void Incr(Session* s, Arguments args) { AddTo(s, args[1], 1); }

void Decr(Session* s, Arguments args) { AddTo(s, args[1], -1); }

void IncrBy(Session* s, Arguments args) {
  int64_t amount = 0;
  if (!ParseInteger(args[2], &amount)) return s->reply()->Error(kNotAnInteger);
  AddTo(s, args[1], amount);
}

void DecrBy(Session* s, Arguments args) {
  int64_t amount = 0;
  if (!ParseInteger(args[2], &amount)) return s->reply()->Error(kNotAnInteger);
  if (amount == INT64_MIN) return s->reply()->Error("ERR decrement would overflow");
  AddTo(s, args[1], -amount);
}

void StrLen(Session* s, Arguments args) {
  if (!s->KeyFits(args[1])) return;
  zkdb_error error{};
  size_t size = 0;
  const zkdb_code code = s->store().Size(args[1], &size, &error);
  if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return s->Fail(error);
  s->reply()->Integer(code == ZKDB_OK ? static_cast<int64_t>(size) : 0);
}

void Type(Session* s, Arguments args) {
  if (!s->KeyFits(args[1])) return;
  zkdb_error error{};
  size_t size = 0;
  const zkdb_code code = s->store().Size(args[1], &size, &error);
  if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return s->Fail(error);
  s->reply()->Simple(code == ZKDB_OK ? "string" : "none");
}

void Exists(Session* s, Arguments args) {
  if (!KeysFit(s, args.subspan(1))) return;
  int64_t there = 0;
  for (const Slice& key : args.subspan(1)) {
    zkdb_error error{};
    size_t size = 0;
    const zkdb_code code = s->store().Size(key, &size, &error);
    if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) return s->Fail(error);
    there += code == ZKDB_OK ? 1 : 0;
  }
  s->reply()->Integer(there);
}

void Del(Session* s, Arguments args) {
  if (!KeysFit(s, args.subspan(1))) return;
  BatchBuilder* batch = s->StartBatch();
  for (const Slice& key : args.subspan(1)) batch->Add(ZKDB_OP_DELETE, key);
  zkdb_write_result result{};
  if (Write(s, *batch, &result)) s->reply()->Integer(static_cast<int64_t>(result.existed));
}

void MGet(Session* s, Arguments args) { ReplyValues(s, args.subspan(1)); }

// ZK.GET snapshot key [key ...]: the values as MGET gives them, of the state of the snapshot.
void ZkGet(Session* s, Arguments args) {
  int64_t id = 0;
  if (!ParseInteger(args[1], &id)) return s->reply()->Error(kNotAnInteger);
  if (!s->ReadAt(static_cast<uint64_t>(id))) return;
  ReplyValues(s, args.subspan(2));
  s->ReadLatest();
}

void MSet(Session* s, Arguments args) {
  if (args.size() % 2 == 0) return s->FailArity("mset");
  BatchBuilder* batch = s->StartBatch();
  for (size_t i = 1; i < args.size(); i += 2) {
    if (!s->KeyFits(args[i])) return;
    batch->Add(ZKDB_OP_PUT, args[i], args[i + 1]);
  }
  zkdb_write_result result{};
  if (Write(s, *batch, &result)) s->reply()->Ok();
}

}  // namespace zkdb::net
