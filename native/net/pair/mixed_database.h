// What the tests of databases with remote partitions share: one over sessions in this process, a model of its records,
// and random operations on both.
//
// Thread-safety: none; a test has one thread.
#pragma once

#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/base/test.h"
#include "core/dispatch/dispatcher.h"
#include "core/engine/registry.h"
#include "net/pair/session_transport.h"

namespace zkdb::net::test {

using zkdb::test::TempDirectory;
using Model = std::map<std::string, std::string>;
using Records = std::vector<std::pair<std::string, std::string>>;

inline std::string Rest(const std::string& text, bool remote, int port) {
  return text +
         (remote ? "IsRemote = Yes\nReplyTimeout = 500\nAddressPath = zkdb://db:" + std::to_string(port) + "\n" : "");
}

// Partitions a-h, i-p and q-z; `kinds` says of each whether it is local (l) or remote (r, on a server of its own).
class MixedDatabase {
 public:
  explicit MixedDatabase(const std::string& kinds) : directory_(TempDirectory()) {
    for (size_t i = 0; i < kinds.size(); ++i) {
      const std::string path = directory_ + "/server" + std::to_string(i);
      servers_.push_back(kinds[i] == 'r' ? std::make_unique<TestServer>(path, "2", 1) : nullptr);
      transport.servers.push_back({servers_.back().get(), false, 0});
    }
    const std::string file = directory_ + "/mixed.conf";
    std::ofstream(file) << "[main]\nPartitions = low; mid; high\nDurability = none\n"
                        << "[low]\nMaxLimit = h\n"
                        << Rest("", kinds[0] == 'r', 1) << "[mid]\nMinLimit = i\nMaxLimit = p\n"
                        << Rest("", kinds[1] == 'r', 2) << "[high]\nMinLimit = q\n"
                        << Rest("", kinds[2] == 'r', 3);
    EXPECT_OK(zkdb::OpenDatabase(Env::Posix(), file, {}, &engine));
    db = Dispatcher::For(engine, &transport);
  }
  ~MixedDatabase() { EXPECT_OK(CloseDatabase(engine)); }

  Status Write(const BatchBuilder& batch, bool non_atomic = false) {
    return db->Write(batch.bytes(), ZKDB_DURABILITY_DEFAULT, non_atomic, &result);
  }
  Status Put(const std::string& key, const std::string& value) {
    BatchBuilder batch;
    batch.Add(ZKDB_OP_PUT, key, value);
    return Write(batch);
  }
  Status Get(const std::string& key, std::optional<std::string>* value, DispatchSnapshot* snapshot = nullptr) {
    std::string buffer(16, '\0');
    size_t size = 0;
    Status status;
    const auto get = [&] {
      return db->Get(snapshot, key, reinterpret_cast<uint8_t*>(buffer.data()), buffer.size(), &size, &status);
    };
    zkdb_code code = get();
    if (code == ZKDB_BUFFER_TOO_SMALL) buffer.resize(size), code = get();
    value->reset();
    if (code == ZKDB_OK) *value = buffer.substr(0, size);
    return status;
  }
  // The value, "(none)", or the code of a failure, whose text is then in `failure`.
  std::string ValueOf(const std::string& key, DispatchSnapshot* snapshot = nullptr) {
    std::optional<std::string> value;
    const Status status = Get(key, &value, snapshot);
    failure = status.message();
    return status.ok() ? value.value_or("(none)") : zkdb_code_name(status.code());
  }
  Status Scan(const KeyRange& range, const ScanOptions& options, bool partial, Records* out,
              std::unique_ptr<MixedScan>* scan, uint32_t most = 7,
              std::shared_ptr<DispatchSnapshot> snapshot = nullptr) {
    ZKDB_RETURN_IF_ERROR(db->OpenScan(std::move(snapshot), range, options, partial, scan));
    return Drain(scan->get(), out, most);
  }
  Status Drain(MixedScan* scan, Records* out, uint32_t most = 7) {
    std::vector<uint8_t> buffer(40);
    for (bool done = false; !done;) {
      size_t used = 0;
      uint32_t count = 0;
      bool too_small = false;
      ZKDB_RETURN_IF_ERROR(scan->Pack(buffer.data(), buffer.size(), most, &used, &count, &done, &too_small));
      if (too_small) {
        buffer.resize(used);
        continue;
      }
      const uint8_t* p = buffer.data();
      for (uint32_t i = 0; i < count; ++i) {
        const uint32_t key = Load32(p);
        const uint32_t value = Load32(p + 4);
        out->emplace_back(Slice(p + 8, key).ToString(), Slice(p + 8 + key, value).ToString());
        p += 8 + size_t{key} + value;
      }
    }
    return Status::Ok();
  }
  Records All(const ScanOptions& options = {}, std::shared_ptr<DispatchSnapshot> snapshot = nullptr) {
    Records out;
    std::unique_ptr<MixedScan> scan;
    EXPECT_OK(Scan(KeyRange{}, options, false, &out, &scan, 300, std::move(snapshot)));
    return out;
  }
  // Snapshots that are open on the server of a partition.
  uint64_t SnapshotsOf(size_t partition) {
    zkdb_db_stats stats{};
    EXPECT(zkdb_stats(servers_[partition]->Database(0), &stats, nullptr) == ZKDB_OK);
    return stats.snapshots_open;
  }
  TestServer* server(size_t partition) { return servers_[partition].get(); }

