// Snapshots and scans of databases with remote partitions: each server is read at one state, or not at all.
#include "core/dispatch/remote_pin.h"
#include "net/pair/mixed_database.h"

namespace zkdb::net::test {
namespace {

using Snap = std::shared_ptr<DispatchSnapshot>;

// Keys k1000 to k2999, all in the middle partition.
void PutMany(MixedDatabase* db, const std::string& value) {
  BatchBuilder batch;
  for (int i = 1000; i < 3000; ++i) batch.Add(ZKDB_OP_PUT, "k" + std::to_string(i), value);
  EXPECT_OK(db->Write(batch));
}

void DeleteAll(MixedDatabase* db) {
  BatchBuilder batch;
  batch.Add(ZKDB_OP_DELETE_RANGE, "", "");
  EXPECT_OK(db->Write(batch, true));
}

std::vector<std::string> ManyOf(MixedDatabase* db, const Snap& snapshot, const std::vector<std::string>& list) {
  std::string keys;
  std::vector<uint32_t> offsets{0};
  for (const std::string& key : list) {
    keys += key;
    offsets.push_back(static_cast<uint32_t>(keys.size()));
  }
  std::vector<uint8_t> buffer(1 << 20);
  std::vector<uint32_t> sizes(list.size());
  uint32_t done = 0;
  size_t needed = 0;
  Status status;
  db->db->GetMany(snapshot.get(), Slice(keys).data, offsets.data(), static_cast<uint32_t>(list.size()), buffer.data(),
                  buffer.size(), sizes.data(), &done, &needed, &status);
  std::vector<std::string> values;
  const uint8_t* at = buffer.data();
  for (uint32_t i = 0; i < done; ++i) {
    values.push_back(sizes[i] == UINT32_MAX ? "(none)" : Slice(at, sizes[i]).ToString());
    at += sizes[i] == UINT32_MAX ? 0 : sizes[i];
  }
  if (!status.ok()) values.push_back(zkdb_code_name(status.code()));
  return values;
}

uint64_t TimeOf(MixedDatabase* db, const Snap& snapshot, const std::string& key) {
  uint64_t time = 0;
  Status status;
  EXPECT(db->db->Expiry(snapshot.get(), key, &time, &status) == ZKDB_OK);
  return time;
}

}  // namespace

TEST(a_snapshot_keeps_the_state_of_every_partition) {
  for (const char* shape : kShapes) {
    MixedDatabase db(shape);
    std::mt19937_64 random(5);
    Model model;
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 60; ++i) RandomWrite(&db, &random, &model);
      const Model pinned = model;
      const Snap snapshot = db.db->OpenSnapshot();
      round == 3 ? DeleteAll(&db) : static_cast<void>(0);
      if (round == 3) model.clear();
      for (int i = 0; i < 60; ++i) RandomWrite(&db, &random, &model);
      for (const bool reverse : {false, true}) {
        for (const bool no_values : {false, true}) {
          const ScanOptions options{reverse, false, no_values, false};
          EXPECT(db.All(options, snapshot) == Expected(pinned, KeyRange{}, options));
          EXPECT(db.All(options) == Expected(model, KeyRange{}, options));
        }
      }
      std::vector<std::string> keys;
      std::vector<std::string> values;
      for (int i = 0; i < 300; ++i) {
        keys.push_back(RandomKey(&random));
        values.push_back(pinned.count(keys.back()) == 0 ? "(none)" : pinned.at(keys.back()));
        EXPECT_EQ(db.ValueOf(keys.back(), snapshot.get()), values.back());
      }
      EXPECT(ManyOf(&db, snapshot, keys) == values);
    }
  }
}

TEST(a_snapshot_keeps_when_records_end) {
  MixedDatabase db("lrr");
  const uint64_t later = uint64_t{4102444800000};  // the year 2100
  for (const std::string key : {"a", "k", "z"}) {
    BatchBuilder batch;
    batch.PutTimed(ZKDB_OP_PUT, key, "1", {ZKDB_PUT_EXPIRES, later});
    EXPECT_OK(db.Write(batch));
  }
  const Snap snapshot = db.db->OpenSnapshot();
  for (const std::string key : {"a", "k", "z"}) {
    EXPECT_OK(db.Put(key, "2"));
    EXPECT_EQ(TimeOf(&db, snapshot, key), later);
    EXPECT_EQ(TimeOf(&db, nullptr, key), uint64_t{0});
  }
}

