// Operations of a batch as the command ZK.BATCH, and its answer.
//
// Thread-safety: pure functions; reading blocks.
#pragma once

#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "core/remote/connection.h"

namespace zkdb {

// *sent: for each operation of the command, the index of the one in `operations`. A range that is empty is not sent.
void WriteBatchCommand(const std::vector<Operation>& operations, zkdb_durability durability, bool non_atomic,
                       std::string* command, std::vector<uint32_t>* sent);

// Reads the answer whose head is `head`; a failed condition is told as a place in the command. ZKDB_PROTOCOL.
Status ReadBatchAnswer(Connection* connection, const ReplyHead& head, WriteResult* result);

// The least key behind `key`; false when there is none.
bool KeyBehind(Slice key, std::string* out);

}  // namespace zkdb
