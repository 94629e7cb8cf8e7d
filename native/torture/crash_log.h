// What a power cut can leave of a recorded run, state by state.
//
// The model of a disk. Operations on content (write, truncate, allocate) wait until a sync of their file, operations on
// names (create, mkdir, rename, remove) until a sync of the directory that holds the name; a sync of a file does not
// keep its name, and no sync of one file keeps another one. When the power fails, of what waits
//  - any set of operations may be on the disk and the rest not, whatever their order was;
//  - of a write, any run of 512-byte sectors or of 4 KiB blocks may be there;
//  - what was synced is there, unless the sync lied.
// Where an operation needs one that is missing, it does what is left to do: a rename without the file's creation makes
// the new name, anything in a directory whose creation is missing is missing too.
//
// The states. For every prefix of the recorded operations, beginning with none:
//  - writes that wait, up to 10: every subset, else all, all but one, one alone and 256 random subsets; each with all,
//    with none and with a random part of the other operations that wait;
//  - the newest write torn at each 512-byte boundary of its first 8 KiB and the last 8 KiB that are not zero, and at up
//    to 16 boundaries of 4 KiB, with the beginning and with the end kept, and in random sectors; alone and with all
//    else that waits; and random subsets in which several writes are torn.
//  A state that an earlier prefix has had already is left out: one with the newest operation missing.
//  - for a sample of the syncs: it lied. What it should have kept goes on waiting until the next sync of the same file,
//    or of any directory; states of the prefixes in between without all, without one and without some of it, all else
//    there.
//  - for a sample of the syncs: from there on all syncs lie; random subsets of everything since.
//  Names keep their order here, though not their number: where one change of a name is missing, all later ones are. A
//  drive that lies about content in any order is survived; one that loses parts of the file system's own journal is not
//  the database's to survive.
//
// What is promised where a sync lied: acknowledged commits may be missing. The database opens to the state of some
// commit, or refuses with ZKDB_CORRUPT, ZKDB_MISMATCH, ZKDB_SEGMENT_MISSING or ZKDB_NOT_ZKDB; when it opens, a read
// gives what that commit held or one of these errors, never anything else.
// Where all syncs lied from some moment on and several partitions share a log, the content is not promised: a file of
// the log may be given away, on the word of the drive, while the checkpoint that made it superfluous and the header
// that says so are lost both. Trees and pages are whole or refused there too. A log of one partition keeps the promise.
//
// Thread-safety: CrashLog as the MemoryEnv that it watches; CrashReplay one thread.
//
// Invariants:
//  1. The same operations, plan and id give the same state.
//  2. After each visit the disk is what it was before the visit.
#pragma once

#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "torture/memory_env.h"

namespace zkdb::test {

enum class CrashKind { kWhole, kSubset, kTorn, kLied, kAllLied };
inline constexpr const char* kCrashKindNames[] = {"prefix", "subset", "torn", "lying_sync", "lying_syncs"};

// How many states to make.
struct CrashPlan {
  uint64_t seed = 0;
  uint32_t random_subsets = 256;  // where more than 10 writes wait
  uint32_t lies_per_mille = 100;  // of syncs that are taken to have lied
  uint32_t all_lies_per_mille = 10;
  uint32_t torn_random = 4;  // states with random sectors or several torn writes, per write
  uint32_t keep_one_in = 1;  // visits a random one of that many states, and all in which nothing is missing
};

// The recorded operations of one MemoryEnv.
class CrashLog {
 public:
  // From here on records what `env` does; `after` runs after each operation was recorded.
  void Watch(MemoryEnv* env, std::function<void(const FsOp&)> after = {});
  const std::vector<FsOp>& ops() const { return ops_; }
  size_t size() const { return ops_.size(); }

 private:
  std::mutex mutex_;
  std::vector<FsOp> ops_;
};

// A state that is on the disk during a visit.
struct CrashState {
  CrashKind kind = CrashKind::kWhole;
  size_t prefix = 0;  // operations that were issued
  std::string id;     // "prefix.number", after a lie "sync~prefix.number" or "sync!prefix.number"
  bool lied() const { return kind >= CrashKind::kLied; }
};

class CrashReplay {
 public:
  // `disk` holds what was durable before the first operation. `only`: an id, or "" for all states.
  CrashReplay(const std::vector<FsOp>* ops, MemoryEnv* disk, const CrashPlan& plan, std::string only = "")
      : ops_(*ops), disk_(disk), plan_(plan), only_(std::move(only)) {}

  // Makes each state on the disk and visits it; stops when a visit returns false. The disk is as before afterwards.
  using Visit = std::function<bool(const CrashState&)>;
  void Run(const Visit& visit);

  // For a person: which operations waited at the state that is visited, and what became of each.
  std::string Describe() const;

 private:
  struct Range {
    uint64_t from;
    uint64_t to;
  };
  struct Part {
    bool keep = false;
    std::vector<Range> ranges;  // of a torn write; empty: whole
  };
  using Parts = std::vector<Part>;  // one per waiting operation

  void Step(size_t op);
  bool Covers(const FsOp& sync, const FsOp& op) const;
  void Flush(const FsOp& sync);
  void SeedAt(size_t a, size_t b);
  bool Chance(uint32_t per_mille) { return random_() % 1000 < per_mille; }

  void VisitPrefix();
  void Subsets(bool newest_waits);
  std::vector<std::vector<bool>> WriteChoices(size_t writes, bool newest_is_write);
  std::vector<std::vector<bool>> OtherChoices(size_t others, bool newest_is_other);
  void Tears();
  void TearAt(const std::vector<Range>& ranges);
  void SeveralTorn();
  Part TornPart(const FsOp& op);
  void Lies(size_t sync);
  void LoseLaterNames(Parts* parts) const;
  void VisitLie(const std::set<size_t>& lied);
  void AllLies(size_t from);
  void Emit(CrashKind kind, const Parts& parts);

  const std::vector<FsOp>& ops_;
  MemoryEnv* disk_;
  const CrashPlan plan_;
  const std::string only_;
  Visit visit_;
  bool stopped_ = false;

  std::mt19937_64 random_;
  size_t prefix_ = 0;
  std::string lie_;  // of the id
  uint64_t number_ = 0;
  std::vector<size_t> waiting_;  // operations, in order
  std::set<std::vector<bool>> seen_;
  Parts current_;
};

}  // namespace zkdb::test
