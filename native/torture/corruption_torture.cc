// Damage of the files of segments: every byte, every 512 bytes of length, pages in wrong places, old copies, metas.
// Every read must give the right value or a failure that names file and page; nothing may crash; partitions that are
// not damaged stay readable. Damage is harmless where the bytes are part of no state that can be reached: free pages,
// and the meta slot that is not the newest.
#include <memory>

#include "core/base/checksum.h"
#include "torture/damage_stage.h"

namespace zkdb::test {
namespace {

using Use = StagePage::Use;

std::string PageName(uint32_t page) { return "mid/000.zkd: page " + std::to_string(page) + ":"; }

// One bit of each byte, chosen by the seed; in a long run other bits in other rounds.
uint8_t BitOf(uint64_t seed, uint64_t round, uint64_t offset) {
  const uint64_t mixed = (seed + offset) * 0x9E3779B97F4A7C15u;
  return static_cast<uint8_t>(1u << ((mixed >> 40) + round) % 8);
}

// The first finding of a check, "" for none.
std::string FirstFinding(TestDb* db) {
  std::string found;
  const zkdb_sink first = [](void* context, const char* text, size_t size) {
    static_cast<std::string*>(context)->assign(text, size);
    return 1;
  };
  uint64_t findings = 0;
  const zkdb_code code = zkdb_check(db->get(), first, &found, nullptr, nullptr, &findings, &db->error);
  EXPECT_EQ(code, findings > 0 ? ZKDB_CORRUPT : ZKDB_OK);
  return found;
}

// Flips one bit of each byte of pages, with a database that has never read the page before: a page is verified when it
// is first read, and one that fails stays unverified.
class FlipTest {
 public:
  FlipTest(DamageStage* stage, Torture* torture) : stage_(stage), torture_(torture) {}

  void Run() {
    ASSERT_EQ(stage_->OpenReadOnly(&db_), ZKDB_OK);
    for (uint32_t page : stage_->InOrderOfReads()) {
      const StagePage& known = stage_->pages()[page];
      switch (known.use) {
        case Use::kTree: ReadFlips(page, known.probe); break;
        case Use::kOverflow: known.has_probe ? ReadFlips(page, known.probe) : VerifyFlips(page); break;
        case Use::kFreeMap: CheckFlips(page); break;
        case Use::kFree: HarmlessFlips(page); break;
        case Use::kMeta:
        case Use::kSegmentHeader: break;  // read when the database is opened: tests of their own
      }
      if (Failures().load() > 0) return;
    }
    EXPECT_EQ(ReadEverything(&db_, stage_->all(), false), uint64_t{0});
    for (uint32_t page = MetaPages(kStagePageSize); page < kStagePages; ++page) SampleCheck(page);
  }

 private:
  template <typename Detect>
  void ForEachByte(uint32_t page, Detect detect) {
    uint8_t* bytes = stage_->page_bytes(page);
    for (uint32_t i = 0; i < kStagePageSize; ++i) {
      const uint8_t bit = BitOf(torture_->seed(), torture_->round(), uint64_t{page} * kStagePageSize + i);
      bytes[i] ^= bit;
      const bool right = detect();
      bytes[i] ^= bit;
      if (!right) {
        Fail(__FILE__, __LINE__,
             PageName(page) + " byte " + std::to_string(i) + " bit " + std::to_string(bit) + ": " +
                 zkdb_code_name(db_.code) + " " + db_.message());
        return;
      }
    }
    torture_->Figure("flipped_bytes", kStagePageSize);
  }

  void ReadFlips(uint32_t page, const std::string& key) {
    const std::string name = PageName(page);
    ForEachByte(page, [&] {
      return !db_.Get(key) && db_.code == ZKDB_CORRUPT && std::strstr(db_.error.message, name.c_str()) != nullptr;
    });
    torture_->Figure("detected_by_reads", kStagePageSize);
    NeighboursAreReadable();
  }

  void CheckFlips(uint32_t page) {
    const std::string name = PageName(page);
    ForEachByte(page, [&] { return FirstFinding(&db_).find(name) != std::string::npos; });
    torture_->Figure("detected_by_check", kStagePageSize);
  }

