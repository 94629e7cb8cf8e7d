#include "core/partition/config.h"

#include <cstdio>
#include <set>

#include "core/base/assert.h"
#include "core/partition/config_keys.h"
#include "core/partition/config_paths.h"
#include "core/partition/ini.h"
#include "core/partition/limits.h"
#include "core/partition/values.h"

namespace zkdb {

namespace {

constexpr size_t kMaxNameSize = 255;  // bytes of a partition's name

// Why a name cannot be a partition's (it names a directory and a section), or "".
std::string CheckPartitionName(const std::string& name) {
  if (name.empty()) return "an empty name between two separators";
  if (name.size() > kMaxNameSize) return "the name \"" + Printable(name) + "\" has more than 255 bytes";
  if (name == "." || name == "..") return "the name \"" + name + "\" is not allowed";
  if (name.find('/') != std::string::npos) return "the name \"" + Printable(name) + "\" holds a '/'";
  for (const char c : name) {
    if (static_cast<uint8_t>(c) >= 0x20 && c != 0x7F) continue;
    return "the name \"" + Printable(name) + "\" holds a control character";
  }
  for (const char* reserved : {"main", "server", "ndbutil"}) {
    if (EqualIgnoringCase(name, reserved)) return "the section [" + name + "] has its own meaning; choose another name";
  }
  return "";
}

// The names in a list that ';' or ',' separate; one separator may trail.
std::vector<std::string> SplitNames(std::string_view list) {
  std::vector<std::string> names;
  while (true) {
    const size_t end = list.find_first_of(";,");
    const std::string_view name = TrimBlanks(list.substr(0, end));
    if (end == std::string_view::npos) {
      if (!name.empty()) names.emplace_back(name);
      return names;
    }
    names.emplace_back(name);
    list.remove_prefix(end + 1);
  }
}

class Reader {
 public:
  Reader(const std::string& file, const ConfigOverrides& overrides, DatabaseConfig* out)
      : file_(file), overrides_(overrides), config_(out) {}

  Status Run(Slice text) {
    *config_ = DatabaseConfig{};
    config_->file = file_;
    ZKDB_RETURN_IF_ERROR(ParseIni(text, file_, &ini_));
    ZKDB_RETURN_IF_ERROR(ReadMain());
    ZKDB_RETURN_IF_ERROR(ReadTool("server", ServerKeys(), &config_->server_keys));
    ZKDB_RETURN_IF_ERROR(ReadTool("ndbutil", NdbutilKeys(), &config_->ndbutil_keys));
    ZKDB_RETURN_IF_ERROR(ReadPartitionNames());
    ZKDB_RETURN_IF_ERROR(ReadPartitions());
    ZKDB_RETURN_IF_ERROR(ApplyOverrides());
    Inherit();
    ResolvePaths(config_);
    ZKDB_RETURN_IF_ERROR(CheckRemotes());
    ZKDB_RETURN_IF_ERROR(CheckDirectories());
    return CheckLimits();
  }

 private:
  // ---- messages ----

  Status At(uint32_t line, const std::string& what) const {
    return Status::Config(Printable(file_, 512) + (line == 0 ? "" : ":" + std::to_string(line)) + ": " + what);
  }

  Status Refuse(const IniSection& section, const IniEntry& entry, const std::string& reason) const {
    const std::string value = HoldsSecret(entry) ? "(not shown)" : Printable(entry.value);
    return At(entry.line, "[" + Printable(section.name) + "] " + Printable(entry.key) + " = " + value + ": " + reason);
  }

  // Messages are logged: no password stands in them.
  static bool HoldsSecret(const IniEntry& entry) {
    const auto* key = FindKey(PartitionKeys(), entry.key);
    if (key == nullptr) return false;
    const std::string_view name = key->name;
    return name == "AuthKey" || (name == "AddressPath" && entry.value.find('@') != std::string::npos);
  }

  // As Refuse, for a key that may stand under one of several spellings or not at all.
  template <typename Owner>
  Status RefuseKey(const IniSection& section, const ConfigKey<Owner>* key, const std::string& reason) const {
    ZKDB_ASSERT(key != nullptr);
    const IniEntry* entry = section.Find(key->name);
    for (const char* alias : key->aliases) entry = entry == nullptr ? section.Find(alias) : entry;
    if (entry != nullptr) return Refuse(section, *entry, reason);
    return At(section.line, "[" + Printable(section.name) + "] " + key->name + " (not given): " + reason);
  }

