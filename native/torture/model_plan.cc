#include "torture/model_plan.h"

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <utility>

#include "include/zkdb.h"

namespace zkdb::test {
namespace {

class Planner {
 public:
  Planner(ModelPlan* plan) : random_(plan->seed), plan_(plan) {}

  void Keys() {
    std::set<std::string> keys;
    const std::string prefix(Below(3) == 0 ? Below(400) : 0, 'p');
    while (keys.size() < plan_->shape.keys) keys.insert(Key(prefix));
    plan_->keys.assign(keys.begin(), keys.end());
  }

  void Steps() {
    const uint32_t phase_length = 1500 + static_cast<uint32_t>(Below(2000));
    for (uint32_t i = 0; i < plan_->shape.operations; ++i) {
      if (i % phase_length == 0) NextPhase();
      plan_->operations.push_back(Next());
    }
  }

 private:
  // How often each thing happens in a phase, in thousandths.
  struct Phase {
    uint32_t puts, deletes, ranges, conditions, writes, reads;
  };

  uint64_t Below(uint64_t n) { return random_() % n; }
  uint32_t AnyKey() { return static_cast<uint32_t>(Below(plan_->keys.size())); }
  uint32_t AnyBound() { return AnyKey() * 4 + static_cast<uint32_t>(Below(2) == 0 ? 0 : Below(4)); }

  std::string Key(const std::string& prefix) {
    const uint64_t style = Below(100);
    std::string key;
    if (style == 0) return std::string(Below(4), '\0');
    if (style < 10) {  // any bytes
      for (uint64_t n = 1 + Below(12); n > 0; --n) key += static_cast<char>(Below(256));
      return key;
    }
    key += static_cast<char>((Below(2) == 0 ? 'a' : 'A') + Below(26));
    key += static_cast<char>((Below(2) == 0 ? 'a' : 'A') + Below(26));
    if (style < 20) key = "{" + key + "}";
    if (style < 60) key += prefix;
    key += std::to_string(Below(100000));
    if (style > 95) key.insert(2, std::string(Below(style > 98 ? 9000 : 2500), 'L'));
    return key;
  }

  ValueRef Value() {
    const uint64_t kind = Below(1000);
    uint64_t size = Below(200);
    if (kind < 150) size = Below(1300);
    if (kind < 40) size = Below(9000);
    if (kind < big_values_) size = Below(60000);
    const auto table = static_cast<uint32_t>(ValueTable().size());
    return {static_cast<uint32_t>(Below(table - size)), static_cast<uint32_t>(size)};
  }

  void NextPhase() {
    static constexpr std::array<Phase, 5> kPhases = {{
        {700, 60, 0, 40, 60, 100},   // grow
        {520, 60, 1, 60, 150, 170},  // grow in smaller batches
        {100, 520, 6, 40, 90, 200},  // shrink
        {330, 250, 2, 100, 120, 160},
        {120, 100, 12, 60, 200, 450},  // read, and cut subtrees
    }};
    phase_ = kPhases[Below(kPhases.size())];
    big_values_ = Below(4) == 0 ? 8 : 1;
  }

  Step Next() {
    if (Below(plan_->shape.rare) == 0) return Make(Below(3) == 0 ? Act::kCompact : Act::kReopen);
    if (Below(plan_->shape.rare) == 0) return Make(Below(4) == 0 ? Act::kCheck : Act::kCheckpoint);
    uint64_t at = Below(1000);
    for (auto [share, act] : {std::pair{phase_.puts, Act::kPut}, {phase_.deletes, Act::kDelete}}) {
      if (at < share) return Write(act);
      at -= share;
    }
    if (at < phase_.ranges) return Range();
    at -= phase_.ranges;
    if (at < phase_.conditions) return Condition();
    at -= phase_.conditions;
    if (at < phase_.writes) return Commit();
    at -= phase_.writes;
    return at < phase_.reads ? Read() : Pinned();
  }

  static Step Make(Act act) {
    Step step;
    step.act = act;
    return step;
  }

