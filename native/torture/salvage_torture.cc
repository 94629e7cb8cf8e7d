// Random damage, then a salvage: every record of the pages that are not damaged comes back, and nothing that never was.
// While the newest meta and the free map are whole, what comes back is known exactly, however many branches are lost.
#include "torture/damage_stage.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;
using Use = StagePage::Use;

struct Salvaged {
  zkdb_code code = ZKDB_OK;
  zkdb_salvage_result result{};
  std::string findings;
  Model records;
};

Salvaged SalvageStage(const DamageStage& stage) {
  Salvaged out;
  const std::string destination = stage.directory() + "-salvaged";
  fs::remove_all(destination);
  const zkdb_sink sink = [](void* context, const char* text, size_t size) {
    static_cast<std::string*>(context)->append(text, size).append("\n");
    return 0;
  };
  zkdb_error error{};
  out.code = zkdb_salvage(stage.path().c_str(), destination.c_str(), sink, &out.findings, nullptr, nullptr, &out.result,
                          &error);
  EXPECT_EQ(out.code, ZKDB_OK);
  {
    TestDb db;
    EXPECT_EQ(db.Open(destination), ZKDB_OK);
    out.records = db.All();
    EXPECT_EQ(db.Check(), "");
  }
  EXPECT_EQ(out.result.records, uint64_t{out.records.size()});
  fs::remove_all(destination);
  return out;
}

void DamagePage(DamageStage* stage, uint32_t page, std::mt19937_64* random) {
  uint8_t* bytes = stage->page_bytes(page);
  const uint64_t kind = (*random)() % 4;
  if (kind == 0) std::memset(bytes, 0, kStagePageSize);
  if (kind == 1) std::memset(bytes, 0xA7, kStagePageSize);
  bytes[(*random)() % kStagePageSize] ^= static_cast<uint8_t>(1u << (*random)() % 8);
}

// The records none of whose pages is damaged.
Model Undamaged(const DamageStage& stage, const std::set<uint32_t>& damaged) {
  Model out;
  for (const auto& [key, value] : stage.all()) {
    bool whole = true;
    if (DamageStage::IsOfMid(key)) {
      for (uint32_t page : stage.PagesOf(key)) whole &= damaged.count(page) == 0;
    }
    if (whole) out[key] = value;
  }
  return out;
}

// Everything of `least` is there with its newest value, and what is there beyond it once was.
void ExpectAtLeast(const DamageStage& stage, const Model& least, const Salvaged& salvaged, Torture* t) {
  for (const auto& [key, value] : least) {
    const auto found = salvaged.records.find(key);
    if (!EXPECT(found != salvaged.records.end() && found->second == value)) return;
  }
  for (const auto& [key, value] : salvaged.records) {
    const auto known = stage.history().find(key);
    EXPECT(known != stage.history().end() && known->second.count(value) == 1);
  }
  t->Figure("records_beyond", salvaged.records.size() - least.size());
  EXPECT(salvaged.records.size() - least.size() <= salvaged.result.unsure_records);
}

class Damage {
 public:
  Damage(DamageStage* stage, std::mt19937_64* random) : stage_(stage), random_(random) {}

  void Page(uint32_t page) {
    const Use use = stage_->pages()[page].use;
    DamagePage(stage_, page, random_);
    pages_.insert(page);
    branch_ |= use == Use::kTree && stage_->pages()[page].level > 0;
    free_map_ |= use == Use::kFreeMap;
    in_use_ += use == Use::kTree || use == Use::kOverflow ? 1 : 0;
  }
  // All pages of the first segment that are branches.
  void AllBranches() {
    for (uint32_t i = 2; i < kStagePages; ++i) {
      if (stage_->pages()[i].use == Use::kTree && stage_->pages()[i].level > 0) Page(i);
    }
  }
  void Random() {
    const uint64_t count = 1 + (*random_)() % ((*random_)() % 4 == 0 ? 120 : 6);
    for (uint64_t i = 0; i < count; ++i) {
      const auto page = static_cast<uint32_t>(2 + (*random_)() % (kStagePages - 2));
      if (pages_.count(page) == 0) Page(page);
    }
  }

