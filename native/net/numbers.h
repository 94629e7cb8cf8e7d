// Decimal integers as the protocol writes them, and letters without case.
//
// Thread-safety: pure functions.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "core/base/slice.h"

namespace zkdb::net {

// The error reply where ParseInteger gives false.
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

// Reads a whole string as a signed integer: digits without leading zeros, with a "-" before a negative one. False for
// anything else and for what does not fit; *out is then unchanged.
inline bool ParseInteger(Slice text, int64_t* out) {
  const bool negative = !text.empty() && text.data[0] == '-';
  const Slice digits = negative ? text.Sub(1) : text;
  if (digits.empty() || digits.size > 19) return false;
  if (digits.data[0] == '0' && (digits.size > 1 || negative)) return false;
  uint64_t n = 0;
  for (size_t i = 0; i < digits.size; ++i) {
    const unsigned digit = static_cast<unsigned>(digits.data[i]) - '0';
    if (digit > 9) return false;
    n = n * 10 + digit;  // 19 digits are below 2^64
  }
  const uint64_t largest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (n > largest + (negative ? 1 : 0)) return false;
  *out = negative ? static_cast<int64_t>(~n + 1) : static_cast<int64_t>(n);
  return true;
}

inline char UpperAscii(uint8_t c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c); }

inline std::string LowerAscii(Slice text) {
  std::string lower = text.ToString();
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return lower;
}

// Whether `text` is `word`, which is in capitals, in any case.
inline bool IsWord(Slice text, std::string_view word) {
  if (text.size != word.size()) return false;
  for (size_t i = 0; i < text.size; ++i) {
    if (UpperAscii(text.data[i]) != word[i]) return false;
  }
  return true;
}

}  // namespace zkdb::net
