// The records of a partition, taken from its intact pages: first those that the newest meta reaches, then those whose
// branches are damaged, found by looking at all pages. docs/adr/0022-salvage.md has the rule and why it holds.
//
// Thread-safety: none; one salvage uses one.
//
// Invariants:
//  1. Every page is taken at most once. A key that a later page decided, by holding it or by leaving it out of its
//     range, is not taken from an earlier page.
//  2. Nothing is taken from a page that a reference shows to be an old copy, nor from one that is known to be free.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/base/bitmap.h"
#include "core/btree/page.h"
#include "include/zkdb.h"
#include "tool/salvage_pages.h"

namespace zkdb {

// Ranges of keys, [lo, hi), that later pages have decided.
class DecidedRanges {
 public:
  bool Contains(Slice key) const;
  // `hi` is not used when the range has no end.
  void Add(const std::string& lo, bool endless, const std::string& hi);

 private:
  struct End {
    bool endless;
    std::string hi;
  };
  static bool Reaches(const End& end, const std::string& key) { return end.endless || end.hi >= key; }
  std::map<std::string, End, std::less<>> ranges_;  // disjoint and not touching
};

class SalvageTree {
 public:
  using Take = std::function<Status(Slice key, Slice value, uint64_t time)>;
  using Tick = std::function<Status(uint64_t bytes)>;

  SalvageTree(SalvagePages* pages, SalvageFinding finding, Take take, Tick tick, zkdb_salvage_result* result)
      : pages_(pages), finding_(std::move(finding)), take_(std::move(take)), tick_(std::move(tick)), result_(result) {}

  // Errors are those of `take` and `tick` only: damage is a finding.
  Status Run();

 private:
  // What the parent says of the keys in a subtree: unknown, or a key, or no bound at all.
  struct Bound {
    bool known = false;
    bool endless = false;  // of an upper bound
    std::string key;
  };
  struct Bounds {
    Bound lo;
    Bound hi;
  };

  Status VisitRoot();
  void VisitExpiry(PageRef ref, uint32_t level);
  void TellExpiry(uint32_t number, const char* problem);
  Status VisitOrphans();
  std::vector<uint32_t> Orphans() const;
  bool IsOutdated(PageRef ref) const;
  Status Visit(PageRef ref, uint32_t level, const Bounds& bounds);
  Status VisitBranch(PageRef ref, PageView page, const Bounds& bounds);
  Status VisitLeaf(PageRef ref, PageView page, const Bounds& bounds);
  Status TakeRecord(PageRef ref, PageView page, uint32_t index, std::string* key, bool* has_key);
  void LoseChild(PageRef ref, uint32_t level, const Bounds& bounds, const char* problem);
  void LoseRecord(PageRef ref, uint32_t bad, const std::string& what, const char* problem);
  bool LoadKey(PageRef ref, PageView page, uint32_t index, std::string* key, uint32_t* bad, const char** problem);
  void Decide(const Bounds& bounds, const std::string* first, const std::string* last);
  void LosePage(uint32_t number);
  void ReportLostPages();

  SalvagePages* pages_;
  SalvageFinding finding_;
  Take take_;
  Tick tick_;
  zkdb_salvage_result* result_;
  DecidedRanges decided_;
  Bitmap visited_;
  Bitmap lost_;               // pages that were counted and told of
  bool has_orphans_ = false;  // a branch or the meta is lost: leaves must be looked for
  bool orphans_ = false;      // the walk is among them
  bool unsure_ = false;       // the page is not known to be in use
  std::string value_;
};

}  // namespace zkdb
