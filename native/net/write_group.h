// Writes the SETs that many sessions have pending as one batch per database, so that they share one commit and one
// sync.
//
// Thread-safety: a call belongs to the thread of its sessions.
//
// Invariants:
//  1. No session has an answer before the batch with its writes is as durable as its database says.
//  2. A batch that fails fails for all who share it. What one session adds is small (session.cc: kMaxSharedBytes), so
//     a disk that has no room for the batch has none for them either.
#pragma once

#include <vector>

#include "net/session.h"

namespace zkdb::net {

// Writes what each session has pending and finishes it; sorts the list by database.
// REQUIRES: the last Receive of each said `pending`; none stands there twice.
void WriteTogether(std::vector<Session*>* sessions);

}  // namespace zkdb::net
