// INFO: the figures of the server and its databases as a text, in sections and under names that tools for Redis read.
//
// Invariants:
//  1. Every figure is measured or counted; a field of Redis that has no true value here is left out.
//  2. Only the sections that are asked for are made: those without databases wait for no lock of the engine.
//  3. Behind MULTI no other database than the selected one is asked: two EXECs on two databases, each asking for the
//     other one, would wait for each other.
//  4. A database is told of to those alone who may count its keys.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "net/commands.h"
#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

// Tools ask for three numbers and refuse what is old; docs/adr/0029-info.md.
constexpr std::string_view kRedisVersion = "7.0.0";
constexpr uint64_t kMicroseconds = 1000000;
constexpr uint64_t kDay_s = 86400;

struct DatabaseFigures {
  uint32_t number = 0;
  zkdb_db_stats stats{};
  uint64_t keys = 0;
  uint64_t checkpoint_sequence = 0;  // the last commit that a checkpoint has written
};

struct Facts {
  ServerFigures server;
  bool cluster = false;
  uint64_t now_us = 0;
  uint64_t memory_bytes = 0;               // of all databases
  bool memory_known = false;               // whether all databases were asked
  std::vector<DatabaseFigures> databases;  // those that the user may be told of
};

// ---- lines

void Line(std::string* text, std::string_view name, std::string_view value) {
  text->append(name).append(":").append(value).append("\r\n");
}

void Line(std::string* text, std::string_view name, uint64_t value) { Line(text, name, std::to_string(value)); }

void BytesLines(std::string* text, std::string_view name, uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGT";
  Line(text, name, bytes);
  double amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  char human[32];
  std::snprintf(human, sizeof human, unit == 0 ? "%.0f%c" : "%.2f%c", amount, kUnits[unit]);
  Line(text, std::string(name) + "_human", human);
}

void SecondsLine(std::string* text, std::string_view name, uint64_t us) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%llu.%06llu", static_cast<unsigned long long>(us / kMicroseconds),
                static_cast<unsigned long long>(us % kMicroseconds));
  Line(text, name, seconds);
}

// ---- sections

void WriteServer(const Facts& facts, std::string* text) {
  Line(text, "redis_version", kRedisVersion);
  Line(text, "zkdb_version", zkdb_version());
  Line(text, "redis_mode", facts.cluster ? "cluster" : "standalone");
  Line(text, "os", facts.server.os);
  Line(text, "arch_bits", sizeof(void*) * 8);
  Line(text, "process_id", facts.server.process_id);
  Line(text, "tcp_port", facts.server.tcp_port);
  Line(text, "server_time_usec", facts.now_us);
  Line(text, "uptime_in_seconds", facts.server.uptime_us / kMicroseconds);
  Line(text, "uptime_in_days", facts.server.uptime_us / kMicroseconds / kDay_s);
  Line(text, "zkdb_threads", facts.server.threads);
}

void WriteClients(const Facts& facts, std::string* text) {
  Line(text, "connected_clients", facts.server.clients);
  Line(text, "maxclients", facts.server.max_clients);
  Line(text, "blocked_clients", 0);  // no command blocks
}

void WriteMemory(const Facts& facts, std::string* text) {
  if (facts.memory_known) BytesLines(text, "used_memory", facts.memory_bytes);
  BytesLines(text, "used_memory_rss", facts.server.resident_bytes);
  Line(text, "zkdb_waiting_reply_bytes", facts.server.waiting_bytes);
}

void WritePersistence(const Facts& facts, std::string* text) {
  Line(text, "loading", 0);  // a database that is not open is not served
  const BackupFigures& backup = facts.server.backup;
  const auto now_s = static_cast<int64_t>(facts.now_us / kMicroseconds);
  Line(text, "rdb_bgsave_in_progress", backup.running ? 1 : 0);
  Line(text, "rdb_last_save_time", backup.saved_s);
  Line(text, "rdb_last_bgsave_status", backup.failed ? "err" : "ok");
  Line(text, "rdb_last_bgsave_time_sec", std::to_string(backup.seconds));
  Line(text, "rdb_current_bgsave_time_sec",
       std::to_string(backup.running ? now_s - static_cast<int64_t>(backup.began_s) : -1));
  Line(text, "aof_rewrite_in_progress", 0);
  for (const DatabaseFigures& db : facts.databases) {
    Line(text, "zkdb_db" + std::to_string(db.number),
         "sequence=" + std::to_string(db.stats.sequence) +
             ",durable_sequence=" + std::to_string(db.stats.durable_sequence) + ",checkpoint_sequence=" +
             std::to_string(db.checkpoint_sequence) + ",checkpoints=" + std::to_string(db.stats.checkpoints) +
             ",log_bytes=" + std::to_string(db.stats.log_bytes) +
             ",failed=" + std::to_string(db.stats.failed != 0 ? 1 : 0));
  }
}

