// Who is told of the records that a sweep removes.
#include <chrono>
#include <future>
#include <mutex>

#include "capi/engine_test_util.h"

namespace zkdb::test {
namespace {

constexpr uint64_t kNow = 1'000'000'000'000;

using Keys = std::vector<std::string>;

// A database whose clock stands at kNow and that sweeps by call alone, and what its observer has heard.
class ObservedDb {
 public:
  ObservedDb() : env(Env::Posix()) {
    env.wall_ms = kNow;
    db.background = false;
    EXPECT_OK(db.Open(&env, MakeShape(TempDirectory(), 1)));
    Observe();
  }

  void Observe() {
    db->expiry_observers()->Set(this, [this](Slice key) { heard.push_back(key.ToString()); });
  }
  void Write(const BatchBytes& batch) { EXPECT_OK(db.Write(batch, ZKDB_DURABILITY_NONE)); }
  Keys HeardAt(uint64_t now) {
    env.wall_ms = now;
    uint64_t removed = 0;
    EXPECT_OK(db->Sweep(UINT64_MAX, &removed));
    return std::exchange(heard, {});
  }

  ClockEnv env;
  EngineHandle db;
  Keys heard;
};

TEST(an_observer_hears_of_what_a_sweep_removes_in_the_order_in_which_it_ended) {
  ObservedDb t;
  t.Write(BatchBytes().PutTimed("a", "1", kNow + 2).PutTimed("b", "2", kNow + 1).PutTimed("", "3", kNow + 3));
  t.Write(BatchBytes().PutTimed("later", "4", kNow + 9).Put("c", "5"));
  EXPECT_EQ(t.HeardAt(kNow), Keys{});
  EXPECT_EQ(t.HeardAt(kNow + 5), (Keys{"b", "a", ""}));
  EXPECT_EQ(t.HeardAt(kNow + 5), Keys{});
  EXPECT_EQ(t.HeardAt(kNow + 9), Keys{"later"});
}

TEST(an_observer_hears_nothing_of_records_that_were_changed_before_the_sweep_came) {
  ObservedDb t;
  BatchBytes batch;
  for (const char* key : {"again", "deleted", "kept", "ended", "moved", "ranged"}) batch.PutTimed(key, "v", kNow + 10);
  t.Write(batch);
  t.Write(BatchBytes().Expire("kept", 0).Expire("moved", kNow + 90));
  t.env.wall_ms = kNow + 10;
  t.Write(BatchBytes().Put("again", "w").Delete("deleted").Add(ZKDB_OP_DELETE_RANGE, "ranged", "s", ZKDB_RANGE_HAS_HI));
  EXPECT_EQ(t.HeardAt(kNow + 10), Keys{"ended"});
}

TEST(every_record_of_many_is_told_of_once) {
  ObservedDb t;
  Keys written;
  for (uint64_t from = 0; from < 3000; from += 1000) {
    BatchBytes batch;
    for (uint64_t i = from; i < from + 1000; ++i) {
      written.push_back("key" + std::to_string(i));
      batch.PutTimed(written.back(), "v", kNow + 1 + i);
    }
    t.Write(batch);
  }
  EXPECT(t.HeardAt(kNow + 5000) == written);
}

TEST(an_observer_that_is_taken_away_hears_nothing_more_and_others_go_on) {
  ObservedDb t;
  Keys other;
  t.db->expiry_observers()->Set(&other, [&](Slice key) { other.push_back(key.ToString()); });
  t.Write(BatchBytes().PutTimed("a", "1", kNow + 1));
  EXPECT_EQ(t.HeardAt(kNow + 1), Keys{"a"});
  t.db->expiry_observers()->Set(&t, nullptr);
  t.Write(BatchBytes().PutTimed("b", "1", kNow + 1));
  EXPECT_EQ(t.HeardAt(kNow + 1), Keys{});
  EXPECT_EQ(other, (Keys{"a", "b"}));
  t.db->expiry_observers()->Set(&other, nullptr);
  EXPECT(!t.db->expiry_observers()->any());
}

// Whoever hears of a write of the key has heard before that the record ended.
TEST(a_concurrent_write_of_a_key_returns_after_the_observer_was_told_that_it_ended) {
  ObservedDb t;
  std::future<void> writer;
  bool told_first = false;
  t.db->expiry_observers()->Set(&t, [&](Slice) {
    writer = std::async(std::launch::async, [&] {
      WriteResult result;
      EXPECT_OK(t.db->Write(Slice(BatchBytes().Put("a", "2").bytes()), ZKDB_DURABILITY_NONE, false, &result));
    });
    told_first = writer.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout;
  });
  t.Write(BatchBytes().PutTimed("a", "1", kNow));
  t.HeardAt(kNow);
  ASSERT_EQ(writer.valid(), true);
  writer.get();
  EXPECT(told_first);
  EXPECT_EQ(t.db.Get("a"), "2");
}

// ---- the C interface

struct Heard {
  std::mutex mutex;
  Keys keys;

  static void Take(void* context, const void* key, size_t key_size) {
    auto* const heard = static_cast<Heard*>(context);
    const std::lock_guard<std::mutex> lock(heard->mutex);
    heard->keys.emplace_back(static_cast<const char*>(key), key_size);
  }
  Keys all() {
    const std::lock_guard<std::mutex> lock(mutex);
    return keys;
  }
};

TEST(each_handle_of_a_database_has_its_sink_of_expired_records_until_it_is_closed) {
  const std::string path = MakeShape(TempDirectory(), 1);
  Heard first;
  Heard second;
  TestDb one;
  ASSERT_EQ(one.Open(path), ZKDB_OK);
  EXPECT_EQ(zkdb_on_expired(one.get(), Heard::Take, &first, nullptr), ZKDB_OK);
  {
    TestDb two;
    ASSERT_EQ(two.Open(path), ZKDB_OK);
    EXPECT_EQ(zkdb_on_expired(two.get(), Heard::Take, &second, nullptr), ZKDB_OK);
    EXPECT_EQ(one.Write(BatchBytes().PutTimed("a", "1", 1)), ZKDB_OK);
    // The thread may be at it already.
    EXPECT(Eventually([&] { return zkdb_sweep(one.get(), nullptr, nullptr) == ZKDB_OK && !second.all().empty(); }));
  }
  EXPECT_EQ(one.Write(BatchBytes().PutTimed("b", "1", 1)), ZKDB_OK);
  EXPECT(Eventually([&] { return zkdb_sweep(one.get(), nullptr, nullptr) == ZKDB_OK && first.all().size() == 2; }));
  EXPECT_EQ(first.all(), (Keys{"a", "b"}));
  EXPECT_EQ(second.all(), Keys{"a"});
  EXPECT_EQ(zkdb_on_expired(one.get(), nullptr, nullptr, nullptr), ZKDB_OK);
  EXPECT_EQ(one.Write(BatchBytes().PutTimed("c", "1", 1)), ZKDB_OK);
  EXPECT(Eventually([&] { return zkdb_sweep(one.get(), nullptr, nullptr) == ZKDB_OK && one.Stats().expired == 3; }));
  EXPECT_EQ(first.all(), (Keys{"a", "b"}));
}

}  // namespace
}  // namespace zkdb::test
