// The directories of a configuration: defaults, relative paths, and that no two uses share one.
//
// Thread-safety: pure functions but for the last one; nothing of the file system is read by them.
#pragma once

#include <string>

#include "core/partition/config.h"

namespace zkdb {

// A directory that two uses share: the later use, for the caller to put a place before the reason.
struct PathError {
  uint32_t partition = 0;
  bool is_log = false;  // the directory is the one of the partition's log
  std::string reason;
};

// Resolves the paths of `config` in place: fills defaults, puts relative paths under the folder of config->file and
// normalises dots and separators.
void ResolvePaths(DatabaseConfig* config);

// False, with *error, when a local partition's directory is that of another one, or of a log, or two logs of isolated
// partitions share one; or when a partition of a database with one log asks for a log of its own.
// REQUIRES: ResolvePaths was called.
bool CheckPaths(const DatabaseConfig& config, PathError* error);

// Writes the text of the configuration file `from` to the new file `to`, without its places: every directory of the
// database that `to` stands for lies in the folder of `to`. ZKDB_IO, ZKDB_EXISTS when `to` is there.
Status CopyConfigWithoutDirectories(Env* env, const std::string& from, const std::string& to);

}  // namespace zkdb
