#include "core/partition/config_keys.h"

#include <bit>

#include "core/base/coding.h"
#include "core/partition/values.h"

namespace zkdb {

namespace {

constexpr uint64_t kKiB = 1024;
constexpr uint64_t kMiB = 1024 * kKiB;
constexpr uint64_t kGiB = 1024 * kMiB;
constexpr uint64_t kMaxKeyPosition = 65534;  // of the last byte that a key can have
constexpr uint64_t kYearSeconds = uint64_t{365} * 24 * 3600;

// The owner of a field, from a pointer to it.
template <typename T>
struct FieldOf;
template <typename Value, typename Class>
struct FieldOf<Value Class::*> {
  using Owner = Class;
  using Type = Value;
};
template <auto Field>
using OwnerOf = typename FieldOf<decltype(Field)>::Owner;
template <auto Field>
using TypeOf = typename FieldOf<decltype(Field)>::Type;

template <auto Field>
std::string SetText(std::string_view value, OwnerOf<Field>* owner) {
  if (value.empty()) return "the value is empty; give one or remove the key";
  owner->*Field = std::string(value);
  return "";
}

template <auto Field>
std::string SetTlsText(std::string_view value, PartitionConfig* owner) {
  return SetText<Field>(value, &owner->tls);
}

template <auto Field>
std::string SetLimit(std::string_view value, OwnerOf<Field>* owner) {
  if (value.empty()) return "an empty limit; remove the key for an open end";
  owner->*Field = std::string(value);
  return "";
}

template <auto Field>
std::string SetYesNo(std::string_view value, OwnerOf<Field>* owner) {
  return ParseYesNo(value, &(owner->*Field)) ? "" : "is neither Yes nor No";
}

std::string OutsideRange(uint64_t low, uint64_t high) {
  return "is outside " + std::to_string(low) + ".." + std::to_string(high);
}

template <auto Field, uint64_t Low, uint64_t High>
std::string SetInteger(std::string_view value, OwnerOf<Field>* owner) {
  uint64_t number = 0;
  if (!ParseInteger(value, &number)) return "is not a whole number";
  if (number < Low || number > High) return OutsideRange(Low, High);
  owner->*Field = static_cast<TypeOf<Field>>(number);
  return "";
}

constexpr const char* kNotASize = "is not a size: a number of bytes, or one that ends in K, M or G";

template <auto Field, uint64_t Low, uint64_t High>
std::string SetSize(std::string_view value, OwnerOf<Field>* owner) {
  uint64_t size = 0;
  if (!ParseSize(value, &size)) return kNotASize;
  if (size < Low || size > High) return OutsideRange(Low, High) + " bytes";
  owner->*Field = static_cast<TypeOf<Field>>(size);
  return "";
}

template <auto Field, uint64_t Low, uint64_t High>
std::string SetPowerOfTwo(std::string_view value, OwnerOf<Field>* owner) {
  uint64_t size = 0;
  if (!ParseSize(value, &size)) return kNotASize;
  if (!std::has_single_bit(size) || size < Low || size > High) {
    return "is not a power of two from " + std::to_string(Low) + " to " + std::to_string(High);
  }
  owner->*Field = static_cast<TypeOf<Field>>(size);
  return "";
}

std::string SetLogFileSize(std::string_view value, DatabaseConfig* owner) {
  const std::string reason = SetSize<&DatabaseConfig::log_file_size, 64 * kKiB, 2 * kGiB>(value, owner);
  owner->log_file_size = RoundUp(owner->log_file_size, 4 * kKiB);
  return reason;
}

std::string SetDurability(std::string_view value, DatabaseConfig* owner) {
  if (EqualIgnoringCase(value, "commit"))
    owner->durability = ZKDB_DURABILITY_COMMIT;
  else if (EqualIgnoringCase(value, "interval"))
    owner->durability = ZKDB_DURABILITY_INTERVAL;
  else if (EqualIgnoringCase(value, "none"))
    owner->durability = ZKDB_DURABILITY_NONE;
  else
    return "is none of commit, interval, none";
  return "";
}

std::string SetPartitionType(std::string_view value, PartitionConfig* owner) {
  const bool hash = EqualIgnoringCase(value, "HASH");
  if (!hash && !EqualIgnoringCase(value, "BTREE")) return "is neither BTREE nor HASH";
  owner->partition_type = hash ? PartitionType::kHash : PartitionType::kBtree;
  return "";
}

std::string SetAddress(std::string_view value, PartitionConfig* owner) {
  RemoteAddress address;
  std::string reason;
  if (!ParseRemoteAddress(value, &address, &reason)) return reason;
  owner->server = address.server;
  owner->address = address.server.path.empty() ? address.server.ToString() : address.server.path;
  owner->address_login = address.login;
  owner->address_database = address.database;
  return "";
}

bool Named(const char* name, const std::vector<const char*>& aliases, std::string_view spelling) {
  if (EqualIgnoringCase(name, spelling)) return true;
  for (const char* alias : aliases) {
    if (EqualIgnoringCase(alias, spelling)) return true;
  }
  return false;
}

template <typename Owner>
std::vector<ConfigKey<Owner>> TuningKeys() {
  return {
      {"PageSize", {}, SetPowerOfTwo<&Owner::page_size, 4 * kKiB, 64 * kKiB>},
      {"MinCheckpointSize", {}, SetSize<&Owner::min_checkpoint_size, 4 * kKiB, 1024 * kGiB>},
      {"MinCheckpointTime", {}, SetInteger<&Owner::min_checkpoint_time_s, 1, kYearSeconds>},
      {"CacheSize", {}, SetSize<&Owner::cache_size, 0, UINT64_MAX>},
      {"MaxTransactions", {"MaxConcurrentTransactions"}, SetInteger<&Owner::max_transactions, 0, UINT64_MAX>},
  };
}

std::vector<ConfigKey<DatabaseConfig>> MakeMainKeys() {
  std::vector<ConfigKey<DatabaseConfig>> keys = {
      {"Database", {}, SetText<&DatabaseConfig::name>},
      {"DefaultHomeDir", {}, SetText<&DatabaseConfig::home_directory>},
      {"DefaultTransactLogDir", {}, SetText<&DatabaseConfig::log_directory>},
      {"Isolated_Partitions", {"IsolatedPartitions"}, SetYesNo<&DatabaseConfig::isolated>},
      {"SegmentSize", {}, SetPowerOfTwo<&DatabaseConfig::segment_size, 64 * kKiB, 2 * kGiB>},
      {"LogFileSize", {}, SetLogFileSize},
      {"CheckPoints", {}, SetYesNo<&DatabaseConfig::checkpoints>},
      {"Durability", {}, SetDurability},
      {"SyncInterval", {}, SetInteger<&DatabaseConfig::sync_interval_ms, 1, 3600000>},
      {"SnapshotLimit", {}, SetSize<&DatabaseConfig::snapshot_limit, 0, UINT64_MAX>},
      {"VerifyAll", {}, SetYesNo<&DatabaseConfig::verify_all>},
  };
  for (const ConfigKey<DatabaseConfig>& key : TuningKeys<DatabaseConfig>()) keys.push_back(key);
  return keys;
}

std::vector<ConfigKey<PartitionConfig>> MakePartitionKeys() {
  std::vector<ConfigKey<PartitionConfig>> keys = {
      {"IsRemote", {}, SetYesNo<&PartitionConfig::is_remote>},
      {"IsHashed", {}, SetYesNo<&PartitionConfig::is_hashed>},
      {"DoHashing", {}, SetYesNo<&PartitionConfig::do_hashing>},
      {"MinLimit", {}, SetLimit<&PartitionConfig::min_limit>},
      {"MaxLimit", {}, SetLimit<&PartitionConfig::max_limit>},
      {"LimitStartPos", {}, SetInteger<&PartitionConfig::limit_start_pos, 0, kMaxKeyPosition>},
      {"PartitionType", {}, SetPartitionType},
      {"HomeDir", {}, SetText<&PartitionConfig::directory>},
      {"TransactLogDir", {}, SetText<&PartitionConfig::log_directory>},
      {"AddressPath", {"Address"}, SetAddress},
      {"Database", {"DatabaseName"}, SetText<&PartitionConfig::database>},
      {"AuthKey", {"Auth", "Authentication"}, SetText<&PartitionConfig::auth>},
      {"TlsCa", {}, SetTlsText<&TlsFiles::authority>},
      {"TlsCertificate", {}, SetTlsText<&TlsFiles::certificate>},
      {"TlsKey", {}, SetTlsText<&TlsFiles::key>},
      {"TlsServerName", {}, SetTlsText<&TlsFiles::server_name>},
      {"ConnectTimeout", {}, SetInteger<&PartitionConfig::connect_timeout_ms, 1, 3600000>},
      {"ReplyTimeout", {}, SetInteger<&PartitionConfig::reply_timeout_ms, 1, 3600000>},
  };
  for (const ConfigKey<PartitionConfig>& key : TuningKeys<PartitionConfig>()) keys.push_back(key);
  return keys;
}

}  // namespace

const std::vector<ConfigKey<DatabaseConfig>>& MainKeys() {
  static const std::vector<ConfigKey<DatabaseConfig>> keys = MakeMainKeys();
  return keys;
}

const std::vector<ConfigKey<PartitionConfig>>& PartitionKeys() {
  static const std::vector<ConfigKey<PartitionConfig>> keys = MakePartitionKeys();
  return keys;
}

const std::vector<std::string>& ServerKeys() {
  static const std::vector<std::string> keys = {"ListenQueueLength",
                                                "MaxIdleTime",
                                                "MaxConnections",
                                                "ProcessLife",
                                                "MaxPacketSize",
                                                "TcpDelay",
                                                "AuthKey",
                                                "AddressPath",
                                                "AccessFile",
                                                "LogFile",
                                                "PidFile",
                                                "Verbose",
                                                "Threads",
                                                "MaxConnectionsPerAddress",
                                                "TlsAddressPath",
                                                "TlsCertificate",
                                                "TlsKey",
                                                "TlsClientCa",
                                                "TlsRequireClientCertificate",
                                                "Cluster",
                                                "ClusterNodes",
                                                "ClusterAddress",
                                                "KeyspaceEvents",
                                                "BackupDir",
                                                "SlowLogTime",
                                                "SlowLogLength"};
  return keys;
}

const std::vector<std::string>& NdbutilKeys() {
  static const std::vector<std::string> keys = {"Operation", "Debug", "LogFile", "Prompt", "recovery.Fatal"};
  return keys;
}

template <typename Owner>
const ConfigKey<Owner>* FindKey(const std::vector<ConfigKey<Owner>>& keys, std::string_view spelling) {
  for (const ConfigKey<Owner>& key : keys) {
    if (Named(key.name, key.aliases, spelling)) return &key;
  }
  return nullptr;
}

std::string FindKey(const std::vector<std::string>& keys, std::string_view spelling) {
  for (const std::string& key : keys) {
    if (EqualIgnoringCase(key, spelling)) return key;
  }
  return "";
}

template <typename Owner>
std::vector<std::string> KeyNames(const std::vector<ConfigKey<Owner>>& keys) {
  std::vector<std::string> names;
  for (const ConfigKey<Owner>& key : keys) names.emplace_back(key.name);
  return names;
}

template const ConfigKey<DatabaseConfig>* FindKey(const std::vector<ConfigKey<DatabaseConfig>>&, std::string_view);
template const ConfigKey<PartitionConfig>* FindKey(const std::vector<ConfigKey<PartitionConfig>>&, std::string_view);
template std::vector<std::string> KeyNames(const std::vector<ConfigKey<DatabaseConfig>>&);
template std::vector<std::string> KeyNames(const std::vector<ConfigKey<PartitionConfig>>&);

bool CheckOpenOption(std::string_view name, std::string_view value, std::string* reason) {
  if (EqualIgnoringCase(name, "Partitions")) {
    uint64_t count = 0;
    const bool good = ParseInteger(value, &count) && count >= 1 && count <= kMaxPartitions;
    *reason = good ? "" : "is not a number of partitions from 1 to 256";
    return true;
  }
  for (const char* option : {"CreateIfMissing", "ErrorIfExists", "ReadOnly"}) {
    if (!EqualIgnoringCase(name, option)) continue;
    bool flag = false;
    *reason = ParseYesNo(value, &flag) ? "" : "is neither Yes nor No";
    return true;
  }
  return false;
}

}  // namespace zkdb