  Status RefusePartition(uint32_t partition, const std::string& key, const std::string& reason) const {
    return RefuseKey(Section(partition), FindKey(PartitionKeys(), key), reason);
  }

  const IniSection& Section(uint32_t partition) const { return *ini_.Find(config_->partitions[partition].name); }

  // ---- reading ----

  Status ReadMain() {
    const IniSection& main = ini_.sections[0];
    std::set<std::string> seen;
    for (const IniEntry& entry : main.entries) {
      if (EqualIgnoringCase(entry.key, "Partitions")) continue;
      if (const auto* key = FindKey(MainKeys(), entry.key)) {
        ZKDB_RETURN_IF_ERROR(Set(main, entry, *key, &seen, config_));
      } else if (!KeepForTools(entry)) {
        return UnknownMainKey(main, entry);
      }
    }
    return Status::Ok();
  }

  template <typename Owner>
  Status Set(const IniSection& section, const IniEntry& entry, const ConfigKey<Owner>& key, std::set<std::string>* seen,
             Owner* owner) const {
    if (!seen->insert(key.name).second) {
      return Refuse(section, entry, std::string("the key is repeated: ") + key.name + " has two spellings here");
    }
    const std::string reason = key.set(entry.value, owner);
    return reason.empty() ? Status::Ok() : Refuse(section, entry, reason);
  }

  // Keys of the server and of ndbutil may stand in [main]; LogFile is then for both.
  bool KeepForTools(const IniEntry& entry) {
    const std::string server = FindKey(ServerKeys(), entry.key);
    const std::string ndbutil = FindKey(NdbutilKeys(), entry.key);
    if (!server.empty()) config_->server_keys[server] = entry.value;
    if (!ndbutil.empty()) config_->ndbutil_keys[ndbutil] = entry.value;
    return !server.empty() || !ndbutil.empty();
  }

  Status UnknownMainKey(const IniSection& main, const IniEntry& entry) const {
    if (entry.key.front() == '#') return Refuse(main, entry, kHashSign);
    if (FindKey(PartitionKeys(), entry.key) != nullptr) {
      return Refuse(main, entry, "this key belongs to the section of a partition");
    }
    std::vector<std::string> known = KeyNames(MainKeys());
    known.emplace_back("Partitions");
    known.insert(known.end(), ServerKeys().begin(), ServerKeys().end());
    known.insert(known.end(), NdbutilKeys().begin(), NdbutilKeys().end());
    return Refuse(main, entry, "unknown key" + Suggestion(entry.key, known));
  }

  // The tool's own section wins over what stands in [main].
  Status ReadTool(const char* name, const std::vector<std::string>& keys, std::map<std::string, std::string>* values) {
    const IniSection* section = ini_.Find(name);
    if (section == nullptr) return Status::Ok();
    for (const IniEntry& entry : section->entries) {
      const std::string key = FindKey(keys, entry.key);
      if (key.empty()) return Refuse(*section, entry, "unknown key" + Suggestion(entry.key, keys));
      (*values)[key] = entry.value;
    }
    return Status::Ok();
  }

  Status ReadPartitionNames() {
    const IniSection& main = ini_.sections[0];
    const IniEntry* entry = main.Find("Partitions");
    if (entry == nullptr) {
      return At(main.line,
                "[main] Partitions (not given): name the partitions, for example: Partitions = part_1;part_2");
    }
    const std::vector<std::string> names = SplitNames(entry->value);
    if (names.empty()) return Refuse(main, *entry, "names no partition; a database has 1 to 256");
    if (names.size() > kMaxPartitions) {
      return Refuse(main, *entry, "names " + std::to_string(names.size()) + " partitions; a database has at most 256");
    }
    std::set<std::string> seen;
    for (const std::string& name : names) {
      const std::string reason = CheckPartitionName(name);
      if (!reason.empty()) return Refuse(main, *entry, reason);
      if (!seen.insert(LowerAscii(name)).second) return Refuse(main, *entry, "names " + Printable(name) + " twice");
    }
    for (const std::string& name : names) {
      if (ini_.Find(name) == nullptr) return Refuse(main, *entry, MissingSection(name));
      config_->partitions.emplace_back().name = name;
    }
    return CheckSpareSections(*entry, seen);
  }

