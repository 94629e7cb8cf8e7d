// The sizes that shape how a log writes. They can change freely: nothing on disk depends on them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zkdb {

// What file systems allocate and write at least. Bytes.
inline constexpr uint64_t kLogBlock = 4096;

// Pending bytes at which an append writes the buffer; a larger record is never buffered.
inline constexpr size_t kLogBufferSize = 1 << 20;

// Bytes of the largest record that may be logged before what it describes is done.
inline constexpr size_t kLogEarlyLimit = kLogBufferSize / 2;

// The first write to allocated blocks makes the following sync commit the file system's journal, which an overwrite
// does not need. So a small write that is about to be synced writes zeros ahead of it, and the small writes after it
// overwrite them.
inline constexpr size_t kLogZeroAheadBelow = 32 << 10;  // bytes of a write that is small
inline constexpr uint64_t kLogZeroAhead = 512 << 10;    // bytes

}  // namespace zkdb
