// Fuzzes the client of remote partitions: servers answer every call with what the input says. Whatever they are, each
// call ends, memory is bounded by what came, and a scan gives keys in order within its bounds.
//
// Input: byte 0 is the size of the pieces that answers come in (0: whole); byte 1 chooses how connections end; the rest
// is what each of three connections answers behind its login.
#include "core/base/fuzz.h"
#include "core/dispatch/remote_store.h"
#include "core/remote/test_transport.h"

namespace zkdb::test {
namespace {

const std::string kHello = "_\r\n";

struct Servers {
  Servers(size_t piece, uint8_t end, const std::string& answers) {
    const Script script{kHello + answers, piece == 0 ? SIZE_MAX : piece, static_cast<Script::End>(end % 3), SIZE_MAX,
                        false};
    transport.scripts = {script, script, script};
    RemotePlace place;
    place.address = {"db", 1, ""};
    store = std::make_unique<RemoteStore>(&transport, "p", place);
  }
  ScriptTransport transport;
  std::unique_ptr<RemoteStore> store;
};

void DrainInOrder(ChunkSource* source, bool reverse) {
  std::string last;
  bool any = false;
  PackedChunk chunk;
  for (int i = 0; i < 10 && source->Next(&chunk).ok() && !chunk.places.empty(); ++i) {
    for (size_t r = 0; r < chunk.places.size(); ++r) {
      const std::string key = chunk.KeyAt(r).ToString();
      EXPECT(key >= "b" && key < "y");
      EXPECT(!any || (reverse ? key < last : key > last));
      last = key;
      any = true;
    }
    chunk.Clear();
  }
}

// Twice: from the start, and behind a seek.
void ScanAll(RemoteStore* store, bool reverse, bool no_values, bool pinned, bool ahead) {
  ScanBounds bounds;
  bounds.lo = "b";
  bounds.hi = "y";
  bounds.has_hi = true;
  bounds.options = {reverse, false, no_values, false};
  std::unique_ptr<ChunkSource> source;
  const std::shared_ptr<StoreSnapshot> snapshot = store->MakeSnapshot();
  if (pinned) snapshot->Start(), snapshot->Wait();
  EXPECT_OK(store->OpenChunks(snapshot, &bounds, &source));
  source->Prepare();
  if (ahead) source->Await();
  DrainInOrder(source.get(), reverse);
  bounds.start = "m";
  bounds.has_start = true;
  source->Restart();
  snapshot->KeepAlive(UINT64_MAX);
  DrainInOrder(source.get(), reverse);
}

void ReadPinned(RemoteStore* store) {
  const std::shared_ptr<StoreSnapshot> snapshot = store->MakeSnapshot();
  snapshot->Start();
  snapshot->Wait();
  uint8_t value[64];
  size_t size = 0;
  uint64_t time = 0;
  Status status;
  store->Get(snapshot.get(), "key", value, sizeof value, &size, &status);
  store->Expiry(snapshot.get(), "key", &time, &status);
  const auto gets = store->StartGets(snapshot.get(), {"a", "b", "c"});
  gets->Next(value, sizeof value, &size, &status);
}

void RunOne(FuzzInput* input) {
  const size_t piece = input->Byte();
  const uint8_t end = input->Byte();
  std::string answers;
  while (!input->empty()) answers.push_back(static_cast<char>(input->Byte()));
  const auto with = [&](const auto& call) {
    Servers servers(piece, end, answers);
    call(servers.store.get());
  };
  uint8_t value[64];
  size_t size = 0;
  Status status;
  with([&](RemoteStore* s) { s->Get(nullptr, "key", value, sizeof value, &size, &status); });
  with([&](RemoteStore* s) {
    const auto gets = s->StartGets(nullptr, {"a", "b", "c"});
    for (int i = 0; i < 3; ++i) {
      const zkdb_code code = gets->Next(value, sizeof value, &size, &status);
      if (code != ZKDB_OK && code != ZKDB_NOT_FOUND) break;
    }
  });
  with([&](RemoteStore* s) {
    Operation put;
    put.key = "key";
    put.value = "value";
    WriteResult result;
    const Status written = s->StartWrite({put, put}, ZKDB_DURABILITY_COMMIT, false)->Finish(&result);
    EXPECT(!written.ok() || result.failed_index < 1);
  });
  for (const bool reverse : {false, true}) {
    for (const bool pinned : {false, true}) {
      with([&](RemoteStore* s) { ScanAll(s, reverse, false, pinned, reverse); });
      with([&](RemoteStore* s) { ScanAll(s, reverse, true, pinned, !reverse); });
    }
  }
  with(ReadPinned);
  zkdb_partition_stats stats{};
  uint64_t number = 0;
  with([&](RemoteStore* s) { static_cast<void>(s->PartitionFigures(0, true, &stats).ok()); });
  with([&](RemoteStore* s) { static_cast<void>(s->Estimate(0, KeyRange{}, &number).ok()); });
  with([&](RemoteStore* s) { static_cast<void>(s->Check([](const std::string&) { return true; }, {}, &number).ok()); });
}

}  // namespace
}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zkdb::test::FuzzInput input(data, size);
  zkdb::test::RunOne(&input);
  return 0;
}
