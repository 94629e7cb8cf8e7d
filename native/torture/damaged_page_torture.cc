// One page of a partition's files is damaged while a workload needs it: each page in turn, once with a wrong checksum
// and once with a right one and a structure that cannot be. Every call works or gives ZKDB_CORRUPT with file and page,
// a write that failed left nothing, other keys are read, and with the page put back the database is whole.
#include <cstddef>

#include "core/base/checksum.h"
#include "core/format/layout.h"
#include "torture/damage_stage.h"
#include "torture/damage_workloads.h"
#include "torture/fault_env.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kPageSize = kMinPageSize;

// A page as the workload finds it.
struct Target {
  std::string file;  // below the database's directory
  uint64_t offset = 0;
  uint32_t number = 0;
  uint32_t partition = 0;
  std::string bytes;
  PageHeader header() const { return Load<PageHeader>(reinterpret_cast<const uint8_t*>(bytes.data())); }
};

uint32_t PartitionOf(const std::string& directory) {
  if (directory == "low") return 0;
  if (directory == "mid") return 1;
  return directory == "high" ? 2 : static_cast<uint32_t>(std::strtoul(directory.c_str() + 1, nullptr, 10));
}

bool IsWhole(const std::string& bytes) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  return Load32(p) == Crc32c(0, p + kChecksumSize, kPageSize - kChecksumSize);
}

// The pages of trees, overflow runs and free maps, free ones too. Metas and segment headers have tests of their own.
std::vector<Target> PagesOf(const std::string& directory) {
  std::vector<Target> out;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.path().extension() != ".zkd") continue;
    const std::string whole = ReadWhole(entry.path());
    for (uint64_t at = 0; at + kPageSize <= whole.size(); at += kPageSize) {
      Target t{fs::relative(entry.path(), directory), at, 0, 0, whole.substr(at, kPageSize)};
      t.number = t.header().number;
      t.partition = PartitionOf(entry.path().parent_path().filename());
      if (t.number != 0 && IsWhole(t.bytes) && t.header().kind != PageKind::kSegmentHeader) out.push_back(t);
    }
  }
  return out;
}

