// What a user may do: verbs, databases, and keys by prefix or by partition; and how that looks to one session.
//
// Thread-safety: a Rights does not change once MakeRights has made it, and is shared by any number of sessions; an
// Access belongs to one session.
//
// Invariants:
//  1. What is not given is denied: a Rights as it is constructed allows nothing.
//  2. Prefixes are in order, and none begins with another one: the ranges below them do not overlap.
//  3. An Access that has no rights, or whose database is not known, allows nothing.
#pragma once

#include <bitset>
#include <memory>
#include <string>
#include <vector>

#include "core/base/slice.h"
#include "include/zkdb.h"

namespace zkdb::net {

enum Verb : uint32_t {
  kVerbRead = 1,   // values, and whether keys are there
  kVerbWrite = 2,  // changes of keys that are named
  kVerbScan = 4,   // what names a range or everything instead of keys
  kVerbAdmin = 8,  // other clients, and what runs the server
};
inline constexpr uint32_t kAllVerbs = kVerbRead | kVerbWrite | kVerbScan | kVerbAdmin;

struct Rights {
  uint32_t verbs = 0;
  bool every_database = false;
  std::vector<uint32_t> databases;      // by number, unless it is every one
  std::vector<std::string> prefixes;    // a key begins with one of them; none given: any key
  std::vector<std::string> partitions;  // a key belongs to one of them, by name without case; none given: any key
};

// Brings the prefixes into the order of invariant 2.
std::shared_ptr<const Rights> MakeRights(Rights rights);
// Reads rights that ts/server/access-file.ts has packed, as little-endian numbers of 32 bits: the verbs; how many
// databases, then their numbers, or 2^32 - 1 for every one; how many prefixes, then the size and the bytes of each; the
// same of partitions. nullptr when the bytes are anything else.
std::shared_ptr<const Rights> ParseRights(Slice packed);
// Everything: the rights of a server without users.
const std::shared_ptr<const Rights>& FullRights();

class Access {
 public:
  // From now on what `rights` allow; nullptr: nothing.
  void SetRights(std::shared_ptr<const Rights> rights);
  // The database that keys are looked at in.
  void SelectDatabase(zkdb_db* db, uint32_t number);

  bool Holds(uint32_t verbs) const { return full_ || HoldsVerbs(verbs); }
  // The selected database, or the one of a number, whether there is such a one or not.
  bool AllowsDatabase() const { return database_allowed_; }
  bool AllowsDatabase(uint32_t number) const;
  // Whether the verbs may be used on a key of the selected database.
  bool AllowsKey(uint32_t verbs, Slice key) const { return full_ || (HoldsVerbs(verbs) && Sees(key)); }
  // Whether a key of the selected database is one of the user's, whatever may be done with it.
  bool Sees(Slice key) const { return full_ || SeesKey(key); }
  // Whether all keys that can be in the range are the user's: they are when it lies below one prefix.
  bool SeesRange(const zkdb_range& range) const;
  // Whether every key of the selected database is the user's, or of the one of a number.
  bool SeesEverything() const;
  bool SeesEverything(uint32_t number) const;
  bool SeesEveryDatabase() const;
  // The number of the selected database.
  uint32_t database() const { return number_; }

  // Whether a key below VisiblePrefixes may still belong to someone else.
  bool filters() const { return rights_ != nullptr && !rights_->partitions.empty(); }
  // What to walk in order to see all of the user's keys that begin with `prefix`, and no others but those that
  // `filters` leaves to Sees: prefixes in order that do not overlap. Empty when there is nothing to see.
  std::vector<std::string> VisiblePrefixes(Slice prefix) const;

 private:
  bool HoldsVerbs(uint32_t verbs) const;
  bool SeesKey(Slice key) const;
  void Update();

  std::shared_ptr<const Rights> rights_;
  zkdb_db* db_ = nullptr;
  uint32_t number_ = 0;
  bool full_ = false;  // every verb on every key of every database: the quick answer
  bool database_allowed_ = false;
  std::bitset<ZKDB_MAX_PARTITIONS> partitions_;  // of the selected database, by index; when rights_ name some
};

}  // namespace zkdb::net