  Step Write(Act act) {
    Step step = Make(act);
    // Neighbouring keys now and then: ascending loads, and leaves that empty one after the other.
    if (Below(8) == 0) run_ = AnyKey();
    run_ = (run_ + 1) % static_cast<uint32_t>(plan_->keys.size());
    step.a = Below(3) == 0 ? run_ : AnyKey();
    if (act != Act::kDelete) step.value = Value();
    if (act != Act::kDelete && act != Act::kDeleteIfValue) SetEnding(&step);
    return step;
  }

  void SetEnding(Step* step) {
    static constexpr std::array<Ending, 8> kEndings = {kNever, kNever, kNever, kNever,
                                                       kLater, kLater, kPast,  kAsBefore};
    step->more = kEndings[Below(kEndings.size())];
    if (step->more == kAsBefore && (step->act == Act::kPutIfAbsent || step->act == Act::kExpire)) step->more = kLater;
    if (step->more == kLater) step->value.ends = 1 + static_cast<uint32_t>(Below(1000));
  }

  Step Range() {
    Step step = Make(Act::kDeleteRange);
    const uint64_t width = Below(8) == 0 ? plan_->keys.size() : plan_->keys.size() / 8;
    step.a = AnyBound();
    const auto last = static_cast<uint32_t>(plan_->keys.size() * 4 - 1);
    step.b = std::min(last, step.a + 4 * static_cast<uint32_t>(Below(width)) + static_cast<uint32_t>(Below(4)));
    step.flags = static_cast<uint8_t>(Below(8) | (Below(30) == 0 ? 0u : uint32_t{ZKDB_RANGE_HAS_HI}));
    return step;
  }

  Step Condition() {
    static constexpr std::array<Act, 6> kActs = {Act::kPutIfAbsent,   Act::kPutIfPresent, Act::kPutIfValue,
                                                 Act::kDeleteIfValue, Act::kExpire,       Act::kExpire};
    Step step = Write(kActs[Below(kActs.size())]);
    step.slot = static_cast<uint8_t>(Below(4) == 0 ? 1 + Below(4) : 0);
    if (step.act == Act::kExpire) step.flags = static_cast<uint8_t>(Below(3) == 0 ? Below(16) : 0);
    return step;
  }

  Step Commit() {
    const uint64_t kind = Below(20);
    Step step = Make(kind == 0 ? Act::kBegin : (kind == 1 ? Act::kCommit : (kind == 2 ? Act::kAbort : Act::kWrite)));
    step.flags = static_cast<uint8_t>(Below(200) == 0 ? Below(3) : uint64_t{ZKDB_DURABILITY_NONE});
    step.more = Below(8) != 0 ? ZKDB_WRITE_NON_ATOMIC : 0;
    return step;
  }

  Step Read() {
    const uint64_t kind = Below(100);
    Step step = Make(kind < 55 ? Act::kGet : (kind < 60 ? Act::kGetMany : (kind < 63 ? Act::kScan : Act::kCursorNext)));
    if (kind >= 85) step.act = kind < 93 ? Act::kCursorSeek : (kind < 98 ? Act::kCursorOpen : Act::kCursorClose);
    const bool key = step.act == Act::kGet || step.act == Act::kGetMany;
    step.a = key ? AnyKey() : AnyBound();
    step.b = step.act == Act::kGetMany ? 1 + static_cast<uint32_t>(Below(60)) : AnyBound();
    step.slot = static_cast<uint8_t>(Below(key ? kFromTransaction + 1 : kCursorSlots));
    step.flags = static_cast<uint8_t>(Below(8));
    step.more = static_cast<uint8_t>(Below(2) | (Below(8) == 0 ? Below(4) << 1 : 0));
    if (step.act == Act::kCursorNext) step.a = 1 + static_cast<uint32_t>(Below(Below(10) == 0 ? 400 : 12));
    if (step.act == Act::kCursorNext) step.b = 16 + static_cast<uint32_t>(Below(Below(4) == 0 ? 200 : 20000));
    if (step.act == Act::kScan) step.b = static_cast<uint32_t>(std::min<uint64_t>(step.a + Below(2000), LastBound()));
    // Where a cursor reads: see kFromTransaction.
    if (step.act == Act::kCursorOpen) step.value.offset = static_cast<uint32_t>(Below(kFromTransaction + 1));
    return step;
  }

