// The INI dialect of the configuration file (the language of the zkDB configuration of 2000).
//
// A line is blank, a comment (its first character that is no blank is ';'), a section `[ name ]`, or `key = value`.
// A ';' later in a line is no comment: `Partitions = part_1;part_2;part_3;`. Blanks around names and values drop off.
// Names of sections and keys ignore ASCII case. Keys before the first section belong to `main`. Lines end in LF or
// CRLF; a UTF-8 byte order mark at the start is skipped.
//
// Thread-safety: an IniFile is a value; const functions may be called from any thread.
//
// Invariants:
//  1. sections[0] is always main, also when the file never names it.
//  2. No two sections, and no two keys of one section, have names that are equal without case.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"

namespace zkdb {

inline constexpr uint64_t kMaxConfigBytes = 4u << 20;

struct IniEntry {
  std::string key;  // as written
  std::string value;
  uint32_t line = 0;  // 1-based
};

struct IniSection {
  std::string name;                     // as written, "main" for keys before any section
  uint32_t line = 0;                    // of its header, 1-based; 0 when there is none
  std::vector<IniEntry> entries;        // in file order
  std::map<std::string, size_t> index;  // lower-case key -> entry

  // The entry of a key, case ignored; nullptr when it is not there.
  const IniEntry* Find(std::string_view key) const;
};

struct IniFile {
  std::string file;                     // for messages
  std::vector<IniSection> sections;     // in file order, main first
  std::map<std::string, size_t> index;  // lower-case name -> section

  // The section of a name, case ignored; nullptr when it is not there.
  const IniSection* Find(std::string_view name) const;
};

// Parses `text`; `file` is only for messages. ZKDB_CONFIG, naming file and line, for a text of more than
// kMaxConfigBytes, a NUL byte, a line that is none of the four kinds, an empty or malformed name, a section or key that
// is repeated.
Status ParseIni(Slice text, const std::string& file, IniFile* out);

}  // namespace zkdb
