// Fuzzes the decoder of packed batches and of log groups. What is accepted is arranged, written as groups of a log
// record and read back: the same operations, in the same order.
//
// Input: byte 0 chooses the partitions; bit 7: the rest is the payload of a log record, else a packed batch.
#include "core/base/fuzz.h"
#include "core/txn/batch.h"

namespace zkdb::test {
namespace {

const Selector& SelectorOf(uint32_t choice) {
  static const std::vector<Selector> selectors = [] {
    std::vector<Selector> list(3);
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string text = MakeHashedConfig(i == 0 ? 1 : (i == 1 ? 3 : 256));
      DatabaseConfig config;
      EXPECT_OK(ParseConfig(text, "/fuzz/zkdb.conf", {}, &config));
      EXPECT_OK(Selector::Build(config, &list[i]));
    }
    return list;
  }();
  return selectors[choice % selectors.size()];
}

// What an operation does once its conditions are met, as the log holds it.
std::string Effect(const Operation& op) {
  char kind = op.kind == ZKDB_OP_DELETE_RANGE ? 'r' : (op.deletes() ? 'd' : 'p');
  if (op.kind == ZKDB_OP_EXPIRE) kind = 'e';
  return std::string(1, kind) + std::to_string(op.flags) + ":" + std::to_string(op.time) + ":" +
         std::to_string(op.clock) + ":" + op.key.ToString() + ":" + (op.deletes() ? "" : op.value.ToString());
}

void RoundTrip(Batch* batch) {
  batch->Arrange();
  LogGroups groups;
  std::vector<std::vector<std::string>> written;
  EXPECT_OK(batch->ForEachPartition([&](uint32_t partition, Operation* first, Operation* end) {
    groups.Add(1000 + partition, first, end);
    written.emplace_back();
    for (const Operation* op = first; op != end; ++op) written.back().push_back(Effect(*op));
    return Status::Ok();
  }));
  size_t at = 0;
  EXPECT_OK(ForEachLogGroup(groups.bytes(), [&](uint64_t, Slice operations) {
    Batch read;
    EXPECT_OK(read.ParseLogged(operations));
    std::vector<std::string> effects;
    for (const Operation& op : read.operations()) effects.push_back(Effect(op));
    EXPECT(at < written.size() && effects == written[at]);
    EXPECT(!read.has_conditions());
    ++at;
    return Status::Ok();
  }));
  EXPECT_EQ(at, written.size());
}

void ReadPayload(Slice payload) {
  const Status status = ForEachLogGroup(payload, [](uint64_t, Slice operations) {
    Batch batch;
    ZKDB_RETURN_IF_ERROR(batch.ParseLogged(operations));
    for (const Operation& op : batch.operations()) Effect(op);
    return Status::Ok();
  });
  EXPECT(status.ok() || status.code() == ZKDB_CORRUPT || status.code() == ZKDB_INVALID);
}

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace zkdb::test;
  FuzzInput input(data, size);
  const uint8_t choice = input.Byte();
  if ((choice & 0x80) != 0) {
    ReadPayload(input.Rest());
    return 0;
  }
  zkdb::Batch batch;
  const zkdb::Status status = batch.Parse(input.Rest(), SelectorOf(choice));
  if (status.ok()) {
    RoundTrip(&batch);
  } else {
    EXPECT(status.message().find("operation ") != std::string::npos);
  }
  return 0;
}