  SessionTransport transport;
  std::shared_ptr<Engine> engine;
  std::unique_ptr<Dispatcher> db;
  WriteResult result;
  std::string failure;

 private:
  const std::string directory_;
  std::vector<std::unique_ptr<TestServer>> servers_;
};

inline constexpr const char* kShapes[] = {"lrl", "rlr", "rrr", "rll"};

inline std::string RandomKey(std::mt19937_64* random) {
  std::string key(1 + (*random)() % 3, '\0');
  for (char& c : key) c = static_cast<char>('a' + (*random)() % 26);
  return key;
}

inline KeyRange RandomRange(std::mt19937_64* random, std::string* lo, std::string* hi) {
  *lo = (*random)() % 4 == 0 ? "" : RandomKey(random);
  *hi = RandomKey(random);
  const uint64_t bits = (*random)();
  return {*lo, *hi, (bits & 1) != 0, (bits & 2) != 0 && !lo->empty(), (bits & 4) != 0};
}

inline Records Expected(const Model& model, const KeyRange& range, const ScanOptions& options) {
  Records out;
  for (const auto& [key, value] : model) {
    if (range.BelowLo(key) || range.AboveHi(key)) continue;
    out.emplace_back(options.no_keys ? "" : key, options.no_values ? "" : value);
  }
  if (options.reverse) std::reverse(out.begin(), out.end());
  return out;
}

// Operations of one partition, or of several with `non_atomic`; applied to the model too.
inline void RandomWrite(MixedDatabase* db, std::mt19937_64* random, Model* model) {
  BatchBuilder batch;
  Model changed = *model;
  const uint64_t operations = 1 + (*random)() % 20;
  for (uint64_t i = 0; i < operations; ++i) {
    const std::string key = RandomKey(random);
    const uint64_t kind = (*random)() % 40;
    if (kind == 0) {
      std::string lo;
      std::string hi;
      const KeyRange range = RandomRange(random, &lo, &hi);
      const int flags = (range.has_hi ? ZKDB_RANGE_HAS_HI : 0) | (range.lo_exclusive ? ZKDB_RANGE_LO_EXCLUSIVE : 0) |
                        (range.hi_inclusive ? ZKDB_RANGE_HI_INCLUSIVE : 0);
      batch.Add(ZKDB_OP_DELETE_RANGE, lo, hi, static_cast<uint8_t>(flags));
      std::erase_if(changed, [&](const auto& r) { return !range.BelowLo(r.first) && !range.AboveHi(r.first); });
    } else if (kind < 8) {
      batch.Add(ZKDB_OP_DELETE, key);
      changed.erase(key);
    } else {
      const std::string value((*random)() % (kind == 9 ? 5000 : 30), static_cast<char>('A' + kind % 26));
      batch.Add(ZKDB_OP_PUT, key, value);
      changed[key] = value;
    }
  }
  EXPECT_OK(db->Write(batch, true));
  *model = std::move(changed);
}

}  // namespace zkdb::net::test
