// The keys of a configuration file: their spellings, what they set and which values they take.
//
// Thread-safety: constant tables and pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/partition/config.h"

namespace zkdb {

template <typename Owner>
struct ConfigKey {
  const char* name;                  // canonical spelling
  std::vector<const char*> aliases;  // other spellings that are accepted
  // Sets the field from a trimmed value. The reason why the value is refused, or "" when it is set.
  std::string (*set)(std::string_view value, Owner* owner);
};

// The keys of [main] without Partitions; paths are set as given and resolved later.
const std::vector<ConfigKey<DatabaseConfig>>& MainKeys();
// The keys of a partition's section; paths are set as given and resolved later.
const std::vector<ConfigKey<PartitionConfig>>& PartitionKeys();
const std::vector<std::string>& ServerKeys();
const std::vector<std::string>& NdbutilKeys();

// The key of a spelling, case ignored; nullptr when there is none.
template <typename Owner>
const ConfigKey<Owner>* FindKey(const std::vector<ConfigKey<Owner>>& keys, std::string_view spelling);
// The canonical spelling in a list of keys, case ignored; "" when it is not there.
std::string FindKey(const std::vector<std::string>& keys, std::string_view spelling);
// The canonical spellings of a table.
template <typename Owner>
std::vector<std::string> KeyNames(const std::vector<ConfigKey<Owner>>& keys);

// True when `name` is an option of open itself (Partitions, CreateIfMissing, ErrorIfExists, ReadOnly); *reason is then
// why its value is refused, or "".
bool CheckOpenOption(std::string_view name, std::string_view value, std::string* reason);

}  // namespace zkdb
