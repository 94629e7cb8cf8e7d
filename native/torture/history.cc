#include "torture/history.h"

namespace zkdb::test {
namespace {

std::string Shown(const List& list) {
  std::string out = "[";
  const size_t from = list.size() > 6 ? list.size() - 6 : 0;
  if (from > 0) out += "... ";
  for (size_t i = from; i < list.size(); ++i) out += (i > from ? " " : "") + std::to_string(list[i]);
  return out + "], length " + std::to_string(list.size());
}

}  // namespace

std::string Describe(const History& history, size_t index) {
  static constexpr const char* kKinds[] = {"snapshot", "get", "scan", "transaction", "batch"};
  const HistoryEntry& e = history[index];
  std::string out = std::string(e.committed ? "" : "aborted ") + kKinds[static_cast<size_t>(e.kind)] + " " +
                    std::to_string(index) + " of thread " + std::to_string(e.thread) + " [" + std::to_string(e.begin) +
                    ", " + std::to_string(e.end) + "]";
  if (e.sequence != 0) out += ", commit " + std::to_string(e.sequence);
  out += ":";
  for (const Access& a : e.accesses) {
    const std::string key = " key " + std::to_string(a.key);
    if (a.kind == Access::Kind::kAppend) {
      out += " append " + std::to_string(a.element) + " to" + key + ";";
    } else {
      out += key + (a.kind == Access::Kind::kRead ? " is " : " is beyond ") + Shown(a.list) + ";";
    }
  }
  return out;
}

}  // namespace zkdb::test
