#include "net/backups.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

namespace zkdb::net {

namespace {

using Clock = std::chrono::steady_clock;

// "20261123T170102.123456Z": in the order of time, and no two of a server are the same.
std::string Stamp(uint64_t now_us) {
  const auto seconds = static_cast<time_t>(now_us / 1'000'000);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[128];
  std::snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02d.%06uZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<unsigned>(now_us % 1'000'000));
  return text;
}

}  // namespace

bool Backups::Start(zkdb_db* db, const std::string& name, uint64_t now_us, std::string* why) {
  if (directory_.empty()) {
    *why = "ERR the server has no directory for backups; set BackupDir in [server] of its configuration";
    return false;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (figures_.running) {
    *why = "ERR Background save already in progress";
    return false;
  }
  if (stop_.load()) {
    *why = "ERR the server is stopping";
    return false;
  }
  if (thread_.joinable()) thread_.join();  // it has ended
  figures_.running = true;
  figures_.began_s = now_us / 1'000'000;
  try {
    thread_ = std::thread([this, db, target = directory_ + "/" + name + "-" + Stamp(now_us)] { Run(db, target); });
  } catch (const std::system_error&) {
    figures_.running = false;
    *why = "ERR the system has no room for another thread; try again later";
  }
  return figures_.running;
}

void Backups::Run(zkdb_db* db, const std::string& target) {
  const Clock::time_point began = Clock::now();
  zkdb_error error{};
  const auto progress = [](void* self, uint64_t, uint64_t) {
    return static_cast<Backups*>(self)->stop_.load() ? 1 : 0;
  };
  const zkdb_code code = zkdb_backup(db, target.c_str(), progress, this, &error);
  const auto took = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began);
  const std::lock_guard<std::mutex> lock(mutex_);
  figures_.running = false;
  figures_.failed = code != ZKDB_OK;
  figures_.seconds = took.count();
  if (code == ZKDB_OK) figures_.saved_s = static_cast<uint64_t>(std::time(nullptr));
  figures_.error = code == ZKDB_OK ? "" : std::string(zkdb_code_name(code)) + " " + error.message;
}

BackupFigures Backups::figures() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return figures_;
}

void Backups::Stop() {
  stop_.store(true);
  std::thread ending;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ending = std::move(thread_);
  }
  if (ending.joinable()) ending.join();
}

}  // namespace zkdb::net