  std::string MissingSection(const std::string& name) const {
    std::vector<std::string> sections;
    for (const IniSection& section : ini_.sections) sections.push_back(section.name);
    return "there is no section [" + Printable(name) + "]" + Suggestion(name, sections);
  }

  Status CheckSpareSections(const IniEntry& entry, const std::set<std::string>& names) const {
    for (const IniSection& section : ini_.sections) {
      const std::string lower = LowerAscii(section.name);
      if (lower == "main" || lower == "server" || lower == "ndbutil" || names.contains(lower)) continue;
      return At(section.line, "[" + Printable(section.name) + "]: unknown section: Partitions = " +
                                  Printable(entry.value) + " does not name it; add it there or remove the section");
    }
    return Status::Ok();
  }

  Status ReadPartitions() {
    for (PartitionConfig& partition : config_->partitions) {
      const IniSection& section = *ini_.Find(partition.name);
      std::set<std::string> seen;
      for (const IniEntry& entry : section.entries) {
        const auto* key = FindKey(PartitionKeys(), entry.key);
        if (key == nullptr) return UnknownPartitionKey(section, entry);
        ZKDB_RETURN_IF_ERROR(Set(section, entry, *key, &seen, &partition));
      }
    }
    return Status::Ok();
  }

  Status UnknownPartitionKey(const IniSection& section, const IniEntry& entry) const {
    if (entry.key.front() == '#') return Refuse(section, entry, kHashSign);
    if (FindKey(MainKeys(), entry.key) != nullptr || EqualIgnoringCase(entry.key, "Partitions")) {
      return Refuse(section, entry, "this key belongs to [main]");
    }
    return Refuse(section, entry, "unknown key" + Suggestion(entry.key, KeyNames(PartitionKeys())));
  }

  Status ApplyOverrides() {
    for (const auto& [name, value] : overrides_) {
      ZKDB_RETURN_IF_ERROR(CheckOption(name, value));
      const auto* key = FindKey(MainKeys(), name);
      if (key == nullptr) continue;  // an option of open itself
      const std::string reason = key->set(TrimBlanks(value), config_);
      ZKDB_ASSERT(reason.empty());
    }
    return Status::Ok();
  }

  void Inherit() {
    for (PartitionConfig& p : config_->partitions) {
      if (p.page_size == 0) p.page_size = config_->page_size;
      if (p.min_checkpoint_size == 0) p.min_checkpoint_size = config_->min_checkpoint_size;
      if (p.min_checkpoint_time_s == 0) p.min_checkpoint_time_s = config_->min_checkpoint_time_s;
    }
  }

  // ---- checks across keys ----

  Status CheckRemotes() {
    for (uint32_t i = 0; i < config_->partitions.size(); ++i) {
      PartitionConfig& p = config_->partitions[i];
      if (!p.is_remote) continue;
      if (p.address.empty()) {
        return RefusePartition(i, "AddressPath",
                               "a partition with IsRemote = Yes needs the address of its server, host:port");
      }
      if (!p.database.empty() && !p.address_database.empty() && p.database != p.address_database) {
        return RefusePartition(i, "Database", "the address in AddressPath names another database");
      }
      if (p.database.empty()) p.database = p.address_database;
      ZKDB_RETURN_IF_ERROR(CheckTls(i));
      p.login = p.auth.empty() ? p.address_login : ParseAuthKey(p.auth);
      if (p.login.user.empty() && !p.login.password.empty()) p.login.user = "default";
    }
    return Status::Ok();
  }

  Status CheckTls(uint32_t partition) const {
    const PartitionConfig& p = config_->partitions[partition];
    for (const char* key : {"TlsCa", "TlsCertificate", "TlsKey", "TlsServerName"}) {
      if (p.server.tls || Section(partition).Find(key) == nullptr) continue;
      return RefusePartition(partition, key, "the address in AddressPath is not zkdbs://: nothing is encrypted");
    }
    if (p.tls.certificate.empty() == p.tls.key.empty()) return Status::Ok();
    return RefusePartition(partition, p.tls.key.empty() ? "TlsKey" : "TlsCertificate",
                           "TlsCertificate and TlsKey belong together; give both or neither");
  }

