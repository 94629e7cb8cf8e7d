#include "torture/crash_log.h"

#include <algorithm>

namespace zkdb::test {
namespace {

constexpr size_t kAllSubsets = 10;  // waiting writes of which every subset is made
constexpr uint64_t kSector = 512;
constexpr uint64_t kBlock = 4096;
constexpr size_t kMostTears = 16;  // boundaries of each size
constexpr size_t kLieReach = 60;   // operations after a lie
constexpr size_t kAllLiesReach = 80;

// The end of what is not zero in a write.
uint64_t EndOfData(const std::string& bytes) {
  const size_t last = bytes.find_last_not_of('\0');
  return last == std::string::npos ? 0 : last + 1;
}

}  // namespace

void CrashLog::Watch(MemoryEnv* env, std::function<void(const FsOp&)> after) {
  env->SetObserver([this, after = std::move(after)](FsOp&& op) {
    FsOp copy;
    copy.kind = op.kind;
    copy.path = op.path;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ops_.push_back(std::move(op));
    }
    if (after) after(copy);
  });
}

// ---- the disk ------------------------------------------------------------------------------------------------------

bool CrashReplay::Covers(const FsOp& sync, const FsOp& op) const {
  if (sync.kind == FsOp::Kind::kSync) return op.is_content() && op.id == sync.id;
  return !op.is_content() && FolderOf(op.path) == sync.path;
}

// What the sync covers goes to the disk for good.
void CrashReplay::Flush(const FsOp& sync) {
  std::erase_if(waiting_, [&](size_t i) {
    if (!Covers(sync, ops_[i])) return false;
    disk_->Apply(ops_[i]);
    return true;
  });
}

void CrashReplay::Step(size_t op) {
  if (ops_[op].is_sync()) {
    Flush(ops_[op]);
  } else {
    waiting_.push_back(op);
  }
  prefix_ = op + 1;
}

void CrashReplay::SeedAt(size_t a, size_t b) { random_.seed(plan_.seed * 1000003 + a * 7919 + b); }

void CrashReplay::Run(const Visit& visit) {
  visit_ = visit;
  const size_t mark = disk_->Mark();
  VisitPrefix();
  for (size_t i = 0; i < ops_.size() && !stopped_; ++i) {
    if (ops_[i].is_sync()) Lies(i);
    Step(i);
    VisitPrefix();
  }
  disk_->Rollback(mark);
}

void CrashReplay::Emit(CrashKind kind, const Parts& parts) {
  if (stopped_) return;
  CrashState state;
  state.kind = kind;
  state.prefix = prefix_;
  const uint64_t number = number_++;
  if (plan_.keep_one_in > 1 && kind != CrashKind::kWhole &&
      (number * 2654435761u + prefix_ * 40503u) / 64 % plan_.keep_one_in != 0) {
    return;
  }
  state.id = lie_ + std::to_string(prefix_) + "." + std::to_string(number);
  if (!only_.empty() && state.id != only_) return;
  current_ = parts;
  const size_t mark = disk_->Mark();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].keep) continue;
    if (parts[i].ranges.empty()) disk_->Apply(ops_[waiting_[i]]);
    for (const Range& r : parts[i].ranges) disk_->Apply(ops_[waiting_[i]], r.from, r.to);
  }
  stopped_ = !visit_(state);
  disk_->Rollback(mark);
}

std::string CrashReplay::Describe() const {
  std::string text = "after operation " + std::to_string(prefix_) + " of " + std::to_string(ops_.size());
  if (prefix_ > 0) text += " (" + ops_[prefix_ - 1].Describe() + ")";
  text += ", waiting:";
  for (size_t i = 0; i < current_.size(); ++i) {
    text += "\n    " + std::to_string(waiting_[i]) + " " + ops_[waiting_[i]].Describe() + ": ";
    text += !current_[i].keep ? "missing" : (current_[i].ranges.empty() ? "there" : "torn, there is");
    for (const Range& r : current_[i].ranges) text += " [" + std::to_string(r.from) + "," + std::to_string(r.to) + ")";
  }
  return text;
}

// ---- states of a prefix --------------------------------------------------------------------------------------------

void CrashReplay::VisitPrefix() {
  if (stopped_) return;
  SeedAt(prefix_, 0);
  number_ = 0;
  lie_.clear();
  const bool newest_waits = !waiting_.empty() && waiting_.back() + 1 == prefix_;
  Subsets(newest_waits);
  if (!newest_waits || ops_[waiting_.back()].kind != FsOp::Kind::kWrite) return;
  if (ops_[waiting_.back()].bytes.size() > kSector) Tears();
  SeveralTorn();
}

