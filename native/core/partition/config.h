// The configuration of a database: which partitions it has, where they are, how keys are routed to them, and tuning.
//
// Everything that can be known without touching a data file is checked here, so a wrong configuration is refused before
// the first file is made. A message is `file:line: [section] Key = value: reason`.
//
// Thread-safety: values; the functions are pure but for LoadConfig, which reads one file.
//
// Invariants (of a DatabaseConfig that ParseConfig or LoadConfig gave):
//  1. 1..256 partitions with distinct names (case ignored); CompileLimits (limits.h) accepts them.
//  2. No local partition's directory is that of another one or a log's, compared as normalised paths.
//  3. Paths are absolute when `file` is.
//  4. TlsCertificate and TlsKey of a remote partition are both there or neither.
//
// Keys of [main]. A size may end in K, M or G; they can be overridden by options of the same names.
//   Database                 logical name; default: the file's name without its extension
//   Partitions               section names, separated by ';' or ','; required; not an override
//   DefaultHomeDir           default: the folder of the file. A relative path is relative to that folder
//   DefaultTransactLogDir    default: DefaultHomeDir/log
//   Isolated_Partitions      Yes: a log per partition; No (default): one log
//   PageSize                 4K (default)..64K, a power of two; at creation
//   SegmentSize              64K..2G (default), a power of two; at creation
//   LogFileSize              64K..2G, default 64M, rounded up to 4K
//   MinCheckpointSize        4K..1T, default 256M: bytes of log or changed pages that start a checkpoint
//   MinCheckpointTime        1.. seconds, default 60: between periodic checkpoints
//   CheckPoints              Yes (default) / No: periodic checkpoints
//   Durability               commit (default) | interval | none
//   SyncInterval             1..3600000 ms, default 100
//   SnapshotLimit            bytes that an old snapshot may pin, default 0 = no limit
//   VerifyAll                Yes / No (default): check the whole tree at each commit
//   CacheSize, MaxTransactions  checked and kept, without effect: pages are mapped and the system caches them, and
//                               readers are not limited while each partition has one writer
// and the keys of [server] and [ndbutil], which may also stand in [main] and are kept for those tools.
//
// Keys of a partition: IsRemote, IsHashed, DoHashing, MinLimit, MaxLimit, LimitStartPos, PartitionType (BTREE or HASH:
// both give the ordered B+tree, which answers every call of a hash index), HomeDir, TransactLogDir (with
// Isolated_Partitions = Yes), PageSize, MinCheckpointTime, MinCheckpointSize, CacheSize, MaxTransactions; for a remote
// one AddressPath (host:port, the absolute path of a Unix socket, or a URL: remote_address.h), Database (the logical
// name or the number there), AuthKey (a password, or user:password), ConnectTimeout and ReplyTimeout (ms); for one
// whose address is zkdbs:// TlsCa, TlsCertificate and TlsKey (PEM files; relative paths as those of directories) and
// TlsServerName.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/os/env.h"
#include "core/partition/remote_address.h"

namespace zkdb {

inline constexpr uint32_t kMaxPartitions = 256;

enum class PartitionType { kBtree, kHash };

struct PartitionConfig {
  std::string name;  // as spelled in Partitions
  bool is_remote = false;
  bool is_hashed = false;   // the key already is a hash or binary: limits are numbers compared with one byte
  bool do_hashing = false;  // limits are numbers compared with the routing byte of the key's hash slot
  std::optional<std::string> min_limit;                  // as given; absent: from the lowest key
  std::optional<std::string> max_limit;                  // as given; absent: to the highest key
  uint32_t limit_start_pos = 0;                          // 0-based, bytes
  PartitionType partition_type = PartitionType::kBtree;  // as given; the physical index is the B+tree in both cases

  std::string directory;      // local: HomeDir, else DefaultHomeDir/<name>
  std::string log_directory;  // local: the database's; isolated: TransactLogDir, else DefaultTransactLogDir/<name>,
                              // else <directory>/log

  std::string address;   // remote, for people: host:port or the absolute path of a Unix socket
  std::string database;  // remote: logical name or number on that server; empty: its first
  std::string auth;      // remote: authentication string, as given
  ServerAddress server;  // remote
  Login login;           // remote: of AuthKey, else of the address
  Login address_login;   // remote: what a URL says
  std::string address_database;
  TlsFiles tls;                        // remote, over TLS
  uint64_t connect_timeout_ms = 2000;  // remote: for a connection and its login
  uint64_t reply_timeout_ms = 10000;   // remote: in which 64 KiB of an answer, or its rest, have to come

  uint32_t page_size = 0;              // bytes; the database's unless given
  uint64_t min_checkpoint_size = 0;    // bytes; the database's unless given
  uint64_t min_checkpoint_time_s = 0;  // seconds; the database's unless given
  uint64_t cache_size = 0;             // bytes; without effect
  uint64_t max_transactions = 0;       // without effect
};

struct DatabaseConfig {
  std::string name;
  std::string file;  // the configuration file
  std::vector<PartitionConfig> partitions;
  bool isolated = false;
  std::string home_directory;
  std::string log_directory;  // of the one log, when not isolated

  uint32_t page_size = 4096;                           // bytes
  uint64_t segment_size = uint64_t{2} << 30;           // bytes
  uint64_t log_file_size = uint64_t{64} << 20;         // bytes
  uint64_t min_checkpoint_size = uint64_t{256} << 20;  // bytes
  uint64_t min_checkpoint_time_s = 60;                 // seconds
  bool checkpoints = true;
  zkdb_durability durability = ZKDB_DURABILITY_COMMIT;
  uint64_t sync_interval_ms = 100;
  uint64_t snapshot_limit = 0;  // bytes, 0 = none
  bool verify_all = false;
  uint64_t cache_size = 0;        // bytes; without effect
  uint64_t max_transactions = 0;  // without effect

  std::map<std::string, std::string> server_keys;   // of [server], canonical spelling -> value
  std::map<std::string, std::string> ndbutil_keys;  // of [ndbutil], canonical spelling -> value
};

// The first partition that is reached over TLS, or nullptr.
const PartitionConfig* PartitionOverTls(const DatabaseConfig& config);
// ZKDB_CONFIG when there is one, for programs that speak no TLS.
Status RefuseTls(const DatabaseConfig& config);

using ConfigOverrides = std::vector<std::pair<std::string, std::string>>;

// Parses and checks a configuration. `file` is its path: messages name it and relative paths start in its folder.
// `overrides` are option names and values that win over [main]; of equal names the last one counts; those of open
// itself (Partitions, CreateIfMissing, ErrorIfExists, ReadOnly) are checked and otherwise skipped.
// ZKDB_CONFIG for everything that is wrong; *out is then unspecified.
Status ParseConfig(Slice text, const std::string& file, const ConfigOverrides& overrides, DatabaseConfig* out);

// Reads the file and parses it; `file` of the result is the real path. ZKDB_CONFIG, also when it cannot be read.
Status LoadConfig(Env* env, const std::string& path, const ConfigOverrides& overrides, DatabaseConfig* out);

// Checks one option of zkdb_options_set: a key of [main] but Partitions as a list, or one of open itself (Partitions as
// a count 1..256, CreateIfMissing, ErrorIfExists, ReadOnly). ZKDB_CONFIG naming both for an unknown name or bad value.
Status CheckOption(const std::string& name, const std::string& value);

// The text of a configuration file for a new directory: that many (1..256) partitions p000, p001, ... with
// DoHashing = Yes and even limits over 0..255, everything in the file's folder.
std::string MakeHashedConfig(uint32_t partitions);

}  // namespace zkdb
