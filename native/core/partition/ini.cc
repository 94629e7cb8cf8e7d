#include "core/partition/ini.h"

#include "core/partition/values.h"

namespace zkdb {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

class Parser {
 public:
  explicit Parser(IniFile* out) : out_(out) {
    out_->sections.push_back({"main", 0, {}, {}});
    out_->index["main"] = 0;
  }

  Status Line(std::string_view raw) {
    ++line_;
    if (raw.find('\0') != std::string_view::npos) return Refuse("holds a NUL byte; the file is not text");
    const std::string_view line = TrimBlanks(raw);
    if (line.empty() || line.front() == ';') return Status::Ok();
    return line.front() == '[' ? Section(line) : Entry(line);
  }

 private:
  Status Refuse(const std::string& reason) const {
    return Status::Config(Printable(out_->file, 512) + ":" + std::to_string(line_) + ": " + reason);
  }

  Status Section(std::string_view line) {
    if (line.size() < 2 || line.back() != ']') {
      return Refuse("\"" + Printable(line) +
                    "\" opens a section but does not end with ']' (a comment needs its own line)");
    }
    const std::string_view name = TrimBlanks(line.substr(1, line.size() - 2));
    if (name.empty()) return Refuse("a section without a name; write [name]");
    if (name.find_first_of("[]") != std::string_view::npos) {
      return Refuse("section name \"" + Printable(name) + "\" holds a bracket");
    }
    return Enter(name);
  }

  // Makes the section current. Main is there from the start: its first header opens it, the second repeats it.
  Status Enter(std::string_view name) {
    const auto [place, added] = out_->index.try_emplace(LowerAscii(name), out_->sections.size());
    current_ = place->second;
    if (added) {
      out_->sections.push_back({std::string(name), line_, {}, {}});
      return Status::Ok();
    }
    IniSection& section = out_->sections[current_];
    if (section.line != 0) {
      return Refuse("section [" + Printable(name) + "] is repeated; it began in line " + std::to_string(section.line));
    }
    section.line = line_;
    return Status::Ok();
  }

  Status Entry(std::string_view line) {
    IniSection& section = out_->sections[current_];
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return Refuse("[" + Printable(section.name) + "] \"" + Printable(line) +
                    "\" is neither a section, a key = value nor a comment (which begins with ';')");
    }
    const std::string_view key = TrimBlanks(line.substr(0, equals));
    const std::string_view value = TrimBlanks(line.substr(equals + 1));
    if (key.empty()) return Refuse("[" + Printable(section.name) + "] a value without a key before '='");
    const auto [place, added] = section.index.try_emplace(LowerAscii(key), section.entries.size());
    if (!added) {
      return Refuse("[" + Printable(section.name) + "] " + Printable(key) + " = " + Printable(value) +
                    ": the key is repeated; it was given in line " +
                    std::to_string(section.entries[place->second].line));
    }
    section.entries.push_back({std::string(key), std::string(value), line_});
    return Status::Ok();
  }

  IniFile* out_;
  size_t current_ = 0;
  uint32_t line_ = 0;
};

}  // namespace

const IniEntry* IniSection::Find(std::string_view key) const {
  const auto place = index.find(LowerAscii(key));
  return place == index.end() ? nullptr : &entries[place->second];
}

const IniSection* IniFile::Find(std::string_view name) const {
  const auto place = index.find(LowerAscii(name));
  return place == index.end() ? nullptr : &sections[place->second];
}

Status ParseIni(Slice text, const std::string& file, IniFile* out) {
  *out = IniFile{file, {}, {}};
  if (text.size > kMaxConfigBytes) {
    return Status::Config(Printable(file, 512) + ": has " + std::to_string(text.size) +
                          " bytes; a configuration has at most " + std::to_string(kMaxConfigBytes));
  }
  std::string_view rest(reinterpret_cast<const char*>(text.data), text.size);
  if (rest.substr(0, kByteOrderMark.size()) == kByteOrderMark) rest.remove_prefix(kByteOrderMark.size());
  Parser parser(out);
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    ZKDB_RETURN_IF_ERROR(parser.Line(rest.substr(0, end)));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return Status::Ok();
}

}  // namespace zkdb