// Sets of writes; with `newest_is_write` the last one is in each.
std::vector<std::vector<bool>> CrashReplay::WriteChoices(size_t writes, bool newest_is_write) {
  std::vector<std::vector<bool>> choices;
  const size_t free = writes - (newest_is_write ? 1 : 0);
  if (writes <= kAllSubsets) {
    for (uint32_t bits = 0; bits < 1u << free; ++bits) {
      std::vector<bool> choice(writes, newest_is_write);
      for (size_t i = 0; i < free; ++i) choice[i] = (~bits >> i & 1) != 0;
      choices.push_back(std::move(choice));
    }
    return choices;
  }
  choices.emplace_back(writes, true);
  for (size_t i = 0; i < free; ++i) {
    std::vector<bool> all_but_one(writes, true);
    all_but_one[i] = false;
    choices.push_back(std::move(all_but_one));
  }
  for (size_t i = newest_is_write ? free : 0; i < writes; ++i) {
    std::vector<bool> one(writes, false);
    one[i] = true;
    choices.push_back(std::move(one));
  }
  for (uint32_t n = 0; n < plan_.random_subsets; ++n) {
    std::vector<bool> some(writes, newest_is_write);
    for (size_t i = 0; i < free; ++i) some[i] = random_() % 2 == 0;
    choices.push_back(std::move(some));
  }
  return choices;
}

// Sets of other operations: all, none, one missing, one alone, random ones.
std::vector<std::vector<bool>> CrashReplay::OtherChoices(size_t others, bool newest_is_other) {
  std::vector<std::vector<bool>> choices(1, std::vector<bool>(others, true));
  if (others == 0) return choices;
  std::vector<bool> none(others, false);
  none.back() = newest_is_other;
  choices.push_back(none);
  if (others < 2) return choices;
  std::vector<bool> missing(others, true);
  missing[random_() % (others - (newest_is_other ? 1 : 0))] = false;
  choices.push_back(std::move(missing));
  std::vector<bool> some(others);
  for (size_t i = 0; i < others; ++i) some[i] = random_() % 2 == 0;
  if (newest_is_other) some.back() = true;
  choices.push_back(std::move(some));
  return choices;
}

void CrashReplay::Subsets(bool newest_waits) {
  size_t writes = 0;
  for (const size_t i : waiting_) writes += ops_[i].kind == FsOp::Kind::kWrite ? 1 : 0;
  const size_t others = waiting_.size() - writes;
  const bool newest_is_write = newest_waits && ops_[waiting_.back()].kind == FsOp::Kind::kWrite;
  const bool newest_is_other = newest_waits && !newest_is_write;
  seen_.clear();
  bool first_writes = true;
  for (const std::vector<bool>& w : WriteChoices(writes, newest_is_write)) {
    // Every set of other operations goes with all writes, two of them with each set of writes.
    std::vector<std::vector<bool>> choices = OtherChoices(others, newest_is_other);
    if (!first_writes && choices.size() > 2) choices = {choices[0], choices[2 + random_() % (choices.size() - 2)]};
    first_writes = false;
    for (const std::vector<bool>& o : choices) {
      Parts parts(waiting_.size());
      std::vector<bool> bits(waiting_.size());
      size_t next_write = 0;
      size_t next_other = 0;
      for (size_t i = 0; i < waiting_.size(); ++i) {
        const bool is_write = ops_[waiting_[i]].kind == FsOp::Kind::kWrite;
        bits[i] = parts[i].keep = is_write ? w[next_write++] : o[next_other++];
      }
      if (!seen_.insert(bits).second) continue;
      const bool whole = std::find(bits.begin(), bits.end(), false) == bits.end();
      Emit(whole ? CrashKind::kWhole : CrashKind::kSubset, parts);
    }
  }
}

// ---- torn writes ---------------------------------------------------------------------------------------------------

// The newest write with these ranges of it: alone, and with all else that waits.
void CrashReplay::TearAt(const std::vector<Range>& ranges) {
  for (const bool others : {true, false}) {
    Parts parts(waiting_.size());
    for (Part& p : parts) p.keep = others;
    parts.back() = {true, ranges};
    if (others || waiting_.size() > 1) Emit(CrashKind::kTorn, parts);
  }
}

void CrashReplay::Tears() {
  const FsOp& op = ops_[waiting_.back()];
  const uint64_t size = op.bytes.size();
  const uint64_t first = kSector - op.offset % kSector;
  const uint64_t end = std::min(size, EndOfData(op.bytes) + kSector);
  std::set<uint64_t> cuts;
  for (uint64_t at = first, n = 0; at < end && n < kMostTears; at += kSector, ++n) cuts.insert(at);
  for (uint64_t n = 0; n < kMostTears && first + n * kSector < end; ++n) {
    cuts.insert(first + ((end - first - 1) / kSector - n) * kSector);
  }
  const uint64_t first_block = kBlock - op.offset % kBlock;
  for (uint64_t at = first_block, n = 0; at < end && n < kMostTears; at += kBlock, ++n) cuts.insert(at);
  for (const uint64_t cut : cuts) {
    if (cut >= size) continue;
    TearAt({{0, cut}});
    TearAt({{cut, size}});
  }
  for (uint32_t n = 0; n < plan_.torn_random; ++n) {
    const Part torn = TornPart(op);
    if (!torn.ranges.empty()) TearAt(torn.ranges);
  }
}

