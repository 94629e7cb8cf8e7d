#include "core/partition/values.h"

#include <algorithm>
#include <numeric>

namespace zkdb {

namespace {

constexpr size_t kMaxComparedName = 64;  // bytes; a longer name is no slip of a key

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The length of the UTF-8 sequence at `i`, or 0 when the bytes there are none (overlong forms and surrogates included).
size_t Utf8Length(std::string_view text, size_t i) {
  const auto at = [&](size_t k) { return i + k < text.size() ? static_cast<uint8_t>(text[i + k]) : uint8_t{0}; };
  const auto continues = [&](size_t k) { return (at(k) & 0xC0) == 0x80; };
  const uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool bad = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F);
    return !bad && continues(1) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool bad = (lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) > 0x8F);
    return !bad && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

std::string Escape(uint8_t byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  return {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

// Levenshtein distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string LowerAscii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(FoldByte(static_cast<uint8_t>(c)));
  return lower;
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return FoldByte(static_cast<uint8_t>(c)); };
  const auto same = [&](char x, char y) { return fold(x) == fold(y); };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

bool ParseYesNo(std::string_view text, bool* out) {
  const bool yes = EqualIgnoringCase(text, "yes");
  if (!yes && !EqualIgnoringCase(text, "no")) return false;
  *out = yes;
  return true;
}

bool ParseInteger(std::string_view text, uint64_t* out) {
  if (text.empty()) return false;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out = value;
  return true;
}

bool ParseSize(std::string_view text, uint64_t* out) {
  uint32_t shift = 0;
  switch (text.empty() ? '\0' : text.back()) {
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    default: break;
  }
  if (shift != 0) text.remove_suffix(1);
  uint64_t value = 0;
  if (!ParseInteger(text, &value) || value > (UINT64_MAX >> shift)) return false;
  *out = value << shift;
  return true;
}

std::string Printable(std::string_view text, size_t limit) {
  std::string shown;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const size_t length = byte < 0x20 || byte == 0x7F ? 0 : Utf8Length(text, i);
    const std::string piece = length == 0 ? Escape(byte) : std::string(text.substr(i, length));
    if (shown.size() + piece.size() > limit) return shown + "...";
    shown += piece;
    i += length == 0 ? 1 : length;
  }
  return shown;
}

std::string NearestName(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.size() > kMaxComparedName) return "";
  const std::string lower = LowerAscii(name);
  size_t best = std::max<size_t>(2, name.size() / 3) + 1;  // the distance that is too far
  std::string nearest;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxComparedName) continue;
    const size_t distance = EditDistance(lower, LowerAscii(candidate));
    if (distance >= best || distance >= candidate.size()) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string Suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = NearestName(name, candidates);
  return nearest.empty() ? "" : "; did you mean " + Printable(nearest) + "?";
}

}  // namespace zkdb
