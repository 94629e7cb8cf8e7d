// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected), the checksum of every page, log record and meta.
// Source: RFC 3720 section 12.1 and appendix B.4. Uses the SSE 4.2 / ARMv8 instruction where the CPU has it.
//
// Thread-safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zkdb {

// The CRC-32C of `n` bytes, continuing from `seed` (the CRC of what came before; 0 at the start).
uint32_t Crc32c(uint32_t seed, const void* data, size_t n);

// The portable table-driven form; tests hold the two against each other.
uint32_t Crc32cPortable(uint32_t seed, const void* data, size_t n);

}  // namespace zkdb
