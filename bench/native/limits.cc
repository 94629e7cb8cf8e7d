// The native limits: the operations of the report on zkdb.h without JavaScript, on std::map and on a sorted array, and
// what memory and disk of the machine allow. Prints a JSON object per figure:
//   zkdb_limits FOLDER RECORDS
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <numeric>

#include "records.h"

namespace zkdb::bench {
namespace {

constexpr size_t kManyKeys = 100;
constexpr size_t kRangeRecords = 100;
constexpr size_t kRanges = 5000;
constexpr size_t kCommits = 2000;
constexpr size_t kPage = 4096;

void Print(const char* row, const char* series, double value) {
  std::printf("{\"row\":\"%s\",\"series\":\"%s\",\"unit\":\"ns\",\"value\":%.3f}\n", row, series, value);
}

void PrintMachine(const char* row, const char* title, const char* unit, double value) {
  std::printf("{\"row\":\"%s\",\"series\":\"machine\",\"title\":\"%s\",\"unit\":\"%s\",\"value\":%.3f}\n", row, title,
              unit, value);
}

// ---- the core

void MeasureLoads(const std::string& folder, const Records& records) {
  const double n = static_cast<double>(records.keys.size());
  std::vector<uint32_t> ascending(records.keys.size());
  std::iota(ascending.begin(), ascending.end(), 0u);
  const auto load = [&](const char* row, const char* durability, const std::vector<uint32_t>& order) {
    const std::string path = folder + "/" + row;
    std::filesystem::create_directories(path);
    {
      Store store(path, durability);
      Print(row, "C++ core", Nanoseconds([&] { store.Load(records, order); }) / n);
    }
    std::filesystem::remove_all(path);
  };
  load("load-sequential", "none", ascending);
  load("load-random", "none", records.order);
  load("load-random-durable", "commit", records.order);
}

void MeasureGets(Store* store, const Records& records) {
  const double n = static_cast<double>(records.keys.size());
  char buffer[kValueSize];
  std::vector<Key> hits;
  std::vector<Key> misses;
  for (const uint32_t rank : records.order) {
    hits.push_back(records.keys[rank]);
    misses.push_back(records.absent[rank]);
  }
  const auto read = [&](const std::vector<Key>& keys) {
    size_t found = 0;
    for (const Key& key : keys) found += store->Get(key, buffer, sizeof buffer) == kValueSize;
    return found;
  };
  Require(read(hits) == hits.size(), "every record is found");
  size_t found = 0;
  Print("get-hit", "C++ core", Nanoseconds([&] { found = read(hits); }) / n);
  Require(found == hits.size(), "every record is found");
  Print("get-miss", "C++ core", Nanoseconds([&] { found = read(misses); }) / n);
  Require(found == 0, "no absent key is found");

  std::vector<char> values(kManyKeys * kValueSize);
  const size_t groups = hits.size() / kManyKeys;
  const double each = Nanoseconds([&] {
    for (size_t i = 0; i < groups; i++) found += store->GetMany(&hits[i * kManyKeys], kManyKeys, &values);
  });
  Print("get-many", "C++ core", each / static_cast<double>(groups * kManyKeys));
  Require(found == groups * kManyKeys, "every record is found by get_many");
}

void MeasureScans(Store* store, const Records& records) {
  const size_t n = records.keys.size();
  std::vector<char> buffer(256 * 1024);
  const auto full = [&](const char* row, uint32_t flags) {
    size_t count = 0;
    store->Scan(nullptr, flags, n, &buffer);
    Print(row, "C++ core",
          Nanoseconds([&] { count = store->Scan(nullptr, flags, n + 1, &buffer); }) / static_cast<double>(n));
    Require(count == n, "a scan gives every record");
  };
  full("scan-forward", 0);
  full("scan-reverse", ZKDB_SCAN_REVERSE);
  const size_t length = std::min(kRangeRecords, n);
  size_t count = 0;
  const double ranges = Nanoseconds([&] {
    for (size_t i = 0; i < kRanges; i++) {
      const Key& from = records.keys[records.order[i % n] % (n - length + 1)];
      count += store->Scan(&from, 0, length, &buffer);
    }
  });
  Print("range-100", "C++ core", ranges / static_cast<double>(kRanges));
  Require(count == kRanges * length, "a range gives its records");
}

void MeasureCore(const std::string& folder, const Records& records) {
  MeasureLoads(folder, records);
  const std::string path = folder + "/loaded";
  std::filesystem::create_directories(path);
  {
    Store store(path, "none");
    store.Load(records, records.order);
  }
  {
    Store store(path, "none");
    MeasureGets(&store, records);
    MeasureScans(&store, records);
    const double overwrite = Nanoseconds([&] { store.Load(records, records.order); });
    Print("overwrite", "C++ core", overwrite / static_cast<double>(records.keys.size()));
  }
  {
    Store store(path, "commit");
    const size_t commits = std::min(kCommits, records.keys.size());
    const double elapsed = Nanoseconds([&] {
      for (size_t i = 0; i < commits; i++) store.Put(records, &records.order[i], 1);
    });
    Print("commit-sync", "C++ core", elapsed / static_cast<double>(commits));
  }
  std::filesystem::remove_all(path);
}

// ---- memory alone

void MeasureMap(const Records& records) {
  const double n = static_cast<double>(records.keys.size());
  std::map<Key, std::string> map;
  Print("load-random", "std::map", Nanoseconds([&] {
                                     for (const uint32_t rank : records.order) {
                                       map.emplace(records.keys[rank], std::string(records.Value(rank), kValueSize));
                                     }
                                   }) / n);
  size_t bytes = 0;
  const auto read = [&](const char* row, const std::vector<Key>& keys) {
    bytes = 0;
    const double elapsed = Nanoseconds([&] {
      for (const uint32_t rank : records.order) {
        const auto found = map.find(keys[rank]);
        if (found != map.end()) bytes += found->second.size();
      }
    });
    Print(row, "std::map", elapsed / n);
  };
  read("get-hit", records.keys);
  Require(bytes == records.keys.size() * kValueSize, "std::map has every record");
  read("get-miss", records.absent);
  Require(bytes == 0, "std::map has no absent key");
  int sum = 0;
  Print("scan-forward", "std::map", Nanoseconds([&] {
                                      for (const auto& [key, value] : map) sum += key[kKeySize - 1] + value[0];
                                    }) / n);
  if (sum == INT32_MIN) std::puts("");
}

void MeasureSortedArray(const Records& records) {
  const double n = static_cast<double>(records.keys.size());
  const std::vector<Key>& keys = records.keys;
  size_t found = 0;
  const auto read = [&](const char* row, const std::vector<Key>& wanted) {
    found = 0;
    const double elapsed = Nanoseconds([&] {
      for (const uint32_t rank : records.order) {
        const auto at = std::lower_bound(keys.begin(), keys.end(), wanted[rank], [](const Key& a, const Key& b) {
          return std::memcmp(a.data(), b.data(), kKeySize) < 0;
        });
        if (at != keys.end() && *at == wanted[rank]) found++;
      }
    });
    Print(row, "sorted array", elapsed / n);
  };
  read("get-hit", records.keys);
  Require(found == keys.size(), "the sorted array has every record");
  read("get-miss", records.absent);
  Require(found == 0, "the sorted array has no absent key");
  int sum = 0;
  Print("scan-forward", "sorted array", Nanoseconds([&] {
                                          for (size_t i = 0; i < keys.size(); i++) {
                                            sum += keys[i][kKeySize - 1] + records.Value(i)[0];
                                          }
                                        }) / n);
  if (sum == INT32_MIN) std::puts("");
}

// ---- the machine

void MeasureMemcpy() {
  constexpr size_t kSize = size_t{256} << 20;
  std::vector<char> from(kSize, 1);
  std::vector<char> to(kSize, 2);
  double best = 1e300;
  for (char i = 0; i < 5; i++) {
    from[0] = i;
    best = std::min(best, Nanoseconds([&] { std::memcpy(to.data(), from.data(), kSize); }));
    Require(to[0] == i, "memcpy copies");
  }
  PrintMachine("memcpy", "memcpy of 256 MiB", "GB/s", static_cast<double>(kSize) / best);
}

// The median of `count` writes of a page, each followed by fdatasync, in microseconds.
double SyncedWrites(int file, size_t count) {
  std::vector<char> page(kPage, 1);
  std::vector<double> times;
  for (size_t i = 0; i < count; i++) {
    times.push_back(Nanoseconds([&] {
      const ssize_t written = pwrite(file, page.data(), kPage, static_cast<off_t>(i * kPage));
      if (written != static_cast<ssize_t>(kPage) || fdatasync(file) != 0) Fail(std::strerror(errno));
    }));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2] / 1000;
}

void MeasureSync(const std::string& folder) {
  constexpr size_t kCount = 300;
  const std::string path = folder + "/synced";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file < 0) Fail(std::strerror(errno));
  PrintMachine("fdatasync-append", "4 KiB appended and fdatasync, median", "us", SyncedWrites(file, kCount));
  PrintMachine("fdatasync-overwrite", "4 KiB overwritten and fdatasync, median", "us", SyncedWrites(file, kCount));
  close(file);
  unlink(path.c_str());
}

}  // namespace
}  // namespace zkdb::bench

int main(int argc, char** argv) {
  const size_t n = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (n < 1000) zkdb::bench::Fail("usage: zkdb_limits FOLDER RECORDS (1000 or more)");
  const std::string folder = argv[1];
  const zkdb::bench::Records records(n);
  zkdb::bench::MeasureCore(folder, records);
  zkdb::bench::MeasureMap(records);
  zkdb::bench::MeasureSortedArray(records);
  zkdb::bench::MeasureMemcpy();
  zkdb::bench::MeasureSync(folder);
  return 0;
}