TEST(a_scan_of_several_chunks_is_of_the_state_at_its_opening) {
  for (const bool reverse : {false, true}) {
    MixedDatabase db("lrr");
    PutMany(&db, "old");
    EXPECT_OK(db.Put("z", "old"));
    const ScanOptions options{reverse, false, false, false};
    const Records before = db.All(options);
    std::unique_ptr<MixedScan> scan;
    EXPECT_OK(db.db->OpenScan(nullptr, KeyRange{}, options, false, &scan));
    PutMany(&db, "new");
    EXPECT_OK(db.Put("kx", "new"));
    Records found;
    std::vector<uint8_t> buffer(4096);
    size_t used = 0;
    uint32_t count = 0;
    bool done = false;
    bool too_small = false;
    EXPECT_OK(scan->Pack(buffer.data(), buffer.size(), 10, &used, &count, &done, &too_small));
    DeleteAll(&db);
    EXPECT_OK(scan->Seek(reverse ? "zz" : ""));
    EXPECT_OK(db.Drain(scan.get(), &found, 100));
    EXPECT(found == before);
    // It can be read again, also when it has come to its end.
    EXPECT_OK(scan->Seek("k2000"));
    found.clear();
    EXPECT_OK(db.Drain(scan.get(), &found, 100));
    EXPECT_EQ(found.size(), size_t{1001});
    EXPECT_EQ(found.front().second, std::string("old"));
    EXPECT_EQ(db.SnapshotsOf(1), uint64_t{1});
    scan.reset();
    EXPECT_EQ(db.SnapshotsOf(1), uint64_t{0});
    EXPECT(db.All(options).empty());
  }
}

TEST(a_scan_of_one_chunk_keeps_it_and_opens_no_snapshot) {
  MixedDatabase db("lrr");
  for (const char* key : {"a", "k", "l", "m", "z"}) EXPECT_OK(db.Put(key, "old"));
  const uint32_t sends = db.transport.sends;
  std::unique_ptr<MixedScan> scan;
  EXPECT_OK(db.db->OpenScan(nullptr, KeyRange{}, {}, false, &scan));
  EXPECT_EQ(db.SnapshotsOf(1) + db.SnapshotsOf(2), uint64_t{0});
  DeleteAll(&db);
  const uint32_t cleared = db.transport.sends;
  Records found;
  EXPECT_OK(db.Drain(scan.get(), &found));
  EXPECT_EQ(found.size(), size_t{5});
  EXPECT_OK(scan->Seek("l"));
  found.clear();
  EXPECT_OK(db.Drain(scan.get(), &found));
  EXPECT(found == Records({{"l", "old"}, {"m", "old"}, {"z", "old"}}));
  EXPECT_OK(scan->Seek("zz"));
  found.clear();
  EXPECT_OK(db.Drain(scan.get(), &found));
  EXPECT(found.empty());
  // One question for each server, and none behind it.
  EXPECT_EQ(db.transport.sends, cleared);
  EXPECT_EQ(cleared - sends, 4u);  // two of the scan, two of DeleteAll
}

TEST(a_scan_that_is_left_lets_go_of_its_snapshot_without_waiting) {
  MixedDatabase db("lrr");
  PutMany(&db, "1");
  const uint32_t connections = db.transport.connections;
  for (int i = 0; i < 20; ++i) {
    std::unique_ptr<MixedScan> scan;
    EXPECT_OK(db.db->OpenScan(nullptr, KeyRange{}, {}, false, &scan));
    EXPECT_EQ(db.SnapshotsOf(1), uint64_t{1});
  }
  EXPECT_EQ(db.SnapshotsOf(1), uint64_t{0});
  EXPECT_EQ(db.transport.connections, connections + 1);  // the one to the last partition
  EXPECT_EQ(db.ValueOf("k1000"), std::string("1"));
}

TEST(readers_of_one_snapshot_do_not_disturb_each_other) {
  MixedDatabase db("lrr");
  PutMany(&db, "old");
  const Snap snapshot = db.db->OpenSnapshot();
  PutMany(&db, "new");
  std::unique_ptr<MixedScan> scans[2];
  Records found[2];
  for (int i = 0; i < 2; ++i) {
    EXPECT_OK(db.db->OpenScan(snapshot, KeyRange{}, {i == 1, false, false, false}, false, &scans[i]));
  }
  std::vector<uint8_t> buffer(1 << 16);
  bool done[2] = {false, false};
  for (int turn = 0; !done[0] || !done[1]; ++turn) {
    const int i = turn % 2;
    size_t used = 0;
    uint32_t count = 0;
    bool too_small = false;
    if (done[i]) continue;
    EXPECT_OK(scans[i]->Pack(buffer.data(), buffer.size(), 90, &used, &count, &done[i], &too_small));
    for (uint32_t r = 0; r < count; ++r) found[i].emplace_back();
    EXPECT_EQ(db.ValueOf("k1500", snapshot.get()), std::string("old"));
    EXPECT(ManyOf(&db, snapshot, {"k1000", "none", "k2999"}) == std::vector<std::string>({"old", "(none)", "old"}));
  }
  EXPECT_EQ(found[0].size(), size_t{2000});
  EXPECT_EQ(found[1].size(), size_t{2000});
  EXPECT_EQ(db.SnapshotsOf(1), uint64_t{1});
}

