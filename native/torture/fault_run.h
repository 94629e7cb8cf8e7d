// One run of a small workload on a database whose Env or memory fails somewhere, and what must hold of it: errors have
// the code of their cause, reads give the last published commit, and after reopening the database is clean and in the
// state of some commit at or after the last one that may not be lost.
//
// Thread-safety: one thread.
//
// Invariants:
//  1. The oracle has the state after each commit that was tried, in order. Partitions with logs of their own have a
//     history each.
//  2. Commits at durability `commit` and `interval` that were acknowledged are never lost while the machine runs.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "capi/test_util.h"
#include "core/os/env.h"

namespace zkdb::test {

struct FaultShape {
  uint32_t partitions;
  bool isolated;
  zkdb_durability durability;
};

// Files of a run in memory where the system has such a place. Removed with the object.
class FastDirectory {
 public:
  FastDirectory();
  ~FastDirectory();
  FastDirectory(const FastDirectory&) = delete;
  FastDirectory& operator=(const FastDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The states that a log's partitions went through.
struct History {
  std::vector<Model> states{Model{}};
  size_t floor = 0;     // no state before this one may come back
  size_t current = 0;   // what is published
  bool unsure = false;  // the last state may be published too: part of a batch that is not atomic
};

struct FaultOp {
  zkdb_op kind;
  std::string key;    // DELETE_RANGE: lower bound
  std::string value;  // DELETE_RANGE: upper bound
  uint64_t time = 0;  // PUT, EXPIRE: when the record ends; 0: never, kEnded: it has
};
inline constexpr uint64_t kEnded = 1;                   // ms: a time that has passed
inline constexpr uint64_t kNotYet = uint64_t{1} << 50;  // and one that no test sees

class FaultRun {
 public:
  FaultRun(Env* env, std::string directory, const FaultShape& shape)
      : env_(env), directory_(std::move(directory)), shape_(shape) {}
  ~FaultRun();
  FaultRun(const FaultRun&) = delete;
  FaultRun& operator=(const FaultRun&) = delete;

  // The codes that a failing call may have from here on. Before, every call must succeed.
  void ExpectCodes(std::set<zkdb_code> codes) { codes_ = std::move(codes); }
  // Tells whether something has failed already: until then every call must succeed.
  void SetFired(std::function<bool()> fired) { fired_ = std::move(fired); }
  // Where the damage is that a run meets, as messages name it ("p0/000.zkd: page 7:"). ZKDB_CORRUPT must name it, and
  // a check may find something. What was there before may then be gone from the readable part, and nothing else.
  void SetPlace(std::string place) { place_ = std::move(place); }
  // Called before each open.
  void SetOpening(std::function<void()> opening) { opening_ = std::move(opening); }
  // Where the database is, what it holds, and what to call it in a failure.
  void Begin(const std::vector<History>& histories, std::string name) {
    histories_ = histories, name_ = std::move(name);
  }
  const std::vector<History>& histories() const { return histories_; }
  // The histories of a run that ended well, as the start of another.
  std::vector<History> Settled() const;
  void set_option(const char* name, std::string value) { options_.emplace_back(name, std::move(value)); }

  // ---- steps of a workload. Each does nothing when the database is not open. ----
  void Open();
  void Close();
  void Write(const std::vector<FaultOp>& ops, zkdb_durability durability = ZKDB_DURABILITY_DEFAULT);
  void Put(int from, int to, size_t size = 60, int version = 0);
  void PutEach(int from, int to, size_t size = 60, int version = 0);
  void Delete(int from, int to);
  void DeleteRange(char from, char to);  // keys whose second character is in [from, to)
  void PutIf(zkdb_op kind, int number, int version);
  // A transaction of these batches.
  void Transact(const std::vector<std::vector<FaultOp>>& batches, bool commit);
  void Checkpoint();
  void Sync();
  void Compact();
  void Sweep();
  void Backup();
  void Check();
  void Figures();
  void ReadAll();       // forward and reverse, gets and getMany, against the oracle
  void OpenSnapshot();  // and remembers what it shows
  void ReadSnapshot();
  void CloseSnapshot();
  void OpenCursor(bool reverse);  // reads it half; ReadCursor reads the rest
  void ReadCursor();
  // Records of a range in the order of the scan, each right, and all of them when nothing fails. Read through a buffer
  // of `capacity` bytes, and after `seeks` also from the middle on.
  void Scan(const std::string& lo, const std::string& hi, uint32_t range_flags, uint32_t scan_flags,
            size_t capacity = 1u << 16, bool seeks = false);
  void GetMany();   // every key, and keys that are not there
  void Estimate();  // of each partition: the whole, and its halves
  // A transaction that reads every record with gets and with a scan, writes one between, and is dropped.
  void ReadInTransaction(bool reverse);

  // ---- after the workload ----
  bool is_open() const { return db_ != nullptr; }
  bool failed();       // writes are refused
  void ExpectReads();  // the published state is read, whole
  // Every key by itself: right, or ZKDB_CORRUPT in partition `damaged`, where those that fail are neighbours.
  void ExpectReadsAround(uint32_t damaged);
  void ExpectRefusal();                             // a write gives ZKDB_FAILED
  void ExpectWrites();                              // a write and a checkpoint succeed
  void CopyTo(const std::string& directory) const;  // the files as a killed process would leave them
  // Opens `directory` without any fault: clean, and in a state that may be. Returns whether all is well.
  bool ExpectReopens(Env* env, const std::string& directory);

  zkdb_db* db() { return db_; }
  const std::string& directory() const { return directory_; }
  bool quiet() const { return ok_; }
  uint64_t failures() const { return failed_calls_; }  // calls that gave one of the allowed codes

 private:
  bool Note(bool good, const std::string& what);
  bool Allowed(zkdb_code code, const char* call);
  zkdb_code OpenAt(Env* env, const std::string& directory, zkdb_db** db);
  size_t UnitOf(const std::string& key) const;
  void Apply(const FaultOp& op, std::vector<Model>* next) const;
  bool Conditions(const std::vector<FaultOp>& ops) const;
  void Record(zkdb_code code, std::vector<Model> next, zkdb_durability durability);
  bool ReadState(zkdb_db* db, uint32_t flags, Model* out);
  void ReadScan(zkdb_cursor* cursor, const RecordList& expected, uint32_t flags, size_t capacity, size_t from);
  zkdb_code ScanInTransaction(zkdb_txn* txn, bool reverse, RecordList* out);
  bool MayHold(const std::string& key, const std::string* value) const;
  std::vector<Model> Split(const Model& all) const;
  Model Published() const;
  void Settle();
  bool ShowsLast(const History& h);
  bool FindState(const std::vector<Model>& parts);
  void Adopt();
  void KeepAll();

  Env* env_;
  std::string directory_;
  FaultShape shape_;
  OptionList options_;
  std::set<zkdb_code> codes_;
  std::function<bool()> fired_;
  std::function<void()> opening_;
  std::string name_;
  std::string place_;
  uint64_t failed_calls_ = 0;
  std::vector<History> histories_;
  zkdb_db* db_ = nullptr;
  zkdb_snapshot* snapshot_ = nullptr;
  Model in_snapshot_;
  zkdb_cursor* cursor_ = nullptr;
  RecordList from_cursor_;
  Model cursor_state_;
  bool cursor_reverse_ = false;
  zkdb_error error_{};
  bool ok_ = true;
};

std::string FaultKey(int number);
std::string FaultValue(int number, size_t size, int version);

}  // namespace zkdb::test
