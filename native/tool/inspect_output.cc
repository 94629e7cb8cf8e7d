#include "tool/inspect_output.h"

#include <algorithm>

namespace zkdb {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

bool IsPrintable(Slice bytes) {
  return std::all_of(bytes.data, bytes.data + bytes.size, [](uint8_t b) { return b >= 0x20 && b < 0x7F; });
}

std::string ToHex(Slice bytes) {
  std::string out;
  out.reserve(bytes.size * 2);
  for (size_t i = 0; i < bytes.size; ++i) {
    out += kDigits[bytes.data[i] >> 4];
    out += kDigits[bytes.data[i] & 15];
  }
  return out;
}

}  // namespace

InspectLine::InspectLine(const char* type, bool as_json) : as_json_(as_json) {
  if (as_json_) {
    text_ = "{\"type\":";
    Quoted(type);
  } else {
    text_ = type;
  }
}

void InspectLine::Name(std::string_view name) {
  if (as_json_) {
    text_ += ',';
    Quoted(name);
    text_ += ':';
  } else {
    text_ += ' ';
    text_ += name;
    text_ += '=';
  }
}

// Quotes printable ASCII; the two characters that need it are escaped alike in both forms.
void InspectLine::Quoted(std::string_view ascii) {
  text_ += '"';
  for (const char c : ascii) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += c;
  }
  text_ += '"';
}

InspectLine& InspectLine::Number(const char* name, uint64_t value) {
  Name(name);
  text_ += std::to_string(value);
  return *this;
}

InspectLine& InspectLine::Flag(const char* name, bool value) {
  Name(name);
  if (as_json_) {
    text_ += value ? "true" : "false";
  } else {
    text_ += value ? "yes" : "no";
  }
  return *this;
}

InspectLine& InspectLine::Text(const char* name, std::string_view ascii) {
  Name(name);
  const bool plain = !ascii.empty() && ascii.find_first_of(" \"\\=") == std::string_view::npos;
  if (plain && !as_json_) {
    text_ += ascii;
  } else {
    Quoted(ascii);
  }
  return *this;
}

InspectLine& InspectLine::Hex(const char* name, Slice bytes) { return Text(name, ToHex(bytes)); }

InspectLine& InspectLine::Hex64(const char* name, uint64_t value) {
  std::string digits(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) digits[i] = kDigits[value & 15];
  return Text(name, digits);
}

InspectLine& InspectLine::Bytes(const std::string& name, Slice bytes) {
  const Slice shown = bytes.Sub(0, std::min(bytes.size, kPreviewBytes));
  if (IsPrintable(shown)) {
    Name(name);
    Quoted({reinterpret_cast<const char*>(shown.data), shown.size});
  } else {
    Name(name + "_hex");
    Quoted(ToHex(shown));
  }
  return *this;
}

}  // namespace zkdb