  // A page of keys may have been compared with other keys before: a first read of it is asked for below the engine.
  void VerifyFlips(uint32_t page) {
    const std::string name = PageName(page);
    const PageRef ref{page, Load32(stage_->page_bytes(page) + offsetof(PageHeader, stamp))};
    const DamageStage::Space opened = stage_->OpenSpace();
    ForEachByte(page, [&] {
      const uint8_t* bytes = nullptr;
      const Status status = opened.space->Read(ref, &bytes);
      return status.code() == ZKDB_CORRUPT && status.message().find(name) != std::string::npos;
    });
    torture_->Figure("detected_by_reads", kStagePageSize);
  }

  // Nothing refers to the page: every read goes on as before.
  void HarmlessFlips(uint32_t page) {
    auto record = stage_->all().begin();
    ForEachByte(page, [&] {
      if (++record == stage_->all().end()) record = stage_->all().begin();
      const std::optional<std::string> got = db_.Get(record->first);
      return got && *got == record->second;
    });
    std::memset(stage_->page_bytes(page), 0x5A, kStagePageSize);
    EXPECT_EQ(FirstFinding(&db_), "");
    stage_->RestorePage(page);
    torture_->Figure("harmless", kStagePageSize);
  }

  // The check, too, names the page: it sums up pages that were verified before. The free map is in memory by now.
  void SampleCheck(uint32_t page) {
    const Use use = stage_->pages()[page].use;
    for (uint32_t i : {0u, 5u, 9u, 12u, 17u, 100u, 2000u, kStagePageSize - 1}) {
      stage_->page_bytes(page)[i] ^= 0x10;
      const std::string found = db_.Check();
      if (use == Use::kTree || use == Use::kOverflow) EXPECT(found.find(PageName(page)) != std::string::npos);
      if (use == Use::kFree) EXPECT_EQ(found, "");
      stage_->page_bytes(page)[i] ^= 0x10;
      torture_->Figure("checks", 1);
    }
  }

  void NeighboursAreReadable() {
    for (const char* key : {"kb000003", "ks000200"}) EXPECT(db_.Get(key) == stage_->all().at(key));
  }