// Random sectors or blocks of a write.
CrashReplay::Part CrashReplay::TornPart(const FsOp& op) {
  Part part{true, {}};
  const uint64_t step = random_() % 2 == 0 ? kSector : kBlock;
  uint64_t from = 0;
  for (uint64_t to = step - op.offset % step; from < op.bytes.size(); from = to, to += step) {
    to = std::min<uint64_t>(to, op.bytes.size());
    if (random_() % 2 == 0) part.ranges.push_back({from, to});
  }
  part.keep = !part.ranges.empty();
  return part;
}

// Random subsets in which writes are torn too.
void CrashReplay::SeveralTorn() {
  if (waiting_.size() < 2) return;
  for (uint32_t n = 0; n < plan_.torn_random; ++n) {
    Parts parts(waiting_.size());
    for (size_t i = 0; i < parts.size(); ++i) {
      const FsOp& op = ops_[waiting_[i]];
      parts[i].keep = random_() % 4 != 0;
      if (op.kind == FsOp::Kind::kWrite && random_() % 2 == 0) parts[i] = TornPart(op);
    }
    Emit(CrashKind::kTorn, parts);
  }
}

// ---- syncs that lied -----------------------------------------------------------------------------------------------

void CrashReplay::Lies(size_t sync) {
  SeedAt(sync, 1);
  const bool lies = Chance(plan_.lies_per_mille);
  const bool all_lie = Chance(plan_.all_lies_per_mille);
  std::set<size_t> lied;
  for (const size_t i : waiting_) {
    if (Covers(ops_[sync], ops_[i])) lied.insert(i);
  }
  if (lied.empty()) return;
  if (all_lie) AllLies(sync);
  if (!lies) return;
  const std::vector<size_t> waiting = waiting_;
  const size_t mark = disk_->Mark();
  const size_t end = std::min(ops_.size(), sync + kLieReach);
  for (size_t i = sync + 1; i < end && !stopped_; ++i) {
    const FsOp& op = ops_[i];
    // One journal has the names of all directories: the next sync of any keeps what this one should have kept.
    if (op.kind == ops_[sync].kind && (op.kind == FsOp::Kind::kSyncDirectory || op.id == ops_[sync].id)) break;
    Step(i);
    SeedAt(sync, prefix_ + 2);
    if (!op.is_sync() && random_() % 8 != 0) continue;
    lie_ = std::to_string(sync) + "~";
    number_ = 0;
    VisitLie(lied);
  }
  disk_->Rollback(mark);
  waiting_ = waiting;
}

// Where a change of a name is missing, every later one is: that is the order of the file system's journal.
void CrashReplay::LoseLaterNames(Parts* parts) const {
  bool lost = false;
  for (size_t i = 0; i < parts->size(); ++i) {
    if (ops_[waiting_[i]].is_content()) continue;
    lost |= !(*parts)[i].keep;
    (*parts)[i].keep = !lost;
  }
}

// All that waits is there but some of what the sync lied about.
void CrashReplay::VisitLie(const std::set<size_t>& lied) {
  const auto visit = [&](const std::function<bool(size_t nth)>& missing) {
    Parts parts(waiting_.size());
    size_t nth = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      parts[i].keep = !lied.contains(waiting_[i]) || !missing(nth++);
    }
    LoseLaterNames(&parts);
    Emit(CrashKind::kLied, parts);
  };
  visit([](size_t) { return true; });
  for (size_t one = 0; lied.size() > 1 && one < std::min<size_t>(lied.size(), 4); ++one) {
    const size_t which = lied.size() <= 4 ? one : random_() % lied.size();
    visit([which](size_t nth) { return nth == which; });
  }
  if (lied.size() > 2) visit([this](size_t) { return random_() % 2 == 0; });
}

void CrashReplay::AllLies(size_t from) {
  const std::vector<size_t> waiting = waiting_;
  const size_t end = std::min(ops_.size(), from + kAllLiesReach);
  for (size_t i = from + 1; i < end && !stopped_; ++i) {
    if (!ops_[i].is_sync()) waiting_.push_back(i);
    prefix_ = i + 1;
    SeedAt(from, prefix_ + 1000);
    lie_ = std::to_string(from) + "!";
    number_ = 0;
    for (const uint64_t missing_in : {2, 8, 32}) {
      Parts parts(waiting_.size());
      for (Part& p : parts) p.keep = random_() % missing_in != 0;
      LoseLaterNames(&parts);
      Emit(CrashKind::kAllLied, parts);
    }
  }
  waiting_ = waiting;
}

}  // namespace zkdb::test
