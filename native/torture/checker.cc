#include "torture/checker.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "torture/dependency_graph.h"

namespace zkdb::test {
namespace {

constexpr size_t kFindingsOfAKind = 3;

using Kind = Access::Kind;

// Where an element was appended.
struct Writer {
  uint32_t entry;
  bool last;  // of the entry's appends to that key
};

// What is known of one list.
struct KnownList {
  List order;                    // the longest that was read
  std::vector<uint32_t> unread;  // entries whose committed appends are not in `order`
};

class Checker {
 public:
  explicit Checker(const History& history) : history_(history), graph_(history.size()) {}

  std::vector<Finding> Run() {
    CollectWriters();
    CollectOrders();
    CheckReads();
    CollectUnread();
    CheckLostUpdates();
    CheckInternal();
    AddEdges();
    AddRealTime();
    CheckCycles();
    CheckSequences();
    return std::move(findings_);
  }

 private:
  void Found(Anomaly anomaly, const std::string& what) {
    if (++counts_[anomaly] <= kFindingsOfAKind) findings_.push_back({anomaly, what});
  }
  std::string Show(uint32_t entry) const { return "\n    " + Describe(history_, entry); }

  void CollectWriters();
  void CollectOrders();
  void CheckReads();
  void CheckRead(uint32_t entry, const Access& read);
  void CollectUnread();
  void CheckLostUpdates();
  void CheckInternal();
  void CheckInternalOf(uint32_t entry);
  void AddEdges();
  void AddReadEdges(uint32_t entry, const Access& access);
  void AddRealTime();
  void CheckCycles();
  void CheckReadCycles();
  bool NameReadCycle(uint32_t reader, const Edge& edge);
  void ReportCycles(Anomaly anomaly, uint8_t kinds);
  std::string ShowPath(const std::vector<PathStep>& path) const;
  void CheckSequences();
  void CheckCut(uint32_t entry, const Access& read);
  void CheckSequenceTimes();

  const Writer* WriterOf(uint32_t element) const {
    const auto at = writers_.find(element);
    return at == writers_.end() ? nullptr : &at->second;
  }
  // Whether the access is the entry's first to its key: what it reads then is the state that the entry found.
  static bool BeforeOwn(const HistoryEntry& e, const Access& access) {
    for (const Access& a : e.accesses) {
      if (&a == &access) return true;
      if (a.key == access.key && a.kind == Kind::kAppend) return false;
    }
    return false;
  }