  uint64_t LastBound() const { return plan_->keys.size() * 4 - 1; }

  Step Pinned() {
    const uint64_t kind = Below(100);
    Step step = Make(kind < 40 ? Act::kSnapshotOpen : (kind < 55 ? Act::kSnapshotClose : Act::kSnapshotScan));
    if (kind >= 80) step.act = kind < 97 ? Act::kStats : Act::kSync;
    if (step.act == Act::kSnapshotScan && Below(2) == 0) step.act = Act::kSnapshotOpen;
    step.slot = static_cast<uint8_t>(Below(kSnapshotSlots));
    step.more = static_cast<uint8_t>(Below(2));
    return step;
  }

  std::mt19937_64 random_;
  ModelPlan* plan_;
  Phase phase_{};
  uint64_t big_values_ = 1;
  uint32_t run_ = 0;
};

const char* NameOf(Act act) {
  static constexpr std::array kNames = {
      "put",         "delete",       "deleteRange",  "putIfAbsent",   "putIfPresent", "putIfValue", "deleteIfValue",
      "expire",      "write",        "begin",        "commit",        "abort",        "get",        "getMany",
      "scan",        "snapshotOpen", "snapshotScan", "snapshotClose", "cursorOpen",   "cursorNext", "cursorSeek",
      "cursorClose", "stats",        "check",        "sync",          "checkpoint",   "compact",    "reopen"};
  return kNames[static_cast<size_t>(act)];
}

std::string Shown(const std::string& bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "'";
  for (char c : bytes.substr(0, 40)) {
    const auto b = static_cast<unsigned char>(c);
    if (b >= 0x20 && b < 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[b >> 4], kHex[b & 15]};
    }
  }
  return out + (bytes.size() > 40 ? "' of " + std::to_string(bytes.size()) + " bytes" : "'");
}

}  // namespace

ModelPlan MakePlan(const ModelShape& shape, uint64_t seed) {
  ModelPlan plan;
  plan.shape = shape;
  plan.seed = seed;
  Planner planner(&plan);
  planner.Keys();
  planner.Steps();
  return plan;
}

std::string BoundOf(const ModelPlan& plan, uint32_t bound) {
  const std::string& key = plan.keys[bound / 4];
  if (bound % 4 == 0) return key;
  if (bound % 4 == 1) return key.size() < ZKDB_MAX_KEY_SIZE ? key + '\0' : key;
  return key.substr(0, bound % 4 == 2 ? key.size() / 2 : 2);
}

std::string Describe(const ModelPlan& plan, const Step& step) {
  std::string out = NameOf(step.act);
  const auto number = [](const char* name, uint64_t n) { return std::string(" ") + name + "=" + std::to_string(n); };
  const bool bounds = step.act == Act::kDeleteRange || step.act == Act::kScan || step.act == Act::kCursorOpen;
  if (step.act <= Act::kExpire && step.act != Act::kDeleteRange) {
    out += " key " + Shown(plan.keys[step.a]) + number("valueSize", step.value.size) + number("expect", step.slot);
  } else if (bounds || step.act == Act::kCursorSeek) {
    out += " " + Shown(BoundOf(plan, step.a));
    if (bounds) out += " to " + Shown(BoundOf(plan, step.b)) + number("source", step.value.offset);
  } else if (step.act == Act::kGet || step.act == Act::kGetMany) {
    out += " key " + Shown(plan.keys[step.a]) + number("b", step.b);
  } else {
    out += number("a", step.a) + number("b", step.b);
  }
  return out + number("slot", step.slot) + number("flags", step.flags) + number("more", step.more);
}

}  // namespace zkdb::test
