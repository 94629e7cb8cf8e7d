#include "core/btree/record_mutator.h"

#include <optional>

#include "core/btree/tree_test_util.h"
#include "include/zkdb.h"

namespace zkdb::test {
namespace {

constexpr uint64_t kNow = 1'000'000;

struct Timed {
  std::string value;
  uint64_t time = 0;
};
using TimedModel = std::map<std::string, Timed>;

// The records as the model has them, ended ones included, and the index with an entry for each that expires.
bool SameRecords(TestPartition* p, const TimedModel& model) {
  Model plain;
  Model entries;
  for (const auto& [key, record] : model) {
    plain[key] = record.value;
    if (record.time != 0) entries[ExpiryKey(record.time, key)] = "";
  }
  if (!SameAsModel(p->space(), p->root(), plain) || !SameAsModel(p->space(), p->expiry(), entries)) return false;
  for (const auto& [key, record] : model) {
    RecordPlace place;
    if (!EXPECT_OK(FindRecord(p->space(), p->root(), key, &place)) || !EXPECT(place.found)) return false;
    if (!EXPECT_EQ(place.time(), record.time)) return false;
  }
  return EXPECT_EQ(p->Check(), 0u);
}

// A partition with a clock, changed one call at a time.
class Records {
 public:
  explicit Records(uint32_t page_size = 4096) : partition(page_size, 32 * uint64_t{page_size}) {}

  bool Put(const std::string& key, const std::string& value, const PutTime& time = {}) {
    bool existed = false;
    ReadClock clock(&env);
    EXPECT_OK(partition.BeginRecords(&clock)->Put(key, value, time, false, &existed));
    partition.Commit();
    return existed;
  }
  bool Delete(const std::string& key) {
    bool existed = false;
    ReadClock clock(&env);
    EXPECT_OK(partition.BeginRecords(&clock)->Delete(key, false, &existed));
    partition.Commit();
    return existed;
  }
  bool SetTime(const std::string& key, uint64_t time, uint32_t flags = 0) {
    bool changed = false;
    ReadClock clock(&env);
    EXPECT_OK(partition.BeginRecords(&clock)->SetTime(key, {time, flags, clock.Now()}, false, &changed));
    partition.Commit();
    return changed;
  }
  uint64_t DeleteRange(const std::string& lo, const std::string& hi, bool has_hi) {
    uint64_t deleted = 0;
    ReadClock clock(&env);
    EXPECT_OK(partition.BeginRecords(&clock)->DeleteRange({lo, hi, has_hi}, &deleted));
    partition.Commit();
    return deleted;
  }
  // The record's time as a reader sees it; nothing when it is not there.
  std::optional<uint64_t> TimeOf(const std::string& key) {
    RecordPlace place;
    ReadClock clock(&env);
    EXPECT_OK(FindRecord(partition.space(), partition.root(), key, &place, &clock));
    if (!place.found) return std::nullopt;
    return place.time();
  }

