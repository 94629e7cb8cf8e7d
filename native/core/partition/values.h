// The value dialect of the configuration file: blanks, Yes/No, integers, sizes, and how a value is shown in a message.
//
// Thread-safety: pure functions.
//
// Invariants:
//  1. Case is ASCII case only; no locale is consulted.
//  2. What Printable returns is valid UTF-8 without control characters, whatever the bytes of the value are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zkdb {

// 'A'..'Z' become 'a'..'z'; every other byte is itself.
inline constexpr uint8_t FoldByte(uint8_t byte) {
  return static_cast<uint8_t>(byte + (static_cast<uint8_t>(byte - 'A') < 26 ? 'a' - 'A' : 0));
}

std::string LowerAscii(std::string_view text);
bool EqualIgnoringCase(std::string_view a, std::string_view b);
// The text without spaces, tabs and carriage returns at either end.
std::string_view TrimBlanks(std::string_view text);

// Yes or No in any case. False when the text is neither; *out is then unchanged.
bool ParseYesNo(std::string_view text, bool* out);
// A run of decimal digits that fits 64 bits. False otherwise; *out is then unchanged.
bool ParseInteger(std::string_view text, uint64_t* out);
// Bytes: an integer, or one that ends in K, M or G (powers of 1024). False otherwise; *out is then unchanged.
bool ParseSize(std::string_view text, uint64_t* out);

// The text for a message: control characters, and bytes that are not UTF-8, as \xNN; cut after `limit` bytes.
std::string Printable(std::string_view text, size_t limit = 80);
// The candidate that the name is most likely a slip of, or "" when none is near.
std::string NearestName(std::string_view name, const std::vector<std::string>& candidates);
// "; did you mean X?" for the nearest candidate, or "".
std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates);

}  // namespace zkdb
