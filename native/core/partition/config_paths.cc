#include "core/partition/config_paths.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "core/partition/values.h"

namespace zkdb {

namespace {

std::string Normal(const std::filesystem::path& path) {
  std::string text = path.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text.empty() ? "." : text;
}

// `path` under `folder`, or itself when it is absolute.
std::string Under(const std::string& folder, const std::string& path) {
  return Normal(std::filesystem::path(folder) / path);
}

void ResolveLocal(const DatabaseConfig& config, const std::string& folder, bool has_log_default, PartitionConfig* p) {
  p->directory = p->directory.empty() ? Under(config.home_directory, p->name) : Under(folder, p->directory);
  if (!p->log_directory.empty()) {
    p->log_directory = Under(folder, p->log_directory);
  } else if (!config.isolated) {
    p->log_directory = config.log_directory;
  } else {
    p->log_directory = has_log_default ? Under(config.log_directory, p->name) : Under(p->directory, "log");
  }
}

class PathUses {
 public:
  PathUses(const DatabaseConfig& config, PathError* error) : config_(config), error_(error) {}

  bool Run() {
    if (!config_.isolated) used_[config_.log_directory] = "the transaction log";
    for (uint32_t i = 0; i < config_.partitions.size(); ++i) {
      const PartitionConfig& p = config_.partitions[i];
      if (p.is_remote) continue;
      if (!Use(i, false, p.directory, "partition [" + Printable(p.name) + "]")) return false;
    }
    for (uint32_t i = 0; i < config_.partitions.size(); ++i) {
      const PartitionConfig& p = config_.partitions[i];
      if (!p.is_remote && !CheckLog(i, p)) return false;
    }
    return true;
  }

 private:
  bool Use(uint32_t partition, bool is_log, const std::string& directory, const std::string& user) {
    const auto [place, added] = used_.try_emplace(directory, user);
    if (added) return true;
    return Fail(
        partition, is_log,
        "the directory " + Printable(directory, 300) + " is already used by " + place->second + "; give each its own");
  }

  bool CheckLog(uint32_t index, const PartitionConfig& p) {
    if (config_.isolated) return Use(index, true, p.log_directory, "the log of partition [" + Printable(p.name) + "]");
    if (p.log_directory == config_.log_directory) return true;
    return Fail(index, true,
                "a partition has its own log only with Isolated_Partitions = Yes; set that, or remove the key");
  }

  bool Fail(uint32_t partition, bool is_log, std::string reason) {
    *error_ = {partition, is_log, std::move(reason)};
    return false;
  }

  const DatabaseConfig& config_;
  PathError* error_;
  std::map<std::string, std::string> used_;  // directory -> who uses it
};

}  // namespace

void ResolvePaths(DatabaseConfig* config) {
  const std::filesystem::path file(config->file);
  const std::string folder = Normal(file.parent_path());
  if (config->name.empty()) config->name = file.stem().string();
  config->home_directory = Under(folder, config->home_directory);
  const bool has_log_default = !config->log_directory.empty();
  config->log_directory = has_log_default ? Under(folder, config->log_directory) : Under(config->home_directory, "log");
  for (PartitionConfig& p : config->partitions) {
    if (!p.is_remote) ResolveLocal(*config, folder, has_log_default, &p);
    for (std::string* path : {&p.tls.authority, &p.tls.certificate, &p.tls.key}) {
      if (!path->empty()) *path = Under(folder, *path);
    }
  }
}

bool CheckPaths(const DatabaseConfig& config, PathError* error) { return PathUses(config, error).Run(); }

namespace {

std::string WithoutDirectories(const std::string& text) {
  constexpr std::array<std::string_view, 4> kPlaces = {"DefaultHomeDir", "DefaultTransactLogDir", "HomeDir",
                                                       "TransactLogDir"};
  std::string out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    const std::string_view name = TrimBlanks(line.substr(0, line.find('=')));
    bool place = false;
    for (std::string_view p : kPlaces) place |= EqualIgnoringCase(name, p);
    if (!place) out.append(line).push_back('\n');
    begin = end + 1;
  }
  return out;
}

}  // namespace

Status CopyConfigWithoutDirectories(Env* env, const std::string& from, const std::string& to) {
  std::string text;
  ZKDB_RETURN_IF_ERROR(env->ReadFile(from, 4u << 20, &text));
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(env->Open(to, OpenMode::kCreateExclusive, &file));
  ZKDB_RETURN_IF_ERROR(file->Write(0, WithoutDirectories(text)));
  return file->Sync();
}

}  // namespace zkdb
