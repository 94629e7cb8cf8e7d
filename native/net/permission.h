// Whether a user may run a command with its arguments: the one place that knows how to ask a user's rights.
//
// Thread-safety: pure functions.
//
// Invariants:
//  1. A command whose arguments cannot be read as the table says may be let through only where its handler refuses the
//     same arguments: both read them with the same function.
//  2. The answer never depends on what is in a database.
#pragma once

#include "net/command_table.h"
#include "net/rights.h"

namespace zkdb::net {

enum class Denial {
  kNone,      // it is allowed
  kCommand,   // a verb is missing
  kDatabase,  // the database is not the user's
  kKey,       // a key, or a part of a range, is not
};

Denial Judge(const Access& access, const Command& command, Arguments args);

// Whether the user may hear what is published in a channel. It is judged as if its name was a key; those of keyspace
// events (keyspace_events.h) by the keys that they tell of.
bool MayHear(const Access& access, Slice channel);
// Whether all channels that match are such ones.
bool MayHearPattern(const Access& access, Slice pattern);

// The verbs that a command needs with these arguments.
uint32_t VerbsOf(const Command& command, Arguments args);

// Columns of the table: what arguments add to the verbs of a command.
uint32_t SetVerbs(Arguments args);        // SET: GET also reads
uint32_t ZkBatchVerbs(Arguments args);    // ZK.BATCH: conditions on values read, CLEAR is a range
uint32_t SubscribeVerbs(Arguments args);  // SUBSCRIBE: events of a database tell its keys
uint32_t ClientVerbs(Arguments args);     // CLIENT: other clients are for admins

}  // namespace zkdb::net