void WriteAt(const std::string& path, uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

// ---- structures that cannot be

// The fields of a page that are made wrong.
class Page {
 public:
  explicit Page(std::string* bytes) : p_(reinterpret_cast<uint8_t*>(bytes->data())) {}
  PageHeader header() const { return Load<PageHeader>(p_); }
  bool tree() const { return header().kind == PageKind::kLeaf || header().kind == PageKind::kBranch; }
  bool is(PageKind kind) const { return header().kind == kind; }
  uint8_t* at(size_t offset) { return p_ + offset; }
  uint8_t* slot(uint32_t i) { return p_ + sizeof(PageHeader) + (header().prefix_size + 7u) / 8 * 8 + 8 * i; }
  uint8_t* last_slot() { return slot(header().count - 1u); }
  uint8_t* cell(uint32_t i) { return p_ + Load16(slot(i) + offsetof(Slot, offset)); }

 private:
  uint8_t* p_;
};

void Add16(uint8_t* at, int n) { Store16(at, static_cast<uint16_t>(Load16(at) + n)); }

struct Wrong {
  const char* what;
  bool (*make)(Page* page);  // false: the page has no such field
  // A reference that leads astray: it is refused where it is followed, and a branch that is copied takes it along.
  bool travels = false;
};

// Each of them is refused wherever what is wrong is needed.
constexpr Wrong kWrong[] = {
    {"level above", [](Page* p) { return p->tree() && ++*p->at(offsetof(PageHeader, level)) != 0; }},
    {"kind of an overflow page", [](Page* p) { return p->tree() && (*p->at(offsetof(PageHeader, kind)) = 3) != 0; }},
    {"kind of the other tree page",
     [](Page* p) { return p->tree() && (*p->at(offsetof(PageHeader, kind)) ^= 3) != 0; }},
    {"unknown kind", [](Page* p) { return (*p->at(offsetof(PageHeader, kind)) = 9) != 0; }},
    {"kind of a segment header", [](Page* p) { return (*p->at(offsetof(PageHeader, kind)) = 5) != 0; }},
    {"free map of level 200",
     [](Page* p) {
       *p->at(offsetof(PageHeader, level)) = 200;
       return p->tree() && (*p->at(offsetof(PageHeader, kind)) = 4) != 0;
     }},
    {"free map of level 255",
     [](Page* p) {
       *p->at(offsetof(PageHeader, level)) = 255;
       return p->tree() && (*p->at(offsetof(PageHeader, kind)) = 4) != 0;
     }},
    {"a slot more", [](Page* p) { return p->tree() && (Add16(p->at(offsetof(PageHeader, count)), 1), true); }},
    {"a slot less", [](Page* p) { return p->tree() && (Add16(p->at(offsetof(PageHeader, count)), -1), true); }},
    {"60000 slots", [](Page* p) { return p->tree() && (Store16(p->at(offsetof(PageHeader, count)), 60000), true); }},
    {"a larger heap", [](Page* p) { return p->tree() && (Add16(p->at(offsetof(PageHeader, heap_size)), 1), true); }},
    {"a smaller heap", [](Page* p) { return p->tree() && (Add16(p->at(offsetof(PageHeader, heap_size)), -9), true); }},
    {"more garbage than heap",
     [](Page* p) { return p->tree() && (Store16(p->at(offsetof(PageHeader, garbage)), 65000), true); }},
    {"a little garbage", [](Page* p) { return p->tree() && (Add16(p->at(offsetof(PageHeader, garbage)), 3), true); }},
    {"a cell in the header",
     [](Page* p) { return p->tree() && (Store16(p->last_slot() + offsetof(Slot, offset), 8), true); }},
    {"a cell at the end",
     [](Page* p) { return p->tree() && (Store16(p->last_slot() + offsetof(Slot, offset), 4095), true); }},
    {"a key of 8191 bytes",
     [](Page* p) { return p->tree() && (Store16(p->last_slot() + offsetof(Slot, meta), 0x1FFF), true); }},
    {"a cell of another slot",
     [](Page* p) {
       if (!p->tree() || p->header().count < 2) return false;
       Store16(p->slot(0) + offsetof(Slot, offset), Load16(p->slot(1) + offsetof(Slot, offset)));
       return true;
     }},
    {"a value of 60000 bytes", [](Page* p) { return p->is(PageKind::kLeaf) && (Store16(p->cell(0), 60000), true); }},
    {"a child beyond the file",
     [](Page* p) { return p->is(PageKind::kBranch) && (Store32(p->cell(0), 0x7FFFFFFF), true); }},
    {"itself as a child",
     [](Page* p) {
       if (!p->is(PageKind::kBranch)) return false;
       std::memcpy(p->cell(0), p->at(offsetof(PageHeader, number)), sizeof(PageRef));
       return true;
     },
     true},
    {"a meta as a child", [](Page* p) { return p->is(PageKind::kBranch) && (Store32(p->cell(0), 1), true); }, true},
    {"a child of another stamp",
     [](Page* p) { return p->is(PageKind::kBranch) && (Store32(p->cell(0) + 4, Load32(p->cell(0) + 4) + 1), true); },
     true},
    {"an overflow run of no pages",
     [](Page* p) { return p->is(PageKind::kOverflow) && (Store32(p->at(sizeof(PageHeader)), 0), true); }},
    {"an overflow run of 60000 pages",
     [](Page* p) { return p->is(PageKind::kOverflow) && (Store32(p->at(sizeof(PageHeader)), 60000), true); }},
    {"an overflow run that goes on beyond the file",
     [](Page* p) { return p->is(PageKind::kOverflow) && (Store32(p->at(sizeof(PageHeader) + 4), 60000), true); }},
    {"an overflow page that is a free map",
     [](Page* p) { return p->is(PageKind::kOverflow) && (*p->at(offsetof(PageHeader, kind)) = 4) != 0; }},
    {"a free map that is an overflow page",
     [](Page* p) { return p->is(PageKind::kFreeMap) && (*p->at(offsetof(PageHeader, kind)) = 3) != 0; }},
    {"a free map that goes on in itself",
     [](Page* p) {
       if (!p->is(PageKind::kFreeMap)) return false;
       std::memcpy(p->at(sizeof(PageHeader)), p->at(offsetof(PageHeader, number)), sizeof(PageRef));
       return true;
     }},
};

void MakeChecksum(std::string* bytes) {
  auto* p = reinterpret_cast<uint8_t*>(bytes->data());
  Store32(p, Crc32c(0, p + kChecksumSize, kPageSize - kChecksumSize));
}

// ---- a run

// The workload on the prepared files with one page replaced. *noticed: some call met it.
bool RunOnce(const PreparedWorkload& prepared, const IoWorkload& workload, const std::string& base,
             const Target& target, const std::string& damaged, const Wrong& wrong, bool* noticed) {
  const std::string directory = base + "/run";
  const std::string path = directory + "/" + target.file;
  FaultRun run(TheLeanEnv(), directory, workload.shape);
  const std::string place = target.file + ": page " + std::to_string(target.number) + ":";
  prepared.Begin(&run, directory, workload.Name() + ", " + place + " " + wrong.what);
  WriteAt(path, target.offset, damaged);
  run.ExpectCodes({ZKDB_CORRUPT, ZKDB_FAILED});
  run.SetFired([] { return true; });
  // A wrong reference is noticed at the page that it leads to.
  run.SetPlace(wrong.make == nullptr ? place : ": page ");
  workload.run(&run);
  *noticed = run.failures() > 0;
  if (run.is_open()) run.Close();
  run.Open();
  run.ExpectReadsAround(target.partition);
  run.Close();
  if (wrong.travels) return run.quiet();
  // A page that was free may be used and written by now, or cut off.
  const std::string whole = ReadWhole(path);
  if (whole.size() >= target.offset + kPageSize && whole.compare(target.offset, kPageSize, damaged) == 0) {
    WriteAt(path, target.offset, target.bytes);
  }
  return run.ExpectReopens(TheLeanEnv(), directory);
}

std::string Flipped(const Target& target, uint64_t seed) {
  std::string damaged = target.bytes;
  const uint64_t mixed = (seed + target.number + 1) * 0x9E3779B97F4A7C15u;
  damaged[mixed % kPageSize] = static_cast<char>(damaged[mixed % kPageSize] ^ (1 << (mixed >> 40) % 8));
  return damaged;
}

// One wrong structure in a short run, all of them in a long one.
bool RunStructures(Torture* t, const PreparedWorkload& prepared, const IoWorkload& workload, const std::string& base,
                   const Target& target, size_t workload_number) {
  const size_t first = t->seed() + t->round() + workload_number * 5 + target.number;
  size_t made = 0;
  for (size_t i = 0; i < std::size(kWrong) && made < (t->is_long() ? std::size(kWrong) : 1); ++i) {
    const Wrong& wrong = kWrong[(first * 7 + i) % std::size(kWrong)];
    std::string damaged = target.bytes;
    Page page(&damaged);
    if (!wrong.make(&page)) continue;
    MakeChecksum(&damaged);
    ++made;
    bool noticed = false;
    if (!RunOnce(prepared, workload, base, target, damaged, wrong, &noticed)) return false;
    t->Figure(noticed ? "structures_noticed" : "structures_not_needed", 1);
  }
  return true;
}

void DamageEveryPage(const char* test, const std::vector<IoWorkload>& all, size_t part, size_t parts, bool structures) {
  Torture t(test, 1);
  const FastDirectory base;
  while (t.Next()) {
    for (size_t w = part; w < all.size(); w += parts) {
      const PreparedWorkload prepared(all[w], base.path());
      if (!EXPECT(prepared.good())) return;
      uint64_t seen = 0;
      const std::vector<Target> targets = PagesOf(base.path() + "/prepared");
      for (const Target& target : targets) {
        if (structures) {
          if (!RunStructures(&t, prepared, all[w], base.path(), target, w)) return;
          continue;
        }
        bool noticed = false;
        if (!RunOnce(prepared, all[w], base.path(), target, Flipped(target, t.seed()), {"checksum", nullptr},
                     &noticed)) {
          return;
        }
        seen += noticed ? 1 : 0;
        t.Figure(noticed ? "noticed" : "not_needed", 1);
      }
      if (!structures && !targets.empty() && seen == 0) Fail(all[w].what, 0, "the workload never met the damage");
      t.Figure("workloads", 1);
    }
  }
}

}  // namespace

TEST(a_damaged_page_stops_what_needs_it_in_tall_trees_first_half) {
  DamageEveryPage("a_damaged_page_stops_what_needs_it_in_tall_trees_first_half", DamageWorkloads(), 0, 2, false);
}
TEST(a_damaged_page_stops_what_needs_it_in_tall_trees_second_half) {
  DamageEveryPage("a_damaged_page_stops_what_needs_it_in_tall_trees_second_half", DamageWorkloads(), 1, 2, false);
}
TEST(a_damaged_page_stops_what_needs_it_in_small_databases) {
  DamageEveryPage("a_damaged_page_stops_what_needs_it_in_small_databases", IoWorkloads(), 0, 1, false);
}
TEST(a_page_with_an_impossible_structure_is_refused_wherever_it_is_needed) {
  DamageEveryPage("a_page_with_an_impossible_structure_is_refused_wherever_it_is_needed", DamageWorkloads(), 0, 1,
                  true);
}

}  // namespace zkdb::test
