// Fuzzes the configuration parser and the routing that is compiled from it. What is accepted has its invariants: every
// key has one partition, a partition that holds a key of a range says so, and directories are distinct.
//
// Input: the text of a configuration; after a byte 1, options as `name=value` up to the next byte 1.
//
// Half of the inputs are made by moving whole lines and values about: a value that stands twice, or under another key,
// is rare among changed bytes.
#include <random>
#include <set>

#include "core/base/fuzz.h"
#include "core/partition/selector.h"

namespace zkdb::test {
namespace {

void CheckRouting(const DatabaseConfig& config) {
  Selector selector;
  EXPECT_OK(Selector::Build(config, &selector));
  EXPECT_EQ(selector.partition_count(), config.partitions.size());
  static const std::vector<std::string> keys = {
      "", "a", "k", "kz", "la", "Q", "zz", "\xFF", "0123", "key-Lime", std::string(40, 'm'), std::string("\0\0", 2)};
  for (const std::string& key : keys) {
    const uint32_t partition = selector.Select(key);
    EXPECT(partition < selector.partition_count());
    EXPECT(selector.MayHold(partition, key, true, key));
    EXPECT(selector.MayHold(partition, "", false, ""));
    for (const std::string& hi : keys) {
      if (Compare(key, hi) <= 0) EXPECT(selector.MayHold(partition, key, true, hi, true));
    }
  }
  for (uint32_t i = 0; i < selector.partition_count(); ++i) {
    EXPECT(!selector.Describe(i).empty());
    uint32_t first = 0;
    uint32_t last = 0;
    if (selector.SlotRange(i, &first, &last)) EXPECT(first <= last && last < 16384);
    selector.Fingerprint(i);
  }
}

void CheckConfig(const DatabaseConfig& config) {
  EXPECT(!config.partitions.empty() && config.partitions.size() <= kMaxPartitions);
  EXPECT(config.page_size >= 4096 && config.page_size <= 65536);
  std::set<std::string> directories;
  for (const PartitionConfig& p : config.partitions) {
    if (!p.is_remote) EXPECT(directories.insert(p.directory).second);
    if (!p.is_remote) EXPECT_EQ(p.directory.substr(0, 1), "/");
  }
  CheckRouting(config);
}

}  // namespace
}  // namespace zkdb::test

#ifndef ZKDB_FUZZ_REPLAY
namespace zkdb::test {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string Key(const std::string& line) { return line.substr(0, line.find('=')); }
std::string Value(const std::string& line) {
  const size_t equals = line.find('=');
  return equals == std::string::npos ? "" : line.substr(equals);
}

// Gives the line `to` the value of the next line with the same key: what must differ may not.
void RepeatValue(std::vector<std::string>* lines, size_t to) {
  const std::string key = Key((*lines)[to]);
  for (size_t i = 1; i < lines->size(); ++i) {
    const std::string& other = (*lines)[(to + i) % lines->size()];
    if (Key(other) != key) continue;
    (*lines)[to] = other;
    return;
  }
}

// Copies, moves or removes a line, or gives it the key or the value of another.
void ChangeLines(std::vector<std::string>* lines, std::minstd_rand* random) {
  const auto any = [&] { return static_cast<size_t>((*random)() % lines->size()); };
  const std::string from = (*lines)[any()];
  const size_t to = any();
  const auto at = lines->begin() + static_cast<ptrdiff_t>(to);
  switch ((*random)() % 6) {
    case 0: lines->insert(at, from); break;
    case 1: lines->erase(at); break;
    case 2: (*lines)[to] = Key(*at) + Value(from); break;
    case 3: (*lines)[to] = Key(from) + Value(*at); break;
    case 4: std::swap((*lines)[any()], (*lines)[to]); break;
    default: RepeatValue(lines, to);
  }
}

}  // namespace
}  // namespace zkdb::test

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t capacity);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t capacity, unsigned int seed) {
  using namespace zkdb::test;
  std::minstd_rand random(seed);
  std::vector<std::string> lines = Lines(std::string(reinterpret_cast<const char*>(data), size));
  if (lines.empty() || random() % 2 == 0) return LLVMFuzzerMutate(data, size, capacity);
  ChangeLines(&lines, &random);
  std::string text;
  for (const std::string& line : lines) text.append(line).push_back('\n');
  const size_t n = std::min(text.size(), capacity);
  std::copy_n(text.data(), n, data);
  return n;
}
#endif

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace zkdb;
  using namespace zkdb::test;
  const std::string all(reinterpret_cast<const char*>(data), size);
  const std::string text = all.substr(0, all.find('\x01'));
  ConfigOverrides overrides;
  for (size_t at = text.size(); at < all.size();) {
    const size_t end = std::min(all.size(), all.find('\x01', at + 1));
    const std::string option = all.substr(at + 1, end - at - 1);
    const size_t equals = std::min(option.size(), option.find('='));
    const std::string value = equals < option.size() ? option.substr(equals + 1) : "";
    if (CheckOption(option.substr(0, equals), value).ok()) overrides.emplace_back(option.substr(0, equals), value);
    at = end;
  }
  DatabaseConfig config;
  const Status status = ParseConfig(text, "/fuzz/database.conf", overrides, &config);
  if (status.ok()) {
    CheckConfig(config);
  } else {
    EXPECT_CODE(status, ZKDB_CONFIG);
    EXPECT(!status.message().empty());
  }
  return 0;
}