  const std::set<uint32_t>& pages() const { return pages_; }
  bool free_map() const { return free_map_; }
  bool exact() const { return !branch_ || !free_map_; }
  uint64_t in_use() const { return in_use_; }

 private:
  DamageStage* stage_;
  std::mt19937_64* random_;
  std::set<uint32_t> pages_;
  bool branch_ = false;
  bool free_map_ = false;
  uint64_t in_use_ = 0;  // of them, pages that held something
};

TEST(a_salvage_brings_back_every_record_of_the_undamaged_pages_and_nothing_else) {
  Torture t("a_salvage_brings_back_every_record_of_the_undamaged_pages_and_nothing_else", 60);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  std::mt19937_64 random(t.seed());
  while (t.Next()) {
    Damage damage(&stage, &random);
    if (t.round() == 1) damage.AllBranches();
    if (t.round() > 1) damage.Random();
    const Model expected = Undamaged(stage, damage.pages());
    const Salvaged salvaged = SalvageStage(stage);
    if (damage.exact()) {
      EXPECT(salvaged.records == expected);
      EXPECT_EQ(salvaged.result.unsure_records, uint64_t{0});
      EXPECT(salvaged.result.lost_pages <= damage.in_use());
      if (!damage.free_map()) EXPECT_EQ(salvaged.result.lost_pages, damage.in_use());
    } else {
      ExpectAtLeast(stage, expected, salvaged, &t);
    }
    EXPECT_EQ(salvaged.result.findings > 0, damage.in_use() > 0 || damage.free_map());
    if (damage.in_use() > 0) EXPECT(salvaged.findings.find("mid/000.zkd: page ") != std::string::npos);
    t.Figure("salvages", 1);
    t.Figure("records", salvaged.records.size());
    t.Figure("lost_records", stage.all().size() - expected.size());
    stage.Restore();
  }
}

TEST(a_salvage_without_metas_brings_back_every_record_of_the_undamaged_pages) {
  Torture t("a_salvage_without_metas_brings_back_every_record_of_the_undamaged_pages", 30);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  std::mt19937_64 random(t.seed());
  while (t.Next()) {
    Damage damage(&stage, &random);
    std::memset(stage.bytes() + stage.newest_slot() + 16, 0x33, 512);
    if (t.round() % 2 == 0) std::memset(stage.bytes(), 0x33, kMetaSlots * kMetaSlotSize);
    if (t.round() % 3 == 1) damage.AllBranches();
    if (t.round() % 3 == 2) damage.Random();
    const Salvaged salvaged = SalvageStage(stage);
    ExpectAtLeast(stage, Undamaged(stage, damage.pages()), salvaged, &t);
    EXPECT(salvaged.findings.find("mid/000.zkd") != std::string::npos);
    if (damage.pages().empty()) EXPECT(salvaged.records == stage.all());
    t.Figure("salvages", 1);
    stage.Restore();
  }
}

TEST(a_salvage_of_cut_and_missing_files_brings_back_what_is_left) {
  Torture t("a_salvage_of_cut_and_missing_files_brings_back_what_is_left", 20);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  std::mt19937_64 random(t.seed());
  while (t.Next()) {
    const bool second = random() % 4 == 0;
    const std::string& whole = second ? stage.second_image() : stage.image();
    const uint64_t length = random() % (whole.size() / 512) * 512;
    const bool missing = second && t.round() % 2 == 0;
    if (missing) fs::remove(stage.second_segment());
    if (!missing) fs::resize_file(second ? stage.second_segment() : stage.segment(), length);
    std::set<uint32_t> lost;
    for (uint64_t page = (missing ? 0 : length / kStagePageSize); page < whole.size() / kStagePageSize; ++page) {
      lost.insert(static_cast<uint32_t>(page + (second ? kStagePages : 0)));
    }
    const Salvaged salvaged = SalvageStage(stage);
    ExpectAtLeast(stage, Undamaged(stage, lost), salvaged, &t);
    if (second || length >= 2 * kMetaSlotSize) EXPECT(salvaged.findings.find(".zkd") != std::string::npos);
    if (missing) WriteText(stage.second_segment(), "");
    stage.RestoreFiles();
    t.Figure("salvages", 1);
  }
  EXPECT(SalvageStage(stage).records == stage.all());
}

}  // namespace
}  // namespace zkdb::test
