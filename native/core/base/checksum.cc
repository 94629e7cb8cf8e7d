#include "core/base/checksum.h"

#include <array>

#include "core/base/coding.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#endif

namespace zkdb {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82F63B78;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int k = 0; k < 8; ++k) c = (c & 1) ? kReflectedPolynomial ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

#if defined(__x86_64__)
#define ZKDB_CRC_TARGET __attribute__((target("sse4.2")))
ZKDB_CRC_TARGET inline uint64_t Step64(uint64_t crc, uint64_t v) { return _mm_crc32_u64(crc, v); }
ZKDB_CRC_TARGET inline uint32_t Step8(uint32_t crc, uint8_t v) { return _mm_crc32_u8(crc, v); }
bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
#define ZKDB_CRC_TARGET __attribute__((target("+crc")))
ZKDB_CRC_TARGET inline uint64_t Step64(uint64_t crc, uint64_t v) { return __crc32cd(static_cast<uint32_t>(crc), v); }
ZKDB_CRC_TARGET inline uint32_t Step8(uint32_t crc, uint8_t v) { return __crc32cb(crc, v); }
#if defined(__linux__)
bool HasInstruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#else
bool HasInstruction() { return true; }
#endif
#endif

#if defined(ZKDB_CRC_TARGET)

// The instruction has a latency of three cycles and a throughput of one: three streams keep it busy. The streams
// are joined by shifting a CRC over the bytes that follow it, a multiplication modulo the polynomial that a table
// per shift length makes cheap (Gopal et al., "Fast CRC Computation for iSCSI Polynomial", Intel 2011).
constexpr size_t kStream = 1344;  // three of them fit a 4 KiB page; a multiple of 8

using ShiftTable = std::array<std::array<uint32_t, 256>, 4>;

uint32_t ShiftByZeros(uint32_t crc, size_t zeros) {
  for (size_t i = 0; i < zeros; ++i) crc = kTable[crc & 0xFF] ^ (crc >> 8);
  return crc;
}

ShiftTable MakeShiftTable() {
  std::array<uint32_t, 32> column{};
  for (uint32_t bit = 0; bit < 32; ++bit) column[bit] = ShiftByZeros(1u << bit, kStream);
  ShiftTable table{};
  for (uint32_t byte = 0; byte < 4; ++byte) {
    for (uint32_t v = 0; v < 256; ++v) {
      for (uint32_t bit = 0; bit < 8; ++bit) {
        if ((v >> bit) & 1) table[byte][v] ^= column[8 * byte + bit];
      }
    }
  }
  return table;
}

uint32_t Shift(const ShiftTable& t, uint32_t crc) {
  return t[0][crc & 0xFF] ^ t[1][(crc >> 8) & 0xFF] ^ t[2][(crc >> 16) & 0xFF] ^ t[3][crc >> 24];
}

ZKDB_CRC_TARGET uint32_t Accelerated(uint32_t crc, const uint8_t* p, size_t n) {
  static const ShiftTable kShift = MakeShiftTable();
  while (n >= 3 * kStream) {
    uint64_t a = crc;
    uint64_t b = 0;
    uint64_t c = 0;
    for (size_t i = 0; i < kStream; i += 8) {
      a = Step64(a, Load64(p + i));
      b = Step64(b, Load64(p + kStream + i));
      c = Step64(c, Load64(p + 2 * kStream + i));
    }
    crc = Shift(kShift, static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b);
    crc = Shift(kShift, crc) ^ static_cast<uint32_t>(c);
    p += 3 * kStream;
    n -= 3 * kStream;
  }
  uint64_t wide = crc;
  for (; n >= 8; n -= 8, p += 8) wide = Step64(wide, Load64(p));
  crc = static_cast<uint32_t>(wide);
  for (; n > 0; --n, ++p) crc = Step8(crc, *p);
  return crc;
}

#endif  // ZKDB_CRC_TARGET

}  // namespace

uint32_t Crc32cPortable(uint32_t seed, const void* data, size_t n) {
  const auto* p = static_cast<const uint8_t*>(data);
  uint32_t crc = ~seed;
  for (size_t i = 0; i < n; ++i) crc = kTable[(crc ^ p[i]) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

uint32_t Crc32c(uint32_t seed, const void* data, size_t n) {
#if defined(ZKDB_CRC_TARGET)
  static const bool kAccelerated = HasInstruction();
  if (kAccelerated) return ~Accelerated(~seed, static_cast<const uint8_t*>(data), n);
#endif
  return Crc32cPortable(seed, data, n);
}

}  // namespace zkdb