  Status CheckDirectories() const {
    PathError error;
    if (CheckPaths(*config_, &error)) return Status::Ok();
    return RefusePartition(error.partition, error.is_log ? "TransactLogDir" : "HomeDir", error.reason);
  }

  Status CheckLimits() const {
    LimitRule rule;
    LimitError error;
    if (CompileLimits(config_->partitions, &rule, &error)) return Status::Ok();
    return RefusePartition(error.partition, error.key, error.reason);
  }

  static constexpr const char* kHashSign = "unknown key; a comment begins with ';', not '#'";

  std::string file_;
  const ConfigOverrides& overrides_;
  DatabaseConfig* config_;
  IniFile ini_;
};

}  // namespace

const PartitionConfig* PartitionOverTls(const DatabaseConfig& config) {
  for (const PartitionConfig& p : config.partitions) {
    if (p.is_remote && p.server.tls) return &p;
  }
  return nullptr;
}

Status RefuseTls(const DatabaseConfig& config) {
  const PartitionConfig* const p = PartitionOverTls(config);
  if (p == nullptr) return Status::Ok();
  return Status::Config(config.file + ": [" + p->name + "] AddressPath asks for TLS (" + p->address +
                        "), and this program has no relay for it: the Node package has one, C programs give theirs "
                        "with zkdb_options_tls_relay; or use zkdb:// or unix: through a tunnel");
}

Status ParseConfig(Slice text, const std::string& file, const ConfigOverrides& overrides, DatabaseConfig* out) {
  return Reader(file, overrides, out).Run(text);
}

Status LoadConfig(Env* env, const std::string& path, const ConfigOverrides& overrides, DatabaseConfig* out) {
  std::string file;
  std::string text;
  Status status = env->RealPath(path, &file);
  if (status.ok()) status = env->ReadFile(file, kMaxConfigBytes, &text);
  if (!status.ok()) {
    return Status::Config("cannot read the configuration file " + Printable(path, 512) + ": " + status.message());
  }
  return ParseConfig(text, file, overrides, out);
}

Status CheckOption(const std::string& name, const std::string& value) {
  const std::string_view trimmed = TrimBlanks(value);
  const std::string place = "option " + Printable(name) + " = " + Printable(value) + ": ";
  std::string reason;
  if (CheckOpenOption(name, trimmed, &reason)) return reason.empty() ? Status::Ok() : Status::Config(place + reason);
  const auto* key = FindKey(MainKeys(), name);
  if (key == nullptr) {
    std::vector<std::string> known = KeyNames(MainKeys());
    known.insert(known.end(), {"Partitions", "CreateIfMissing", "ErrorIfExists", "ReadOnly"});
    return Status::Config(place + "unknown option" + Suggestion(name, known));
  }
  if (trimmed.find('\0') != std::string_view::npos) return Status::Config(place + "holds a NUL byte");
  DatabaseConfig scratch;
  reason = key->set(trimmed, &scratch);
  return reason.empty() ? Status::Ok() : Status::Config(place + reason);
}

std::string MakeHashedConfig(uint32_t partitions) {
  ZKDB_ASSERT(partitions >= 1 && partitions <= kMaxPartitions);
  const auto name = [](uint32_t index) {
    char text[16];
    std::snprintf(text, sizeof text, "p%03u", index);
    return std::string(text);
  };
  std::string list;
  std::string sections;
  for (uint32_t i = 0; i < partitions; ++i) {
    list += name(i) + ";";
    sections += "\n[" + name(i) + "]\nDoHashing = Yes\nMinLimit = " + std::to_string(i * 256 / partitions) +
                "\nMaxLimit = " + std::to_string((i + 1) * 256 / partitions - 1) + "\n";
  }
  return "; A zkdb database. A key belongs to the partition whose limits hold its hash slot / 64.\n"
         "; The limits of a database that holds records are changed together with moving the records.\n"
         "[main]\nPartitions = " +
         list + "\nDefaultHomeDir = .\n" + sections;
}

}  // namespace zkdb