  const History& history_;
  std::vector<Finding> findings_;
  std::map<Anomaly, size_t> counts_;
  std::unordered_map<uint32_t, Writer> writers_;
  std::map<uint32_t, KnownList> lists_;
  DependencyGraph graph_;
};

void Checker::CollectWriters() {
  for (uint32_t i = 0; i < history_.size(); ++i) {
    std::set<uint32_t> later;  // keys that this entry appends to again
    for (auto a = history_[i].accesses.rbegin(); a != history_[i].accesses.rend(); ++a) {
      if (a->kind == Kind::kAppend) writers_[a->element] = {i, later.insert(a->key).second};
    }
  }
}

void Checker::CollectOrders() {
  for (const HistoryEntry& e : history_) {
    for (const Access& a : e.accesses) {
      if (!e.committed || a.kind != Kind::kRead) continue;
      List& order = lists_[a.key].order;
      if (a.list.size() > order.size()) order = a.list;
    }
  }
  for (auto& [key, known] : lists_) {
    const std::set<uint32_t> unique(known.order.begin(), known.order.end());
    if (unique.size() != known.order.size()) {
      Found(Anomaly::kInvented, "key " + std::to_string(key) + " holds an element twice");
    }
  }
}

// ---- single reads

void Checker::CheckReads() {
  for (uint32_t i = 0; i < history_.size(); ++i) {
    for (const Access& a : history_[i].accesses) {
      if (a.kind == Kind::kRead) CheckRead(i, a);
    }
  }
}

void Checker::CheckRead(uint32_t entry, const Access& read) {
  const List& order = lists_[read.key].order;
  const std::string key = "key " + std::to_string(read.key);
  const bool prefix = read.list.size() <= order.size() && std::equal(read.list.begin(), read.list.end(), order.begin());
  if (!prefix && history_[entry].committed) {
    Found(Anomaly::kIncompatible, key + " was read as lists that are not one list's beginnings:" + Show(entry));
  }
  for (uint32_t element : read.list) {
    const Writer* w = WriterOf(element);
    if (w == nullptr) return Found(Anomaly::kInvented, key + " holds what nobody appended:" + Show(entry));
    if (w->entry == entry || history_[w->entry].committed) continue;
    Found(Anomaly::kG1a, key + " holds what an aborted one appended:" + Show(w->entry) + Show(entry));
  }
  if (read.list.empty()) return;
  const Writer* last = WriterOf(read.list.back());
  if (last->entry != entry && !last->last) {
    Found(Anomaly::kG1b, key + " was read between the appends of one:" + Show(last->entry) + Show(entry));
  }
}

void Checker::CollectUnread() {
  for (uint32_t i = 0; i < history_.size(); ++i) {
    for (const Access& a : history_[i].accesses) {
      if (!history_[i].committed || a.kind != Kind::kAppend) continue;
      KnownList& known = lists_[a.key];
      const bool read = std::find(known.order.begin(), known.order.end(), a.element) != known.order.end();
      if (!read) known.unread.push_back(i);
    }
  }
}

void Checker::CheckLostUpdates() {
  // Two that read the same state of a key and both appended to it.
  std::map<std::pair<uint32_t, size_t>, uint32_t> updates;
  for (uint32_t i = 0; i < history_.size(); ++i) {
    const HistoryEntry& e = history_[i];
    for (const Access& a : e.accesses) {
      if (!e.committed || a.kind != Kind::kRead || !BeforeOwn(e, a)) continue;
      const bool appends = std::any_of(e.accesses.begin(), e.accesses.end(),
                                       [&](const Access& b) { return b.kind == Kind::kAppend && b.key == a.key; });
      if (!appends) continue;
      const auto [at, fresh] = updates.try_emplace({a.key, a.list.size()}, i);
      if (fresh || at->second == i) continue;
      Found(Anomaly::kLostUpdate,
            "both updated the same state of key " + std::to_string(a.key) + ":" + Show(at->second) + Show(i));
    }
  }
  // An append that was acknowledged before a read began which does not see it, nor does any other.
  for (uint32_t i = 0; i < history_.size(); ++i) {
    for (const Access& a : history_[i].accesses) {
      if (!history_[i].committed || a.kind != Kind::kRead) continue;
      for (uint32_t writer : lists_[a.key].unread) {
        if (writer == i || history_[writer].end >= history_[i].begin) continue;
        Found(Anomaly::kLostUpdate, "an acknowledged append is gone:" + Show(writer) + Show(i));
      }
    }
  }
}

void Checker::CheckInternal() {
  for (uint32_t i = 0; i < history_.size(); ++i) CheckInternalOf(i);
}

void Checker::CheckInternalOf(uint32_t entry) {
  std::map<uint32_t, std::optional<List>> seen;  // what the entry has to find, once it has read the key
  for (const Access& a : history_[entry].accesses) {
    std::optional<List>& expected = seen[a.key];
    if (a.kind == Kind::kAppend && expected) expected->push_back(a.element);
    if (a.kind != Kind::kRead) continue;
    if (expected && *expected != a.list) {
      Found(Anomaly::kInternal, "key " + std::to_string(a.key) + " changed under the reader:" + Show(entry));
    }
    expected = a.list;
  }
}

// ---- dependencies

void Checker::AddEdges() {
  for (const auto& [key, known] : lists_) {
    for (size_t i = 0; i + 1 < known.order.size(); ++i) {
      const Writer* a = WriterOf(known.order[i]);
      const Writer* b = WriterOf(known.order[i + 1]);
      if (a != nullptr && b != nullptr) graph_.Add(a->entry, b->entry, kWw, key);
    }
    const Writer* last = known.order.empty() ? nullptr : WriterOf(known.order.back());
    for (uint32_t unread : known.unread) {
      if (last != nullptr) graph_.Add(last->entry, unread, kWw, key);
    }
  }
  for (uint32_t i = 0; i < history_.size(); ++i) {
    if (!history_[i].committed) continue;
    for (const Access& a : history_[i].accesses) {
      if (a.kind != Kind::kAppend && BeforeOwn(history_[i], a)) AddReadEdges(i, a);
    }
  }
}

void Checker::AddReadEdges(uint32_t entry, const Access& access) {
  const KnownList& known = lists_[access.key];
  const size_t n = access.list.size();
  const Writer* next = n < known.order.size() ? WriterOf(known.order[n]) : nullptr;
  if (access.kind == Kind::kBeyond) {
    if (next != nullptr) graph_.Add(next->entry, entry, kWr, access.key);
    return;
  }
  const Writer* last = n > 0 ? WriterOf(access.list.back()) : nullptr;
  if (last != nullptr) graph_.Add(last->entry, entry, kWr, access.key);
  if (next != nullptr) graph_.Add(entry, next->entry, kRw, access.key);
  for (uint32_t unread : known.unread) {
    if (n >= known.order.size()) graph_.Add(entry, unread, kRw, access.key);
  }
}

// A node for each end, in a chain: whoever began later is reached from all that ended before, with few edges.
void Checker::AddRealTime() {
  std::vector<std::pair<uint64_t, std::pair<uint32_t, bool>>> events;  // tick, entry, ends
  for (uint32_t i = 0; i < history_.size(); ++i) {
    if (!history_[i].committed) continue;
    events.push_back({history_[i].begin, {i, false}});
    events.push_back({history_[i].end, {i, true}});
  }
  std::sort(events.begin(), events.end());
  std::optional<uint32_t> chain;
  for (const auto& [tick, event] : events) {
    const auto [entry, ends] = event;
    if (!ends) {
      if (chain) graph_.Add(*chain, entry, kRealTime);
      continue;
    }
    const uint32_t node = graph_.AddNode();
    if (chain) graph_.Add(*chain, node, kRealTime);
    graph_.Add(entry, node, kRealTime);
    chain = node;
  }
}

// ---- cycles

std::string Checker::ShowPath(const std::vector<PathStep>& path) const {
  std::string out;
  bool in_chain = false;
  for (const PathStep& step : path) {
    if (step.node < history_.size()) out += Show(step.node);
    const char* name = step.edge.kind == kWw ? "ww" : (step.edge.kind == kWr ? "wr" : "rw");
    if (step.edge.kind != kRealTime) out += "\n      " + std::string(name) + " of key " + std::to_string(step.edge.key);
    if (step.edge.kind == kRealTime && !in_chain) out += "\n      ended before";
    in_chain = step.edge.kind == kRealTime;
  }
  return out;
}

void Checker::ReportCycles(Anomaly anomaly, uint8_t kinds) {
  const std::vector<uint32_t> components = graph_.Components(kinds);
  std::set<uint32_t> reported;
  for (uint32_t i = 0; i < history_.size(); ++i) {
    if (components[i] == 0 || !reported.insert(components[i]).second) continue;
    Found(anomaly, "a cycle:" + ShowPath(graph_.Path(i, i, kinds)));
  }
}

void Checker::CheckCycles() {
  ReportCycles(Anomaly::kG0, kWw);
  if (counts_[Anomaly::kG0] == 0) ReportCycles(Anomaly::kG1c, kWw | kWr);
  if (counts_[Anomaly::kG0] + counts_[Anomaly::kG1c] > 0) return;
  CheckReadCycles();
  if (findings_.empty()) ReportCycles(Anomaly::kNonMonotonic, kWw | kWr | kRw | kRealTime);
}

void Checker::CheckReadCycles() {
  const std::vector<uint32_t> components = graph_.Components(kWw | kWr | kRw);
  bool any = false;
  bool named = false;
  for (uint32_t i = 0; i < history_.size(); ++i) {
    if (components[i] == 0) continue;
    any = true;
    for (const Edge& e : graph_.From(i)) {
      if (e.kind == kRw && components[e.to] == components[i]) named |= NameReadCycle(i, e);
    }
  }
  if (any && !named) ReportCycles(Anomaly::kWriteSkew, kWw | kWr | kRw);
}

// A cycle that `edge`, by which `reader` does not see an append, closes without another rw edge.
bool Checker::NameReadCycle(uint32_t reader, const Edge& edge) {
  std::vector<PathStep> path = graph_.Path(edge.to, reader, kWw | kWr);
  if (path.empty()) return false;
  const bool direct = path.size() == 1 && path.front().edge.kind == kWr;
  path.insert(path.begin(), {reader, edge});
  Found(direct ? Anomaly::kNonAtomic : Anomaly::kReadSkew,
        (direct ? "one sees a part of what the other did:" : "a cycle:") + ShowPath(path));
  return true;
}

// ---- numbers

void Checker::CheckSequences() {
  for (const auto& [key, known] : lists_) {
    uint64_t before = 0;
    for (uint32_t element : known.order) {
      const Writer* w = WriterOf(element);
      const uint64_t sequence = w == nullptr ? 0 : history_[w->entry].sequence;
      if (sequence == 0) continue;
      if (sequence < before) {
        Found(Anomaly::kSequence, "the numbers of the commits are not the order of the appends:" + Show(w->entry));
      }
      before = sequence;
    }
  }
  for (uint32_t i = 0; i < history_.size(); ++i) {
    if (history_[i].kind != HistoryEntry::Kind::kSnapshot || history_[i].sequence == 0) continue;
    for (const Access& a : history_[i].accesses) {
      if (a.kind == Kind::kRead) CheckCut(i, a);
    }
  }
  CheckSequenceTimes();
}

// A snapshot of commit n holds the commits up to n and no other.
void Checker::CheckCut(uint32_t entry, const Access& read) {
  const uint64_t cut = history_[entry].sequence;
  const KnownList& known = lists_[read.key];
  const auto sequence = [&](uint32_t element) {
    const Writer* w = WriterOf(element);
    return w == nullptr ? 0 : history_[w->entry].sequence;
  };
  if (!read.list.empty() && sequence(read.list.back()) > cut) {
    Found(Anomaly::kSequence, "a snapshot holds a later commit:" + Show(entry));
  }
  const size_t n = read.list.size();
  const uint64_t next = n < known.order.size() ? sequence(known.order[n]) : 0;
  if (next != 0 && next <= cut) Found(Anomaly::kSequence, "a snapshot lacks an earlier commit:" + Show(entry));
}

// What ended before another began has the lower number; a later snapshot has at least that of an earlier one.
void Checker::CheckSequenceTimes() {
  std::vector<std::pair<uint64_t, std::pair<uint32_t, bool>>> events;
  for (uint32_t i = 0; i < history_.size(); ++i) {
    if (!history_[i].committed || history_[i].sequence == 0) continue;
    events.push_back({history_[i].begin, {i, false}});
    events.push_back({history_[i].end, {i, true}});
  }
  std::sort(events.begin(), events.end());
  uint64_t highest = 0;
  for (const auto& [tick, event] : events) {
    const HistoryEntry& e = history_[event.first];
    if (event.second) {
      highest = std::max(highest, e.sequence);
    } else if (e.sequence < highest) {
      Found(Anomaly::kSequence,
            "its number is below " + std::to_string(highest) + ", which was known before:" + Show(event.first));
    }
  }
}

}  // namespace

const char* NameOf(Anomaly anomaly) {
  static constexpr const char* kNames[] = {"invented element",
                                           "incompatible order",
                                           "internal inconsistency",
                                           "G0 write cycle",
                                           "G1a aborted read",
                                           "G1b intermediate read",
                                           "G1c circular information flow",
                                           "lost update",
                                           "non-atomic batch",
                                           "G-single read skew",
                                           "G2 write skew",
                                           "non-monotonic read",
                                           "commit numbers"};
  return kNames[static_cast<size_t>(anomaly)];
}

std::vector<Finding> CheckHistory(const History& history) { return Checker(history).Run(); }

}  // namespace zkdb::test
