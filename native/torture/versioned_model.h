// The reference of the model tests: an ordered map that remembers what it held at each version that someone still
// reads. Keys are ranks in a sorted universe, values are stretches of one table of random bytes, so that comparing
// costs no more than memcmp.
//
// Thread-safety: none.
//
// Invariants:
//  1. A key's history ascends by version; its first entry is not newer than the oldest pinned version.
//  2. Entries above committed() belong to the change that is under way.
#pragma once

#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

namespace zkdb::test {

// A value: bytes [offset, offset + size) of ValueTable().
struct ValueRef {
  uint32_t offset = 0;
  uint32_t size = 0;
  uint32_t ends = 0;  // 0: its record never ends; else it does, at kFarTime + this
  bool operator==(const ValueRef&) const = default;
};

// Times that have not come while a test runs, ms.
inline constexpr uint64_t kFarTime = uint64_t{1} << 45;
inline uint64_t TimeOf(ValueRef value) { return value.ends == 0 ? 0 : kFarTime + value.ends; }

// 1 MiB of random bytes, the same in every run.
std::string_view ValueTable();
inline std::string_view BytesOf(ValueRef value) { return ValueTable().substr(value.offset, value.size); }

class VersionedModel {
 public:
  explicit VersionedModel(size_t keys) : histories_(keys) {}

  uint64_t committed() const { return committed_; }
  size_t key_count() const { return histories_.size(); }

  // The value of the key at `version`, nullptr when it was not there.
  const ValueRef* At(size_t rank, uint64_t version) const;
  // The same with the change that is under way.
  const ValueRef* Latest(size_t rank) const { return At(rank, UINT64_MAX); }
  // How many keys there are, with the change that is under way.
  uint64_t Count() const;
  // How many of these end at some time.
  uint64_t CountExpiring() const;

  void Put(size_t rank, ValueRef value) { Set(rank, {committed_ + 1, true, value}); }
  void Delete(size_t rank) { Set(rank, {committed_ + 1, false, {}}); }
  // The change under way becomes a version, or never was.
  void Commit();
  void Rollback();

  // Keeps `version` readable until Unpin.
  void Pin(uint64_t version) { pinned_.insert(version); }
  void Unpin(uint64_t version) { pinned_.erase(pinned_.find(version)); }

 private:
  struct Entry {
    uint64_t version;
    bool present;
    ValueRef value;
  };
  void Set(size_t rank, const Entry& entry);

  std::vector<std::vector<Entry>> histories_;
  std::vector<size_t> touched_;  // keys with an entry of the change under way
  std::multiset<uint64_t> pinned_;
  uint64_t committed_ = 1;
};

}  // namespace zkdb::test