TEST(a_snapshot_opens_while_a_server_is_away_and_only_its_keys_fail) {
  MixedDatabase db("lrr");
  for (const char* key : {"a", "k", "z"}) EXPECT_OK(db.Put(key, "1"));
  db.transport.servers[1].down = true;
  const Snap snapshot = db.db->OpenSnapshot();
  db.transport.servers[1].down = false;
  db.transport.now_ms += 1000;
  for (const char* key : {"a", "k", "z"}) EXPECT_OK(db.Put(key, "2"));
  EXPECT_EQ(db.ValueOf("a", snapshot.get()), std::string("1"));
  EXPECT_EQ(db.ValueOf("z", snapshot.get()), std::string("1"));
  EXPECT_EQ(db.ValueOf("k", snapshot.get()), std::string("ZKDB_UNREACHABLE"));
  EXPECT(db.failure.starts_with("partition [mid] at db:2: the snapshot could not be opened: "));
  EXPECT(ManyOf(&db, snapshot, {"a", "k"}) == std::vector<std::string>({"1", "ZKDB_UNREACHABLE"}));
  Records found;
  std::unique_ptr<MixedScan> scan;
  EXPECT_CODE(db.Scan(KeyRange{}, {}, false, &found, &scan, 7, snapshot), ZKDB_UNREACHABLE);
  found.clear();
  EXPECT_OK(db.Scan(KeyRange{}, {}, true, &found, &scan, 7, snapshot));
  EXPECT(found == Records({{"a", "1"}, {"z", "1"}}));
  EXPECT_EQ(db.ValueOf("k"), std::string("2"));
}

TEST(a_server_that_was_restarted_has_lost_its_part_of_a_snapshot) {
  MixedDatabase db("lrr");
  for (const char* key : {"a", "k", "z"}) EXPECT_OK(db.Put(key, "1"));
  const Snap snapshot = db.db->OpenSnapshot();
  for (const char* key : {"a", "k", "z"}) EXPECT_OK(db.Put(key, "2"));
  db.transport.Restart(1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(db.ValueOf("k", snapshot.get()), std::string("ZKDB_SNAPSHOT_EXPIRED"));
    EXPECT(db.failure.starts_with("partition [mid] at db:2: the snapshot ended with its connection ("));
    EXPECT(ManyOf(&db, snapshot, {"k"}) == std::vector<std::string>({"ZKDB_SNAPSHOT_EXPIRED"}));
  }
  EXPECT_EQ(db.ValueOf("a", snapshot.get()), std::string("1"));
  EXPECT_EQ(db.ValueOf("z", snapshot.get()), std::string("1"));
  EXPECT_EQ(db.ValueOf("k"), std::string("2"));
}

TEST(a_connection_that_was_closed_meanwhile_does_not_keep_a_snapshot_from_being_opened) {
  MixedDatabase db("rll");
  EXPECT_OK(db.Put("a", "1"));
  db.transport.Restart(0);
  const Snap snapshot = db.db->OpenSnapshot();
  EXPECT_OK(db.Put("a", "2"));
  EXPECT_EQ(db.ValueOf("a", snapshot.get()), std::string("1"));
}

TEST(a_snapshot_that_its_server_has_closed_is_expired_and_none_is_while_it_is_used) {
  MixedDatabase db("lrr");
  db.transport.limits.snapshot_idle_us = 200;
  for (const char* key : {"a", "k", "z"}) EXPECT_OK(db.Put(key, "1"));
  db.transport.Restart(1);
  db.transport.Restart(2);
  const Snap used = db.db->OpenSnapshot();
  const auto pass = [&](size_t partition, int us) {
    for (int i = 0; i < us; ++i) db.server(partition)->NowUs();
  };
  for (int i = 0; i < 10; ++i) {
    db.transport.now_ms += RemotePin::kTouchMs;
    pass(1, 120);
    pass(2, 120);
    EXPECT_EQ(db.ValueOf("a", used.get()), std::string("1"));  // no server has that key
  }
  const Snap unused = db.db->OpenSnapshot();
  pass(1, 220);
  EXPECT_OK(db.Put("k", "2"));
  EXPECT_EQ(db.ValueOf("k", unused.get()), std::string("ZKDB_SNAPSHOT_EXPIRED"));
  EXPECT(db.failure.starts_with("partition [mid] at db:2: this connection has no snapshot "));
  EXPECT_EQ(db.ValueOf("z", unused.get()), std::string("1"));
  EXPECT_EQ(db.ValueOf("z", used.get()), std::string("1"));
}

TEST(a_partition_gives_so_many_connections_to_snapshots_and_one_more_says_why_not) {
  MixedDatabase db("rll");
  EXPECT_OK(db.Put("a", "1"));
  std::vector<Snap> snapshots;
  for (uint32_t i = 0; i <= ConnectionPool::kMaxPinned; ++i) snapshots.push_back(db.db->OpenSnapshot());
  EXPECT_EQ(db.ValueOf("a", snapshots[ConnectionPool::kMaxPinned - 1].get()), std::string("1"));
  EXPECT_EQ(db.ValueOf("a", snapshots.back().get()), std::string("ZKDB_UNREACHABLE"));
  EXPECT(
      db.failure.ends_with("256 snapshots and scans have a connection to the server already, as many as may; close "
                           "those that are done"));
  EXPECT_EQ(db.ValueOf("a"), std::string("1"));
  snapshots.erase(snapshots.begin());
  snapshots.back() = db.db->OpenSnapshot();
  EXPECT_EQ(db.ValueOf("a", snapshots.back().get()), std::string("1"));
}

}  // namespace zkdb::net::test
