// Operations whose instructions callgrind counts: only those inside CountedSection, on the thread that calls it.
//   valgrind --tool=callgrind --toggle-collect=CountedSection zkdb_counted FOLDER get|get-many|put|scan OPERATIONS
// Records and order come from a fixed seed, so that two runs count the same.
#include <algorithm>

#include "records.h"

namespace {

using zkdb::bench::Fail;
using zkdb::bench::Key;
using zkdb::bench::Records;
using zkdb::bench::Require;
using zkdb::bench::Store;

constexpr size_t kRecords = 50'000;
constexpr size_t kManyKeys = 100;

size_t Run(Store* store, const Records& records, const std::string& what, size_t operations);

}  // namespace

// callgrind finds it by this name.
extern "C" __attribute__((noinline)) size_t CountedSection(void* store, const void* records, const char* what,
                                                           size_t operations) {
  return Run(static_cast<Store*>(store), *static_cast<const Records*>(records), what, operations);
}

namespace {

size_t RunGetMany(Store* store, const Records& records, size_t operations) {
  static std::vector<char> values(kManyKeys * zkdb::bench::kValueSize);
  static std::vector<Key> keys(kManyKeys);
  size_t found = 0;
  for (size_t i = 0; i < operations; i += kManyKeys) {
    for (size_t j = 0; j < kManyKeys; j++) keys[j] = records.keys[records.order[(i + j) % kRecords]];
    found += store->GetMany(keys.data(), kManyKeys, &values);
  }
  return found;
}

// Gives how many operations did what they should.
size_t Run(Store* store, const Records& records, const std::string& what, size_t operations) {
  static std::vector<char> buffer(256 * 1024);
  if (what == "scan") return store->Scan(nullptr, 0, operations, &buffer);
  if (what == "get-many") return RunGetMany(store, records, operations);
  size_t done = 0;
  for (size_t i = 0; i < operations; i++) {
    const uint32_t rank = records.order[i % kRecords];
    if (what == "put") {
      store->Put(records, &rank, 1);
      done++;
    } else {
      done += store->Get(records.keys[rank], buffer.data(), buffer.size()) == zkdb::bench::kValueSize;
    }
  }
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> known = {"get", "get-many", "put", "scan"};
  const bool is_known = argc == 4 && std::find(known.begin(), known.end(), argv[2]) != known.end();
  if (!is_known) Fail("usage: zkdb_counted FOLDER get|get-many|put|scan OPERATIONS");
  const size_t operations = std::strtoull(argv[3], nullptr, 10);
  const Records records(kRecords);
  {
    Store store(argv[1], "none");
    store.Load(records, records.order);
  }
  Store store(argv[1], std::string(argv[2]) == "put" ? "interval" : "none");
  // Each page is verified when it is first touched: that is over before anything is counted.
  Run(&store, records, "scan", kRecords);
  Run(&store, records, "get", kRecords);
  Require(CountedSection(&store, &records, argv[2], operations) == operations, "every operation found its record");
  return 0;
}