  FixedClock env{kNow};
  TestPartition partition;
};

TEST(a_record_with_a_time_is_found_until_then) {
  Records r;
  EXPECT(!r.Put("a", "1", {kNow + 1}));
  EXPECT(!r.Put("b", "2", {kNow}));
  EXPECT(!r.Put("c", "3"));
  EXPECT(r.TimeOf("a") == kNow + 1);
  EXPECT(!r.TimeOf("b"));
  EXPECT(r.TimeOf("c") == 0);
  r.env.now_ms = kNow + 1;
  EXPECT(!r.TimeOf("a"));
  r.env.now_ms = kNow - 1;  // a clock that goes back
  EXPECT(r.TimeOf("a") && r.TimeOf("b"));
  EXPECT(SameRecords(&r.partition, {{"a", {"1", kNow + 1}}, {"b", {"2", kNow}}, {"c", {"3"}}}));
}

TEST(a_record_that_has_ended_does_not_count_as_one_that_existed) {
  Records r;
  r.Put("a", "1", {kNow});
  r.Put("b", "1", {kNow + 1});
  r.Put("c", "1", {kNow});
  EXPECT(!r.Put("a", "2"));
  EXPECT(r.Put("b", "2"));
  EXPECT(!r.Delete("c"));
  EXPECT(SameRecords(&r.partition, {{"a", {"2"}}, {"b", {"2"}}}));
}

TEST(a_put_sets_takes_away_or_keeps_the_time) {
  Records r;
  r.Put("a", "1", {kNow + 5});
  r.Put("a", "2", {0, true, kNow});
  EXPECT(r.TimeOf("a") == kNow + 5);
  r.Put("a", "3", {kNow + 9});
  EXPECT(r.TimeOf("a") == kNow + 9);
  r.Put("a", "4 is of another size", {0, true, kNow + 9});  // it has ended by then
  EXPECT(r.TimeOf("a") == 0);
  r.Put("b", "1", {0, true, kNow});
  r.Put("c", "1", {kNow + 5});
  r.Put("c", "2");
  EXPECT(SameRecords(&r.partition, {{"a", {"4 is of another size"}}, {"b", {"1"}}, {"c", {"2"}}}));
}

TEST(a_time_is_changed_only_where_the_conditions_hold) {
  Records r;
  EXPECT(!r.SetTime("a", kNow + 5));
  r.Put("a", "1");
  EXPECT(!r.SetTime("a", kNow + 5, ZKDB_EXPIRE_IF_ANY));
  EXPECT(!r.SetTime("a", kNow + 5, ZKDB_EXPIRE_IF_LATER));
  EXPECT(r.SetTime("a", kNow + 5, ZKDB_EXPIRE_IF_EARLIER));
  EXPECT(!r.SetTime("a", kNow + 6, ZKDB_EXPIRE_IF_NONE));
  EXPECT(!r.SetTime("a", kNow + 6, ZKDB_EXPIRE_IF_EARLIER));
  EXPECT(r.SetTime("a", kNow + 6, ZKDB_EXPIRE_IF_LATER | ZKDB_EXPIRE_IF_ANY));
  EXPECT(!r.SetTime("a", kNow + 6, ZKDB_EXPIRE_IF_LATER));
  EXPECT(r.TimeOf("a") == kNow + 6);
  EXPECT(r.SetTime("a", 0, ZKDB_EXPIRE_IF_ANY));
  EXPECT(!r.SetTime("a", 0, ZKDB_EXPIRE_IF_ANY));
  EXPECT(r.SetTime("a", kNow - 1));  // it ends at once
  EXPECT(!r.SetTime("a", 0));
  EXPECT(SameRecords(&r.partition, {{"a", {"1", kNow - 1}}}));
}

TEST(times_at_the_ends_of_their_range_are_kept_apart) {
  Records r;
  const std::vector<uint64_t> times = {1, uint64_t{1} << 63, UINT64_MAX, (uint64_t{1} << 63) - 1, 255, 256};
  TimedModel model;
  for (uint64_t time : times) {
    const std::string key = "key" + std::to_string(time);
    r.Put(key, "v", {time});
    model[key] = {"v", time};
  }
  EXPECT(SameRecords(&r.partition, model));
  uint64_t ended = 0;
  EXPECT_OK(CountEnded(r.partition.space(), r.partition.expiry(), 255, &ended));
  EXPECT_EQ(ended, 2u);
  EXPECT_OK(CountEnded(r.partition.space(), r.partition.expiry(), UINT64_MAX, &ended));
  EXPECT_EQ(ended, times.size());
}

// A value that is in its page with up to `limit` bytes: eight more put it into overflow pages.
TEST(a_time_is_given_to_the_largest_records_and_taken_away) {
  for (const uint32_t page_size : {4096u, 65536u}) {
    for (const size_t key_size : {size_t{1}, size_t{300}, size_t{5000}, size_t{65535}}) {
      Records r(page_size);
      TimedModel model;
      const std::string key(key_size, 'k');
      for (size_t less = 0; less < 60; less += 3) {
        const std::string value(MaxCellAndSlot(page_size) - less, 'v');
        model = {{key, {value, kNow + 5}}, {"other", {"x"}}};
        r.Put("other", "x");
        r.Put(key, value);
        ASSERT(r.SetTime(key, kNow + 5));
        ASSERT(SameRecords(&r.partition, model));
        ASSERT(r.SetTime(key, 0));
        model[key].time = 0;
        ASSERT(SameRecords(&r.partition, model));
      }
    }
  }
}

TEST(a_range_delete_takes_the_entries_with_the_records) {
  Records r;
  TimedModel model;
  for (int i = 0; i < 3000; ++i) {
    char key[16];
    std::snprintf(key, sizeof key, "k%05d", i);
    const uint64_t time = i % 3 == 0 ? 0 : kNow - 1500 + static_cast<uint64_t>(i) % 3000;
    r.Put(key, std::string(static_cast<size_t>(i % 40), 'v'), {time});
    model[key] = {std::string(static_cast<size_t>(i % 40), 'v'), time};
  }
  uint64_t live = 0;
  for (auto at = model.lower_bound("k00500"); at != model.end() && at->first < "k02200"; at = model.erase(at)) {
    live += at->second.time == 0 || at->second.time > kNow ? 1 : 0;
  }
  EXPECT_EQ(r.DeleteRange("k00500", "k02200", true), live);
  EXPECT(SameRecords(&r.partition, model));
  live = 0;
  for (const auto& [key, record] : model) live += record.time == 0 || record.time > kNow ? 1 : 0;
  EXPECT_EQ(r.DeleteRange("", "", false), live);
  EXPECT_EQ(r.partition.expiry().levels, 0);
  EXPECT(SameRecords(&r.partition, {}));
}

// Random changes of many records in transactions, some rolled back, with checkpoints and reopening.
TEST(records_and_index_follow_a_model) {
  Random random(Seed(7));
  KeySource keys(KeyShape::kMixed, &random);
  Records r;
  TimedModel model;
  for (int round = 0; round < 120; ++round) {
    TimedModel next = model;
    ReadClock clock(&r.env);
    RecordMutator* m = r.partition.BeginRecords(&clock);
    for (int i = 0; i < 40; ++i) {
      const std::string key = keys.Next();
      const bool there = next.contains(key) && (next[key].time == 0 || next[key].time > kNow);
      const uint64_t time = random.OneIn(3) ? 0 : kNow - 50 + random.Below(100);
      bool existed = false;
      const uint64_t kind = random.Below(10);
      if (kind < 5) {
        const std::string value = random.Bytes(random.OneIn(20) ? random.Below(9000) : random.Below(300));
        const bool keep = random.OneIn(4);
        ASSERT_OK(m->Put(key, value, {time, keep, kNow}, false, &existed));
        const uint64_t kept = there ? next[key].time : 0;
        next[key] = {value, keep ? kept : time};
        EXPECT_EQ(existed, there);
      } else if (kind < 8) {
        ASSERT_OK(m->SetTime(key, {time, 0, kNow}, false, &existed));
        if (there) next[key].time = time;
        EXPECT_EQ(existed, there);
      } else {
        ASSERT_OK(m->Delete(key, false, &existed));
        next.erase(key);
        EXPECT_EQ(existed, there);
      }
    }
    if (random.OneIn(5)) {
      r.partition.Rollback();
    } else {
      r.partition.Commit();
      model = next;
    }
    if (random.OneIn(8)) ASSERT_OK(r.partition.Checkpoint());
    if (random.OneIn(15)) {
      ASSERT_OK(r.partition.Checkpoint(true));
      ASSERT_OK(r.partition.Reopen());
    }
    if (round % 10 == 0) ASSERT(SameRecords(&r.partition, model));
  }
  EXPECT(SameRecords(&r.partition, model));
}

// ---- what the check says

std::vector<std::string> FindingsOf(TestPartition* p, const TreeRoot& root, const TreeRoot& expiry) {
  std::vector<std::string> found;
  CheckOptions options;
  options.space = SpaceCheck::kNone;
  options.expiry = expiry;
  options.finding = [&](const std::string& text) { return found.push_back(text), true; };
  uint64_t count = 0;
  EXPECT_OK(CheckTree(p->space(), root, options, &count));
  EXPECT_EQ(count, found.size());
  return found;
}

bool Contains(const std::vector<std::string>& found, const std::string& text) {
  return std::any_of(found.begin(), found.end(),
                     [&](const std::string& f) { return f.find(text) != std::string::npos; });
}

TEST(the_check_holds_records_and_index_against_each_other) {
  Records r;
  r.Put("a", "1", {kNow + 5});
  r.Put("b", "2");
  const TreeRoot one = r.partition.root();
  const TreeRoot index_of_one = r.partition.expiry();
  r.partition.oldest_snapshot = r.partition.sequence();  // the pages above stay
  r.Put("b", "2", {kNow + 9});
  const TreeRoot two = r.partition.root();
  EXPECT(FindingsOf(&r.partition, two, r.partition.expiry()).empty());
  EXPECT(
      Contains(FindingsOf(&r.partition, two, index_of_one), "key 'b' ends at 1000009, but the expiry index does not"));
  EXPECT(Contains(FindingsOf(&r.partition, one, r.partition.expiry()),
                  "says that key 'b' ends at 1000009, but it ends at 0"));
  EXPECT(Contains(FindingsOf(&r.partition, two, TreeRoot{}), "the expiry index does not"));
  EXPECT(Contains(FindingsOf(&r.partition, TreeRoot{}, index_of_one), "but it is not there"));
  EXPECT(Contains(FindingsOf(&r.partition, index_of_one, TreeRoot{}),
                  "it is a page of the expiry index, but the records"));
  EXPECT(Contains(FindingsOf(&r.partition, TreeRoot{}, one), "but it is a page of the records"));
  EXPECT(Contains(FindingsOf(&r.partition, TreeRoot{}, one), "it is no entry of the expiry index"));
}

TEST(a_record_that_the_index_lacks_is_damage_to_a_write) {
  Records r;
  r.Put("a", "1", {kNow + 5});
  ReadClock clock(&r.env);
  ASSERT_OK(r.partition.space()->Begin(ReleaseLimits{r.partition.sequence(), UINT64_MAX}));
  RecordMutator m(r.partition.space(), {r.partition.root(), TreeRoot{}}, &clock);
  bool existed = false;
  const Status status = m.Delete("a", false, &existed);
  EXPECT_EQ(status.code(), ZKDB_CORRUPT);
  EXPECT(status.message().find("the expiry index lacks") != std::string::npos);
  r.partition.space()->Rollback();
}

}  // namespace
}  // namespace zkdb::test