void WriteStats(const Facts& facts, std::string* text) {
  const ServerFigures& server = facts.server;
  Line(text, "total_connections_received", server.connections);
  Line(text, "total_commands_processed", server.commands);
  Line(text, "total_net_input_bytes", server.bytes_in);
  Line(text, "total_net_output_bytes", server.bytes_out);
  Line(text, "rejected_connections", server.rejected);
  uint64_t expired = 0;
  for (const DatabaseFigures& db : facts.databases) expired += db.stats.expired;
  if (facts.databases.size() == server.databases) Line(text, "expired_keys", expired);
  Line(text, "zkdb_reader_pauses", server.pauses);
  Line(text, "zkdb_dropped_slow", server.dropped_slow);
  Line(text, "zkdb_dropped_idle", server.dropped_idle);
  Line(text, "zkdb_dropped_login", server.dropped_login);
  Line(text, "zkdb_shared_writes", server.shared_writes);
}

void WriteReplication(const Facts&, std::string* text) {
  Line(text, "role", "master");
  Line(text, "connected_slaves", 0);
}

void WriteCpu(const Facts& facts, std::string* text) {
  SecondsLine(text, "used_cpu_sys", facts.server.cpu_system_us);
  SecondsLine(text, "used_cpu_user", facts.server.cpu_user_us);
}

void WriteCluster(const Facts& facts, std::string* text) { Line(text, "cluster_enabled", facts.cluster ? 1 : 0); }

// As in Redis, a database without keys has no line.
void WriteKeyspace(const Facts& facts, std::string* text) {
  for (const DatabaseFigures& db : facts.databases) {
    if (db.keys == 0) continue;
    // Tools read the three together. The mean of the times is not known: 0 says so.
    Line(text, "db" + std::to_string(db.number),
         "keys=" + std::to_string(db.keys) + ",expires=" + std::to_string(db.stats.expiring) + ",avg_ttl=0");
  }
}

struct Section {
  std::string_view name;
  std::string_view title;
  bool databases;  // it tells of them
  void (*write)(const Facts& facts, std::string* text);
};

// In the order of Redis.
constexpr Section kSections[] = {
    {"SERVER", "Server", false, WriteServer},
    {"CLIENTS", "Clients", false, WriteClients},
    {"MEMORY", "Memory", true, WriteMemory},
    {"PERSISTENCE", "Persistence", true, WritePersistence},
    {"STATS", "Stats", true, WriteStats},
    {"REPLICATION", "Replication", false, WriteReplication},
    {"CPU", "CPU", false, WriteCpu},
    {"CLUSTER", "Cluster", false, WriteCluster},
    {"KEYSPACE", "Keyspace", true, WriteKeyspace},
};

using Chosen = std::array<bool, std::size(kSections)>;

Chosen Choose(Arguments names) {
  Chosen chosen{};
  if (names.empty()) chosen.fill(true);
  for (const Slice& name : names) {
    if (IsWord(name, "DEFAULT") || IsWord(name, "ALL") || IsWord(name, "EVERYTHING")) chosen.fill(true);
    for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = chosen[i] || IsWord(name, kSections[i].name);
  }
  return chosen;
}

// ---- databases

zkdb_code Measure(zkdb_db* db, DatabaseFigures* out, zkdb_error* error) {
  zkdb_code code = zkdb_stats(db, &out->stats, error);
  for (uint32_t i = 0; code == ZKDB_OK && i < zkdb_partition_count(db); ++i) {
    zkdb_partition_stats partition{};
    code = zkdb_stats_partition(db, i, 0, &partition, error);
    out->keys += partition.records;
    out->checkpoint_sequence = std::max(out->checkpoint_sequence, partition.checkpoint_sequence);
  }
  return code;
}

// False after an error reply.
bool MeasureAll(Session* s, Facts* facts) {
  facts->memory_known = true;
  for (uint32_t number = 0; number < facts->server.databases; ++number) {
    zkdb_db* const db = s->server()->Database(number);
    if (s->store().txn != nullptr && db != s->store().db) {
      facts->memory_known = false;
      continue;
    }
    zkdb_error error{};
    DatabaseFigures figures{number};
    if (Measure(db, &figures, &error) != ZKDB_OK) {
      s->Fail(error);
      return false;
    }
    facts->memory_bytes += figures.stats.memory_bytes;
    if (s->access().Holds(kVerbScan) && s->access().SeesEverything(number)) facts->databases.push_back(figures);
  }
  return true;
}

}  // namespace

// INFO [section ...]: an unknown section adds nothing.
void InfoCommand(Session* s, Arguments args) {
  const Chosen chosen = Choose(args.subspan(1));
  Facts facts;
  facts.server = s->server()->Figures();
  facts.cluster = s->cluster() != nullptr;
  facts.now_us = s->server()->NowUs();
  bool databases = false;
  for (size_t i = 0; i < chosen.size(); ++i) databases = databases || (chosen[i] && kSections[i].databases);
  if (databases && !MeasureAll(s, &facts)) return;
  std::string text;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (!chosen[i]) continue;
    if (!text.empty()) text += "\r\n";
    text.append("# ").append(kSections[i].title).append("\r\n");
    kSections[i].write(facts, &text);
  }
  s->reply()->Verbatim(text);
}

}  // namespace zkdb::net