  DamageStage* stage_;
  Torture* torture_;
  TestDb db_;
};

TEST(every_flipped_byte_of_a_256_page_file_is_detected_or_harmless) {
  Torture t("every_flipped_byte_of_a_256_page_file_is_detected_or_harmless", 1);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  std::map<Use, uint64_t> uses;
  for (uint32_t i = 0; i < kStagePages; ++i) ++uses[stage.pages()[i].use];
  EXPECT(uses[Use::kTree] > 100 && uses[Use::kOverflow] > 10 && uses[Use::kFree] > 0 && uses[Use::kFreeMap] > 0);
  EXPECT(stage.meta().levels > 1);
  while (t.Next()) FlipTest(&stage, &t).Run();
  t.Figure("flipped_bytes", 0);
}

// Opens with damage in place. Either the open is refused, naming the file, or every read is right.
bool OpensRight(DamageStage* stage, const std::string& file, bool read_all) {
  TestDb db;
  const zkdb_code code = stage->OpenReadOnly(&db);
  if (code != ZKDB_OK) {
    EXPECT(IsDamage(code));
    EXPECT(db.message().find(file) != std::string::npos);
    return false;
  }
  if (read_all) EXPECT(db.All() == stage->all());
  EXPECT(db.Get("kb000003") == stage->all().at("kb000003"));
  const StagePage& root = stage->pages()[stage->meta().root.number];
  EXPECT(db.Get(root.probe) == stage->all().at(root.probe));
  return true;
}

TEST(every_flipped_byte_of_the_metas_and_of_a_segment_header_is_detected_or_harmless) {
  Torture t("every_flipped_byte_of_the_metas_and_of_a_segment_header_is_detected_or_harmless", 1);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  while (t.Next()) {
    for (uint32_t i = 0; i < kMetaSlots * kMetaSlotSize; ++i) {
      const uint8_t bit = BitOf(t.seed(), t.round(), i);
      const bool newest = i / kMetaSlotSize == stage.newest_slot() / kMetaSlotSize;
      stage.bytes()[i] ^= bit;
      EXPECT_EQ(OpensRight(&stage, "mid/000.zkd: page 0", i % 512 == 0), !newest);
      stage.bytes()[i] ^= bit;
      t.Figure(newest ? "detected" : "harmless", 1);
    }
    for (uint32_t i = 0; i < kStagePageSize; ++i) {
      std::string bytes = stage.second_image().substr(i, 1);
      bytes[0] = static_cast<char>(bytes[0] ^ BitOf(t.seed(), t.round(), i));
      std::fstream file(stage.second_segment(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(i);
      file << bytes << std::flush;
      EXPECT(!OpensRight(&stage, "mid/001.zkd: page 0", false));
      file.seekp(i);
      file << stage.second_image()[i] << std::flush;
      t.Figure("detected", 1);
    }
    EXPECT(OpensRight(&stage, "", true));
  }
}

TEST(metas_damaged_singly_and_both_are_refused_or_harmless) {
  Torture t("metas_damaged_singly_and_both_are_refused_or_harmless", 300);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  std::mt19937_64 random(t.seed());
  while (t.Next()) {
    const uint64_t slots = 1 + random() % 3;  // which of the two, or both
    for (uint64_t slot = 0; slot < kMetaSlots; ++slot) {
      if (((slots >> slot) & 1) == 0) continue;
      const uint64_t first = slot * kMetaSlotSize + random() % kMetaSlotSize;
      const uint64_t end = std::min<uint64_t>((slot + 1) * kMetaSlotSize, first + 1 + random() % 600);
      if (random() % 4 == 0)
        std::memset(stage.bytes() + slot * kMetaSlotSize, static_cast<int>(random() % 2 * 0x23), kMetaSlotSize);
      stage.bytes()[slot * kMetaSlotSize + random() % sizeof(Meta)] ^= 1;
      for (uint64_t i = first; i < end; ++i) stage.bytes()[i] ^= static_cast<uint8_t>(random());
    }
    const bool newest_is_damaged = ((slots >> (stage.newest_slot() / kMetaSlotSize)) & 1) != 0;
    const bool opened = OpensRight(&stage, "mid/000.zkd", false);
    EXPECT_EQ(opened, !newest_is_damaged);
    t.Figure(opened ? "harmless" : "detected", 1);
    stage.Restore();
  }
}

TEST(a_file_cut_at_every_512_bytes_is_refused) {
  Torture t("a_file_cut_at_every_512_bytes_is_refused", 1);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  while (t.Next()) {
    for (const auto& [path, size] : {std::pair(stage.segment(), stage.image().size()),
                                     std::pair(stage.second_segment(), stage.second_image().size())}) {
      for (uint64_t length = size; length > 0;) {
        length = (length - 1) / 512 * 512;
        std::filesystem::resize_file(path, length);
        EXPECT(!OpensRight(&stage, path, false));
        t.Figure("cuts_refused", 1);
      }
      stage.RestoreFiles();
      EXPECT(OpensRight(&stage, "", true));
    }
  }
}

// A fresh open reads the key that needs the page, or checks: with damage in place it fails, and the check finds `name`.
bool ReadFails(DamageStage* stage, uint32_t page, bool needs_check, const std::string& name) {
  TestDb db;
  if (!EXPECT_EQ(stage->OpenReadOnly(&db), ZKDB_OK)) return false;
  EXPECT(db.Get("ks000200") == stage->all().at("ks000200"));
  if (needs_check) return db.Check().find(name) != std::string::npos;
  const std::string& key = stage->pages()[page].probe;
  const std::optional<std::string> got = db.Get(key);
  if (got) EXPECT(*got == stage->all().at(key));
  return !got && db.code == ZKDB_CORRUPT && db.message().find("mid/000.zkd: page ") != std::string::npos;
}

// Puts `bytes` in the place of a page and sees whether that is noticed, or nobody needs it.
void PutInPlace(DamageStage* stage, Torture* t, uint32_t page, const uint8_t* bytes, const char* figure) {
  const StagePage& known = stage->pages()[page];
  if (known.use == Use::kMeta || std::memcmp(bytes, stage->page_bytes(page), kStagePageSize) == 0) return;
  std::memcpy(stage->page_bytes(page), bytes, kStagePageSize);
  if (known.use == Use::kFree) {
    TestDb db;
    ASSERT_EQ(stage->OpenReadOnly(&db), ZKDB_OK);
    EXPECT_EQ(db.Check(), "");
    t->Figure("harmless", 1);
  } else if (EXPECT(ReadFails(stage, page, !known.has_probe, PageName(page)))) {
    t->Figure(figure, 1);
  }
  stage->RestorePage(page);
}

TEST(pages_that_changed_places_are_detected) {
  Torture t("pages_that_changed_places_are_detected", 1500);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  std::mt19937_64 random(t.seed());
  while (t.Next()) {
    const auto a = static_cast<uint32_t>(2 + random() % (kStagePages - 2));
    const auto b = static_cast<uint32_t>(2 + random() % (kStagePages - 2));
    if (a == b) continue;
    const std::string was(reinterpret_cast<char*>(stage.page_bytes(a)), kStagePageSize);
    std::memcpy(stage.page_bytes(a), stage.page_bytes(b), kStagePageSize);
    std::memcpy(stage.page_bytes(b), was.data(), kStagePageSize);
    for (uint32_t page : {a, b}) {
      const StagePage& known = stage.pages()[page];
      // The other page may be the one that leads to this one: then it is what the check finds.
      if (known.use != Use::kFree) EXPECT(ReadFails(&stage, page, !known.has_probe, "mid/000.zkd: page "));
      t.Figure(known.use == Use::kFree ? "harmless" : "detected", 1);
    }
    stage.RestorePage(a);
    stage.RestorePage(b);
  }
}

TEST(an_old_copy_of_any_page_is_detected) {
  Torture t("an_old_copy_of_any_page_is_detected", 1);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  while (t.Next()) {
    for (const std::string& old : stage.old_images()) {
      for (uint32_t page = 2; page < kStagePages; ++page) {
        const auto* bytes = reinterpret_cast<const uint8_t*>(old.data()) + size_t{page} * kStagePageSize;
        if (old.size() >= (size_t{page} + 1) * kStagePageSize)
          PutInPlace(&stage, &t, page, bytes, "old_copies_detected");
      }
    }
  }
}

// What a lost write leaves: a page that is whole, says that it is the right one, and carries another stamp. Of the
// root and of the free map only the meta knows the stamps.
TEST(a_page_of_another_stamp_is_detected_the_root_and_the_free_map_too) {
  Torture t("a_page_of_another_stamp_is_detected_the_root_and_the_free_map_too", 1);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  uint64_t roots = 0;
  while (t.Next()) {
    for (uint32_t page = 2; page < kStagePages; ++page) {
      std::vector<uint8_t> bytes(stage.page_bytes(page), stage.page_bytes(page) + kStagePageSize);
      Store32(bytes.data() + offsetof(PageHeader, stamp), Load32(bytes.data() + offsetof(PageHeader, stamp)) - 1);
      Store32(bytes.data(), Crc32c(0, bytes.data() + kChecksumSize, kStagePageSize - kChecksumSize));
      roots += page == stage.meta().root.number || page == stage.meta().free_map.number ? 1 : 0;
      PutInPlace(&stage, &t, page, bytes.data(), "stamps_detected");
    }
    EXPECT(roots > 0);
  }
}

TEST(random_damage_of_pages_gives_right_answers_or_named_failures) {
  Torture t("random_damage_of_pages_gives_right_answers_or_named_failures", 150);
  DamageStage stage;
  ASSERT(stage.Build(t.seed()));
  std::mt19937_64 random(t.seed());
  while (t.Next()) {
    for (uint64_t n = 1 + random() % 4; n > 0; --n) {
      const uint64_t at = 2 * kStagePageSize + random() % (stage.image().size() - 2 * kStagePageSize);
      const uint64_t size = std::min<uint64_t>(1 + random() % 5000, stage.image().size() - at);
      for (uint64_t i = at; i < at + size; ++i) stage.bytes()[i] ^= static_cast<uint8_t>(1 + random() % 255);
    }
    TestDb db;
    ASSERT_EQ(stage.OpenReadOnly(&db), ZKDB_OK);
    const uint64_t failed = ReadEverything(&db, stage.all(), true);
    t.Figure("failed_reads", failed);
    RecordList list;
    const zkdb_code scanned = db.Scan(&list);
    EXPECT_EQ(scanned, failed > 0 ? ZKDB_CORRUPT : ZKDB_OK);
    for (const auto& [key, value] : list) EXPECT(stage.all().count(key) == 1 && stage.all().at(key) == value);
    if (failed > 0) EXPECT(db.Check().find("mid/000.zkd: page ") != std::string::npos);
    stage.Restore();
  }
}

}  // namespace
}  // namespace zkdb::test
