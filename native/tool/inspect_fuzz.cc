// Fuzzes the inspector: any bytes under the name of a segment or log, or the files of a real database changed at places
// that the input names. It ends, its lines are ASCII and bounded, and as JSON each is one object.
//
// Input: byte 0: bit 0 as JSON, bit 1 the rest is the file itself, bit 2 one page instead of all, bits 3-5 which file;
// with bit 2 a page number of 2 bytes; then the file, or changes, each of what PatchOnce takes.
#include "core/base/fuzz.h"
#include "core/engine/registry.h"
#include "tool/inspect.h"

namespace zkdb::test {
namespace {

constexpr size_t kLongestLine = 8192;   // bytes
constexpr uint64_t kMostLines = 30000;  // of files as small as these

struct BaseFile {
  std::string name;
  std::string bytes;
};

std::string Put(const std::string& key, const std::string& value) {
  uint8_t head[ZKDB_OP_HEADER_SIZE] = {ZKDB_OP_PUT};
  Store16(head + 2, static_cast<uint16_t>(key.size()));
  Store32(head + 4, static_cast<uint32_t>(value.size()));
  return std::string(reinterpret_cast<char*>(head), sizeof head) + key + value;
}

// The files of a database with two segments, as they are while it is open.
std::vector<BaseFile> MakeBase() {
  const std::string directory = TempDirectory();
  EngineOptions options;
  options.overrides = {{"SegmentSize", "64K"}, {"LogFileSize", "64K"}};
  std::shared_ptr<Engine> engine;
  EXPECT_OK(OpenDatabase(Env::Posix(), directory, options, &engine));
  for (int part = 0; part < 3; ++part) {
    std::string batch;
    for (int i = 0; i < 120; ++i) batch += Put("key" + std::to_string(part + i * 3), std::string(i, 'v'));
    batch += Put(std::string(400, 'p'), std::string(6000, 'w'));
    WriteResult result;
    EXPECT_OK(engine->Write(batch, ZKDB_DURABILITY_COMMIT, 0, &result));
    if (part < 2) EXPECT_OK(engine->Checkpoint());
  }
  std::vector<BaseFile> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string extension = entry.path().extension();
    if (extension != ".zkd" && extension != ".log") continue;
    std::string bytes = ReadWholeFile(entry.path());
    if (extension == ".log") bytes.resize(std::min<size_t>(bytes.size(), 40000));
    files.push_back({entry.path().filename(), std::move(bytes)});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  EXPECT_OK(CloseDatabase(engine));
  return files;
}

void InspectAll(const std::string& path, int64_t page, bool as_json) {
  uint64_t lines = 0;
  const auto sink = [&](const std::string& line) {
    EXPECT(line.size() <= kLongestLine);
    EXPECT(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7F; }));
    if (as_json) EXPECT(line.front() == '{' && line.back() == '}');
    EXPECT(++lines <= kMostLines);
    return true;
  };
  const Status status = Inspect(Env::Posix(), path, page, as_json, sink);
  EXPECT(status.ok() || status.code() == ZKDB_NOT_ZKDB || status.code() == ZKDB_INVALID);
}

void RunOne(FuzzInput* input) {
  static const std::vector<BaseFile> base = MakeBase();
  static const std::string directory = TempDirectory();
  const uint8_t choice = input->Byte();
  const int64_t page = (choice & 4) != 0 ? static_cast<int64_t>(input->Number(2)) : -1;
  std::vector<BaseFile> files = base;
  BaseFile& file = files[(choice >> 3 & 7) % files.size()];
  if ((choice & 2) != 0) {
    file.bytes = input->Rest().ToString();
  } else {
    while (!input->empty()) PatchOnce(input, &file.bytes);
  }
  for (const BaseFile& f : files) WriteWholeFile(directory + "/" + f.name, f.bytes);
  InspectAll(directory + "/" + file.name, page, (choice & 1) != 0);
}

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zkdb::test::FuzzInput input(data, size);
  zkdb::test::RunOne(&input);
  return 0;
}
