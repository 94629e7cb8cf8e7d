// The checker of isolation on histories made by hand: each anomaly is found under its name, and sound histories are not
// complained of.
#include "torture/checker.h"

#include <algorithm>

#include "core/base/test.h"

namespace zkdb::test {
namespace {

using Kind = HistoryEntry::Kind;

Access Read(uint32_t key, List list) { return {Access::Kind::kRead, key, 0, std::move(list)}; }
Access Append(uint32_t key, uint32_t element) { return {Access::Kind::kAppend, key, element, {}}; }
Access Beyond(uint32_t key, List list) { return {Access::Kind::kBeyond, key, 0, std::move(list)}; }

// Entries that all overlap in time, so that only what they saw orders them.
HistoryEntry Make(Kind kind, std::vector<Access> accesses) {
  HistoryEntry e;
  e.kind = kind;
  e.begin = 1;
  e.end = 1000;
  e.accesses = std::move(accesses);
  return e;
}
HistoryEntry Txn(std::vector<Access> accesses) { return Make(Kind::kTransaction, std::move(accesses)); }
HistoryEntry Snapshot(std::vector<Access> accesses) { return Make(Kind::kSnapshot, std::move(accesses)); }
HistoryEntry At(uint64_t begin, uint64_t end, HistoryEntry e, uint64_t sequence = 0) {
  e.begin = begin;
  e.end = end;
  e.sequence = sequence;
  return e;
}
HistoryEntry Aborted(HistoryEntry e) {
  e.committed = false;
  return e;
}

bool Finds(const History& history, Anomaly anomaly) {
  const std::vector<Finding> findings = CheckHistory(history);
  return std::any_of(findings.begin(), findings.end(), [&](const Finding& f) { return f.anomaly == anomaly; });
}

bool Sound(const History& history) {
  const std::vector<Finding> findings = CheckHistory(history);
  for (const Finding& f : findings) Fail(__FILE__, __LINE__, std::string(NameOf(f.anomaly)) + ": " + f.what);
  return findings.empty();
}

TEST(a_serializable_history_has_no_findings) {
  EXPECT(Sound({}));
  EXPECT(Sound({At(1, 2, Txn({Read(1, {}), Append(1, 10), Append(2, 11)}), 1),
                At(3, 4, Snapshot({Read(1, {10}), Read(2, {11})}), 1),
                At(3, 6, Txn({Read(1, {10}), Append(1, 12), Append(1, 13), Read(1, {10, 12, 13})}), 2),
                At(3, 9, Snapshot({Read(1, {10}), Read(2, {11})}), 1), At(7, 8, Txn({Beyond(1, {10})})),
                Aborted(At(7, 9, Txn({Read(1, {10, 12, 13}), Append(1, 14), Read(1, {10, 12, 13, 14})}))),
                At(10, 11, Snapshot({Read(1, {10, 12, 13})}), 2)}));
}

TEST(a_write_cycle_is_g0) {
  EXPECT(Finds({Txn({Append(1, 10), Append(2, 20)}), Txn({Append(1, 11), Append(2, 21)}), Snapshot({Read(1, {10, 11})}),
                Snapshot({Read(2, {21, 20})})},
               Anomaly::kG0));
}

TEST(a_read_of_what_was_rolled_back_is_g1a) {
  EXPECT(Finds({Aborted(Txn({Append(1, 10)})), Snapshot({Read(1, {10})})}, Anomaly::kG1a));
}

TEST(a_read_between_two_appends_of_one_transaction_is_g1b) {
  EXPECT(Finds({Txn({Append(1, 10), Append(1, 11)}), Snapshot({Read(1, {10})}), Snapshot({Read(1, {10, 11})})},
               Anomaly::kG1b));
}

TEST(two_transactions_that_see_each_other_are_g1c) {
  EXPECT(Finds({Txn({Append(1, 10), Read(2, {20})}), Txn({Append(2, 20), Read(1, {10})})}, Anomaly::kG1c));
}

TEST(two_updates_of_one_state_are_a_lost_update) {
  EXPECT(Finds({Txn({Read(1, {}), Append(1, 10)}), Txn({Read(1, {}), Append(1, 11)}), Snapshot({Read(1, {10, 11})})},
               Anomaly::kLostUpdate));
  // The second one overwrote the first: nobody ever sees it.
  EXPECT(Finds({At(1, 2, Txn({Append(1, 10)})), At(3, 4, Txn({Append(1, 11)})), At(5, 6, Snapshot({Read(1, {11})}))},
               Anomaly::kLostUpdate));
}

TEST(half_of_a_batch_is_a_non_atomic_batch) {
  EXPECT(Finds({Make(Kind::kBatch, {Append(1, 10), Append(2, 20)}), Snapshot({Read(1, {10}), Read(2, {})}),
                Snapshot({Read(2, {20})})},
               Anomaly::kNonAtomic));
  // Also when nobody ever saw the other half.
  EXPECT(Finds({Make(Kind::kBatch, {Append(1, 10), Append(2, 20)}), Snapshot({Read(1, {10}), Read(2, {})})},
               Anomaly::kNonAtomic));
}

TEST(a_cycle_over_one_missed_append_is_read_skew) {
  // The reader sees the second transaction, which follows the first, and not the first.
  EXPECT(Finds({Txn({Append(1, 10), Append(3, 30)}), Txn({Append(3, 31), Append(2, 20)}),
                Snapshot({Read(1, {}), Read(2, {20})}), Snapshot({Read(1, {10}), Read(3, {30, 31})})},
               Anomaly::kReadSkew));
}

TEST(two_transactions_that_miss_each_other_are_write_skew) {
  EXPECT(Finds({Txn({Read(1, {}), Append(2, 20)}), Txn({Read(2, {}), Append(1, 10)}), Snapshot({Read(1, {10})}),
                Snapshot({Read(2, {20})})},
               Anomaly::kWriteSkew));
}

TEST(a_later_reader_that_sees_less_is_non_monotonic) {
  const HistoryEntry write = At(1, 20, Txn({Append(1, 10), Append(2, 20)}));
  const HistoryEntry first = At(2, 3, Snapshot({Read(1, {10})}));
  const HistoryEntry second = At(4, 5, Snapshot({Read(2, {})}));
  EXPECT(Finds({write, first, second, At(21, 22, Snapshot({Read(2, {20})}))}, Anomaly::kNonMonotonic));
  // At the same time it is fine.
  EXPECT(Sound({write, first, At(2, 5, Snapshot({Read(2, {})})), At(21, 22, Snapshot({Read(2, {20})}))}));
}

TEST(an_acknowledged_commit_that_a_later_reader_misses_is_non_monotonic) {
  EXPECT(Finds({At(1, 2, Txn({Append(1, 10)})), At(3, 4, Snapshot({Read(1, {})})), At(5, 6, Snapshot({Read(1, {10})}))},
               Anomaly::kNonMonotonic));
}

TEST(a_failed_condition_tells_of_a_commit_that_must_stay_visible) {
  EXPECT(Finds({At(1, 20, Txn({Append(1, 10)})), At(2, 3, Make(Kind::kBatch, {Beyond(1, {})})),
                At(4, 5, Make(Kind::kGet, {Read(1, {})})), At(21, 22, Snapshot({Read(1, {10})}))},
               Anomaly::kNonMonotonic));
}

TEST(lists_that_disagree_are_found) {
  EXPECT(Finds({Txn({Append(1, 10)}), Txn({Append(1, 11)}), Snapshot({Read(1, {10, 11})}), Snapshot({Read(1, {11})})},
               Anomaly::kIncompatible));
  EXPECT(Finds({Snapshot({Read(1, {10})})}, Anomaly::kInvented));
  EXPECT(Finds({Txn({Append(1, 10)}), Snapshot({Read(1, {10, 10})})}, Anomaly::kInvented));
}

TEST(a_cut_that_changes_while_it_is_read_is_found) {
  EXPECT(Finds({Txn({Append(1, 10)}), Snapshot({Read(1, {}), Read(1, {10})})}, Anomaly::kInternal));
  EXPECT(Finds({Txn({Read(1, {}), Append(1, 10), Read(1, {})})}, Anomaly::kInternal));
}

TEST(numbers_that_contradict_what_was_seen_are_found) {
  // A snapshot with a commit above its own number, and one without a commit below it.
  EXPECT(Finds({At(1, 2, Txn({Append(1, 10)}), 5), At(3, 4, Snapshot({Read(1, {10})}), 4)}, Anomaly::kSequence));
  EXPECT(Finds(
      {At(1, 9, Txn({Append(1, 10)}), 5), At(1, 9, Snapshot({Read(1, {})}), 5), At(1, 9, Snapshot({Read(1, {10})}), 6)},
      Anomaly::kSequence));
  // Commits in the wrong order, and a number that falls as time passes.
  EXPECT(Finds({At(1, 9, Txn({Append(1, 10)}), 6), At(1, 9, Txn({Append(1, 11)}), 5), Snapshot({Read(1, {10, 11})})},
               Anomaly::kSequence));
  EXPECT(Finds({At(1, 2, Snapshot({}), 6), At(3, 4, Snapshot({}), 5)}, Anomaly::kSequence));
}

}  // namespace
}  // namespace zkdb::test
