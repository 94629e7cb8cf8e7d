// Databases with remote partitions against sessions in this process: a model of their records, broken connections,
// servers that go down and come back.
#include "core/base/test.h"
#include "net/pair/mixed_database.h"

namespace zkdb::net::test {
namespace {

void CompareScan(MixedDatabase* db, std::mt19937_64* random, const Model& model) {
  std::string lo;
  std::string hi;
  const KeyRange range = RandomRange(random, &lo, &hi);
  const uint64_t bits = (*random)();
  const ScanOptions options{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, false};
  Records found;
  std::unique_ptr<MixedScan> scan;
  const uint32_t most = 1 + static_cast<uint32_t>((*random)() % 300);
  EXPECT_OK(db->Scan(range, options, false, &found, &scan, most));
  EXPECT(found == Expected(model, range, options));
  const std::string from = RandomKey(random);
  Model rest;
  for (const auto& [key, value] : model) {
    if (options.reverse ? key <= from : key >= from) rest[key] = value;
  }
  found.clear();
  EXPECT_OK(scan->Seek(from));
  EXPECT_OK(db->Drain(scan.get(), &found, most));
  EXPECT(found == Expected(rest, range, options));
}

void CompareGets(MixedDatabase* db, std::mt19937_64* random, const Model& model) {
  std::string keys;
  std::vector<uint32_t> offsets{0};
  std::vector<std::string> list;
  for (uint64_t i = (*random)() % 600; i > 0; --i) {
    list.push_back(RandomKey(random));
    keys += list.back();
    offsets.push_back(static_cast<uint32_t>(keys.size()));
  }
  std::vector<uint8_t> buffer(100 + (*random)() % 20000);
  std::vector<uint32_t> sizes(list.size());
  for (uint32_t at = 0; at < list.size();) {
    uint32_t done = 0;
    size_t needed = 0;
    Status status;
    const zkdb_code code =
        db->db->GetMany(nullptr, Slice(keys).data, offsets.data() + at, static_cast<uint32_t>(list.size()) - at,
                        buffer.data(), buffer.size(), sizes.data(), &done, &needed, &status);
    if (!EXPECT_OK(status)) return;
    const uint8_t* value = buffer.data();
    for (uint32_t i = 0; i < done; ++i) {
      const auto found = model.find(list[at + i]);
      if (!EXPECT_EQ(sizes[i] == UINT32_MAX, found == model.end()) || found == model.end()) continue;
      EXPECT_EQ(Slice(value, sizes[i]).ToString(), found->second);
      value += sizes[i];
    }
    at += done;
    if (code == ZKDB_BUFFER_TOO_SMALL && needed > buffer.size()) buffer.resize(needed);
  }
}

}  // namespace

TEST(records_end_on_servers_as_they_do_here) {
  MixedDatabase mixed("lrr");
  const uint64_t later = uint64_t{4102444800000};  // the year 2100
  const auto time_of = [&](const std::string& key) {
    uint64_t time = 1;
    Status status;
    const zkdb_code code = mixed.db->Expiry(nullptr, key, &time, &status);
    EXPECT_OK(status);
    return code == ZKDB_NOT_FOUND ? std::string("none") : std::to_string(time);
  };
  for (const std::string key : {"a", "j", "z"}) {
    BatchBuilder batch;
    batch.PutTimed(ZKDB_OP_PUT, key, "1", {ZKDB_PUT_EXPIRES, later});
    batch.PutTimed(ZKDB_OP_PUT, key + "gone", "1", {ZKDB_PUT_EXPIRES, 1});
    batch.Add(ZKDB_OP_PUT, key + "stays", "1");
    EXPECT_OK(mixed.Write(batch));
    EXPECT_EQ(mixed.ValueOf(key + "gone"), std::string("(none)"));
    EXPECT_EQ(time_of(key), std::to_string(later));
    EXPECT_EQ(time_of(key + "gone"), std::string("none"));
    EXPECT_EQ(time_of(key + "stays"), std::string("0"));
    BatchBuilder changes;
    changes.PutTimed(ZKDB_OP_PUT_IF_PRESENT, key, "2", {ZKDB_PUT_KEEPS_TIME, 0});
    changes.PutIfValue(key + "stays", "1", "2", {ZKDB_PUT_EXPIRES, UINT64_MAX});
    EXPECT_OK(mixed.Write(changes));
    EXPECT_EQ(mixed.result.failed_index, -1);
    EXPECT_EQ(time_of(key), std::to_string(later));
    EXPECT(time_of(key + "stays").size() >= 19);
    BatchBuilder times;
    times.Expire(key, 0, ZKDB_EXPIRE_IF_ANY);
    times.Expire(key + "gone", later, 0);
    EXPECT_OK(mixed.Write(times));
    EXPECT_EQ(mixed.result.existed, uint64_t{1});
    EXPECT_EQ(time_of(key), std::string("0"));
  }
  zkdb_partition_stats stats{};
  EXPECT_OK(mixed.db->PartitionFigures(1, false, &stats));
  EXPECT(stats.expiring >= 1);
}

TEST(mixed_databases_hold_what_a_map_holds) {
  for (const char* shape : kShapes) {
    MixedDatabase db(shape);
    std::mt19937_64 random(7);
    Model model;
    for (int round = 0; round < 150; ++round) {
      db.transport.piece = round % 3 == 0 ? 100 : SIZE_MAX;
      for (int i = 0; i < 5; ++i) RandomWrite(&db, &random, &model);
      CompareScan(&db, &random, model);
      if (round % 5 == 0) CompareGets(&db, &random, model);
    }
    for (int i = 0; i < 100; ++i) {
      const std::string key = RandomKey(&random);
      EXPECT_EQ(db.ValueOf(key), model.count(key) == 0 ? "(none)" : model[key]);
    }
    uint64_t records = 0;
    for (uint32_t i = 0; i < 3; ++i) {
      zkdb_partition_stats stats{};
      EXPECT_OK(db.db->PartitionFigures(i, true, &stats));
      records += stats.records;
    }
    EXPECT_EQ(records, model.size());
    uint64_t findings = 0;
    EXPECT_OK(db.db->Check([](const std::string&) { return true; }, {}, &findings));
    EXPECT_EQ(findings, 0u);
    EXPECT_OK(db.db->Sync());
  }
}

TEST(reads_go_on_over_connections_that_break_and_scans_give_one_state_or_fail) {
  for (const char* shape : kShapes) {
    MixedDatabase db(shape);
    std::mt19937_64 random(9);
    Model model;
    for (int i = 0; i < 400; ++i) RandomWrite(&db, &random, &model);
    db.transport.cut_one_in = 60;
    int failed = 0;
    for (int round = 0; round < 300; ++round) {
      db.transport.now_ms += 1000;  // no back-off
      Records found;
      std::unique_ptr<MixedScan> scan;
      const ScanOptions options{round % 2 == 1, false, false, false};
      const Status status = db.Scan(KeyRange{}, options, false, &found, &scan, 1000);
      // A connection that breaks behind the first chunk ends a scan, and so do two of them one behind the other; what
      // it gave until then is right.
      failed += status.ok() ? 0 : 1;
      const Records expected = Expected(model, KeyRange{}, options);
      EXPECT(status.ok() ? found == expected : std::equal(found.begin(), found.end(), expected.begin()));
      EXPECT(status.ok() || status.code() == ZKDB_UNREACHABLE || status.code() == ZKDB_SNAPSHOT_EXPIRED);
      const std::string key = RandomKey(&random);
      const std::string value = db.ValueOf(key);
      EXPECT(value == "ZKDB_UNREACHABLE" || value == (model.count(key) == 0 ? "(none)" : model[key]));
    }
    EXPECT(failed < 250);
  }
}

TEST(a_write_is_carried_out_once_or_tells_that_nobody_knows) {
  MixedDatabase db("rrr");
  std::mt19937_64 random(11);
  int unknown = 0;
  int refused = 0;
  uint64_t expected = 0;
  for (int round = 0; round < 3000; ++round) {
    db.transport.now_ms += 1000;
    db.transport.cut_one_in = 10;
    BatchBuilder batch;
    const std::string next = std::to_string(expected + 1);
    if (expected == 0) batch.Add(ZKDB_OP_PUT_IF_ABSENT, "count", next);
    if (expected != 0) batch.PutIfValue("count", std::to_string(expected), next);
    const Status status = db.Write(batch);
    db.transport.cut_one_in = 0;
    const std::string now = db.ValueOf("count");
    const bool done = now == next;
    if (status.ok()) {
      EXPECT(done && db.result.failed_index == -1);
    } else if (status.code() == ZKDB_UNREACHABLE) {
      ++refused;
      EXPECT(!done);
    } else {
      EXPECT_CODE(status, ZKDB_UNKNOWN_OUTCOME);
      ++unknown;
    }
    expected += done ? 1 : 0;
  }
  EXPECT(unknown > 50 && refused > 5);
}

TEST(a_server_that_is_down_fails_its_own_keys_alone_and_comes_back_by_itself) {
  MixedDatabase db("lrr");
  for (const char* key : {"apple", "kiwi", "zebra"}) EXPECT_OK(db.Put(key, "1"));
  db.transport.servers[1].down = true;
  EXPECT_EQ(db.ValueOf("apple"), std::string("1"));
  EXPECT_EQ(db.ValueOf("zebra"), std::string("1"));
  EXPECT_EQ(db.ValueOf("kiwi"), std::string("ZKDB_UNREACHABLE"));
  const Status refused = db.Put("kiwi", "2");
  EXPECT_CODE(refused, ZKDB_UNREACHABLE);
  EXPECT(refused.message().starts_with("partition [mid] at db:2: connect: Connection refused; it is tried again in"));
  EXPECT_OK(db.Put("zebra", "2"));
  EXPECT_OK(db.Put("apple", "2"));

  Records found;
  std::unique_ptr<MixedScan> scan;
  EXPECT_CODE(db.Scan(KeyRange{}, {}, false, &found, &scan), ZKDB_UNREACHABLE);
  found.clear();
  EXPECT_OK(db.Scan(KeyRange{}, {}, true, &found, &scan));
  EXPECT(found == Records({{"apple", "2"}, {"zebra", "2"}}));
  EXPECT_EQ(scan->missing().size(), size_t{1});
  EXPECT_EQ(scan->missing()[0].partition, 1u);
  EXPECT(!scan->missing()[0].has_from);
  EXPECT_CODE(scan->missing()[0].reason, ZKDB_UNREACHABLE);

  db.transport.servers[1].down = false;
  db.transport.now_ms += 500;
  EXPECT_EQ(db.ValueOf("kiwi"), std::string("1"));
  EXPECT_OK(scan->Seek("b"));
  found.clear();
  EXPECT_OK(db.Drain(scan.get(), &found));
  EXPECT(found == Records({{"kiwi", "1"}, {"zebra", "2"}}));
  EXPECT(scan->missing().empty());
}

TEST(a_scan_that_loses_a_server_in_the_middle_says_behind_which_key) {
  MixedDatabase db("rrr");
  BatchBuilder batch;
  for (int i = 1000; i < 2000; ++i) batch.Add(ZKDB_OP_PUT, "k" + std::to_string(i), "v");
  EXPECT_OK(db.Write(batch));
  EXPECT_OK(db.Put("a", "1"));
  EXPECT_OK(db.Put("z", "1"));
  std::unique_ptr<MixedScan> scan;
  EXPECT_OK(db.db->OpenScan(nullptr, KeyRange{}, {}, true, &scan));
  std::vector<uint8_t> buffer(4096);
  size_t used = 0;
  uint32_t count = 0;
  bool done = false;
  bool too_small = false;
  EXPECT_OK(scan->Pack(buffer.data(), buffer.size(), 10, &used, &count, &done, &too_small));
  EXPECT_EQ(count, 10u);
  db.transport.servers[1].down = true;
  Records found;
  EXPECT_OK(db.Drain(scan.get(), &found));
  // The chunk of 128 records was here already.
  EXPECT_EQ(found.size(), size_t{128 - 9 + 1});
  EXPECT_EQ(found.back().first, std::string("z"));
  EXPECT(scan->missing().size() == 1 && scan->missing()[0].from == "k1127");
}

TEST(a_batch_over_several_servers_is_refused_unless_it_may_be_applied_in_parts) {
  MixedDatabase db("lrr");
  BatchBuilder batch;
  batch.Add(ZKDB_OP_PUT, "apple", "1");
  batch.Add(ZKDB_OP_PUT, "kiwi", "1");
  batch.Add(ZKDB_OP_PUT_IF_PRESENT, "zebra", "1");
  const Status refused = db.Write(batch);
  EXPECT_CODE(refused, ZKDB_CROSS_PARTITION);
  EXPECT(refused.message().starts_with("the batch spans the local partitions, [mid], [high], which commit"));
  EXPECT(db.All().empty());
  EXPECT_OK(db.Write(batch, true));
  EXPECT_EQ(db.result.failed_index, int64_t{2});
  EXPECT(db.All() == Records({{"apple", "1"}, {"kiwi", "1"}}));
  db.transport.servers[1].down = true;
  BatchBuilder both;
  both.Add(ZKDB_OP_PUT, "kiwi", "2");
  both.Add(ZKDB_OP_PUT, "apple", "2");
  const Status half = db.Write(both, true);
  EXPECT_CODE(half, ZKDB_UNREACHABLE);
  EXPECT(half.message().ends_with("its other parts may have been carried out"));
  EXPECT_EQ(db.ValueOf("apple"), std::string("2"));
}

TEST(conditions_are_told_by_the_index_of_the_batch) {
  MixedDatabase db("rrr");
  BatchBuilder batch;
  batch.Add(ZKDB_OP_DELETE_RANGE, "b", "a", ZKDB_RANGE_HAS_HI);  // holds nothing, and is not sent
  batch.Add(ZKDB_OP_DELETE_RANGE, "a", "", ZKDB_RANGE_HAS_HI);
  batch.Add(ZKDB_OP_PUT, "apple", "1");
  batch.Add(ZKDB_OP_DELETE_IF_VALUE, "banana", "1");
  EXPECT_OK(db.Write(batch));
  EXPECT_EQ(db.result.failed_index, int64_t{3});
  EXPECT(db.All().empty());
}

TEST(a_short_scan_leaves_its_connections_for_others) {
  MixedDatabase db("rrr");
  for (const char* key : {"a", "k", "z"}) EXPECT_OK(db.Put(key, "1"));
  const uint32_t before = db.transport.connections;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(db.All().size(), size_t{3});
  EXPECT_EQ(db.transport.connections, before);
}

TEST(a_server_that_was_restarted_is_used_again_without_an_error) {
  MixedDatabase db("rll");
  EXPECT_OK(db.Put("a", "1"));
  db.transport.Restart(0);
  EXPECT_EQ(db.ValueOf("a"), std::string("1"));
  db.transport.Restart(0);
  EXPECT_OK(db.Put("a", "2"));
  EXPECT_EQ(db.ValueOf("a"), std::string("2"));
}

TEST(ranges_with_the_longest_keys_are_cleared_exactly) {
  MixedDatabase db("rll");
  const std::string longest(ZKDB_MAX_KEY_SIZE, 'a');
  std::string next = longest;
  next.back() = 'b';
  for (const std::string& key : {longest, next}) EXPECT_OK(db.Put(key, "1"));
  BatchBuilder batch;
  batch.Add(ZKDB_OP_DELETE_RANGE, longest, "c", ZKDB_RANGE_HAS_HI | ZKDB_RANGE_LO_EXCLUSIVE);
  EXPECT_OK(db.Write(batch, true));
  EXPECT(db.All() == Records({{longest, "1"}}));
  BatchBuilder last;
  last.Add(ZKDB_OP_DELETE_RANGE, "", longest, ZKDB_RANGE_HAS_HI | ZKDB_RANGE_HI_INCLUSIVE);
  EXPECT_OK(db.Write(last, true));
  EXPECT(db.All().empty());
}

}  // namespace zkdb::net::test
