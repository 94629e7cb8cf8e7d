// Looks for anomalies of isolation in a list-append history. zkdb.h promises that a batch or transaction is atomic over
// all partitions, that commits form one order, that a snapshot is one cut of that order, and that what was seen or
// acknowledged stays so: strict serializability. Whatever contradicts it is a finding.
//
// The names are those of Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed
// Transactions" (MIT, 1999); how dependencies follow from lists is in the Elle paper (history.h). From the reads comes
// the order of a list's elements, from that the edges between transactions: ww (appends next), wr (reads what it
// appended), rw (reads the state before its append), and real time (ended before it began). A cycle is an anomaly;
// the weakest set of edges that closes it gives its name.
//
// Thread-safety: none needed; functions of their arguments.
//
// Invariants:
//  1. A history of a strictly serializable run has no findings.
#pragma once

#include <string>
#include <vector>

#include "torture/history.h"

namespace zkdb::test {

enum class Anomaly {
  kInvented,      // an element that nobody appended, or one twice in a list
  kIncompatible,  // two reads of a list of which neither is the beginning of the other
  kInternal,      // a transaction does not see its own appends, or a cut changes while it is read
  kG0,            // write cycle
  kG1a,           // aborted read
  kG1b,           // intermediate read
  kG1c,           // circular information flow
  kLostUpdate,    // two updates of one state, or an acknowledged append that a later read does not see
  kNonAtomic,     // a reader sees a part of what a transaction or batch appended
  kReadSkew,      // G-single: a cycle with one rw edge that is none of the above
  kWriteSkew,     // G2: a cycle with several rw edges
  kNonMonotonic,  // a cycle that needs real time: a later reader sees less
  kSequence,      // the numbers of commits and snapshots contradict what was seen
};

const char* NameOf(Anomaly anomaly);

struct Finding {
  Anomaly anomaly;
  std::string what;
};

// All kinds of anomalies in `history`, at most a few of each kind.
std::vector<Finding> CheckHistory(const History& history);

}  // namespace zkdb::test
