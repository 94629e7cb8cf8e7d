#include "torture/damage_workloads.h"

namespace zkdb::test {
namespace {

constexpr int kTall = 132;  // records of a tree of three levels
constexpr int kAlike = 12;  // records whose keys begin alike

// Keys of one letter begin alike for as long as a page keeps them almost: branches hold a dozen children.
std::string TallKey(int number) {
  const char letter = static_cast<char>('a' + number / 6 % 26);
  return "k" + std::string(1, letter) + std::string(228, letter) + std::to_string(10000 + number);
}

// Keys that a page keeps the same part of: overflow pages tell them apart.
std::string AlikeKey(int number) {
  return "km" + std::string(600, 'L') + std::to_string(100 + number) + std::string(3000, 'x');
}

std::vector<FaultOp> Puts(std::string (*key)(int), int from, int to, int step, size_t size, int version) {
  std::vector<FaultOp> ops;
  for (int i = from; i < to; i += step) ops.push_back({ZKDB_OP_PUT, key(i), FaultValue(i, size, version)});
  return ops;
}

std::vector<FaultOp> Deletes(std::string (*key)(int), int from, int to, int step) {
  std::vector<FaultOp> ops;
  for (int i = from; i < to; i += step) ops.push_back({ZKDB_OP_DELETE, key(i), ""});
  return ops;
}

void Each(FaultRun* r, const std::vector<FaultOp>& ops) {
  for (const FaultOp& op : ops) r->Write({op});
}

// ---- what is there before

// Every second key: the others are put between.
void Tall(FaultRun* r) {
  r->Open();
  for (int i = 0; i < kTall; i += 24) r->Write(Puts(TallKey, i, std::min(i + 24, kTall), 2, 900, 0));
  r->Close();
}

// All keys, at random: pages are about as full as they come to be.
void TallFull(FaultRun* r) {
  r->Open();
  for (int i = 0; i < 7; ++i) r->Write(Puts(TallKey, i, kTall, 7, 700, 0));
  r->Close();
}

void Alike(FaultRun* r) {
  r->Open();
  r->Write(Puts(AlikeKey, 0, kAlike, 1, 1300, 0));
  r->Write(Puts(TallKey, 60, 90, 2, 700, 0));
  r->Write(Puts(TallKey, 1, 12, 4, 15000, 0));
  r->Close();
}

// Two leaves of keys that are told apart behind 240 bytes, and so on: a branch holds few children.
std::string WideKey(int number) {
  const int group = number / 4;
  return "k" + std::string(1, static_cast<char>('a' + group / 26)) +
         std::string(238, static_cast<char>('a' + group % 26)) + std::to_string(10000 + number);
}

// Two records a leaf: the root has more children than a range's edges.
void Wide(FaultRun* r) {
  r->Open();
  for (int i = 0; i < 2 * kTall; i += 22) r->Write(Puts(WideKey, i, i + 22, 1, 1700, 0));
  r->Close();
}

// Records just before and behind keys that begin alike: separators beside them overflow.
std::string BeforeKey(int number) { return "kmK" + std::to_string(100 + number); }
std::string BehindKey(int number) { return "kmM" + std::to_string(100 + number); }

void Beside(FaultRun* r) {
  r->Open();
  r->Write(Puts(AlikeKey, 0, kAlike, 1, 1300, 0));
  r->Write(Puts(BeforeKey, 0, 3, 1, 300, 0));
  r->Write(Puts(BehindKey, 0, 3, 1, 300, 0));
  r->Close();
}

// Leaves that hold a single record beside a separator that overflows.
void BesideAlone(FaultRun* r) {
  Beside(r);
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, BeforeKey(1), AlikeKey(2)}});
  r->Write({{ZKDB_OP_DELETE_RANGE, AlikeKey(9), BehindKey(2)}});
  r->Close();
}

// ---- what is done

void DeleteBeside(FaultRun* r) {
  r->Open();
  Each(r, Deletes(BeforeKey, 0, 3, 1));
  Each(r, Deletes(BehindKey, 0, 3, 1));
  r->Close();
}

void PutBeside(FaultRun* r) {
  r->Open();
  Each(r, Puts(BeforeKey, 0, 12, 1, 900, 1));
  Each(r, Puts(BehindKey, 0, 12, 1, 900, 1));
  r->Close();
}

void CutBeside(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", BeforeKey(40)}});
  r->Write({{ZKDB_OP_DELETE_RANGE, "kmLL", "kmLLM"}});
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", "l"}});
  r->Close();
}

void CutMost(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, WideKey(9), WideKey(260)}});
  Each(r, Deletes(WideKey, 0, 12, 1));
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", "l"}});
  r->Close();
}

void PutBetween(FaultRun* r) {
  r->Open();
  Each(r, Puts(TallKey, 1, kTall, 6, 900, 1));
  r->Write(Puts(TallKey, 3, kTall, 6, 1500, 1));
  r->Close();
}

void PutDescending(FaultRun* r) {
  r->Open();
  std::vector<FaultOp> ops = Puts(TallKey, 1, kTall, 4, 1200, 2);
  std::reverse(ops.begin(), ops.end());
  Each(r, ops);
  r->Close();
}

void Append(FaultRun* r) {
  r->Open();
  std::vector<FaultOp> ops;
  for (int i = 0; i < 40; ++i) {
    ops.push_back({ZKDB_OP_PUT, "kzz" + std::string(220, 'z') + std::to_string(100 + i), std::string(1300, 'v')});
  }
  Each(r, ops);
  r->Close();
}

void DeleteEach(FaultRun* r) {
  r->Open();
  Each(r, Deletes(TallKey, 0, kTall, 3));
  Each(r, Deletes(TallKey, 1, kTall, 3));
  r->Checkpoint();
  Each(r, Deletes(TallKey, 2, kTall, 3));
  r->Close();
}

void DeleteDown(FaultRun* r) {
  r->Open();
  std::vector<FaultOp> ops = Deletes(TallKey, 0, kTall, 1);
  std::reverse(ops.begin(), ops.end());
  Each(r, ops);
  r->Close();
}

void CutNarrow(FaultRun* r) {
  r->Open();
  for (int i = 1; i < kTall; i += 9) r->Write({{ZKDB_OP_DELETE_RANGE, TallKey(i), TallKey(i + 4)}});
  r->Close();
}

void CutWide(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, TallKey(40), TallKey(110)}});
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", TallKey(30)}});
  r->Write({{ZKDB_OP_DELETE_RANGE, TallKey(112), "l"}});
  r->Close();
}

void CutAll(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", "l"}});
  r->Write(Puts(TallKey, 0, 20, 1, 300, 3));
  r->Close();
}

// What is left lies behind free pages, and the last checkpoint moves it.
void CutAndClose(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", TallKey(70)}});
  r->Checkpoint();
  r->Checkpoint();
  r->Close();
}

void Replace(FaultRun* r) {
  r->Open();
  Each(r, Puts(TallKey, 0, kTall, 12, 9000, 1));
  Each(r, Puts(TallKey, 0, kTall, 12, 500, 2));
  r->Close();
}

void ReplaceOverflow(FaultRun* r) {
  r->Open();
  Each(r, Puts(TallKey, 1, 12, 4, 20000, 1));
  Each(r, Puts(AlikeKey, 0, kAlike, 2, 900, 1));
  Each(r, Puts(AlikeKey, kAlike, kAlike + 4, 1, 900, 1));
  r->Write(Puts(AlikeKey, 40, 46, 1, 1700, 1));
  r->Close();
}

void DeleteOverflow(FaultRun* r) {
  r->Open();
  Each(r, Deletes(AlikeKey, 0, kAlike, 3));
  r->Write({{ZKDB_OP_DELETE_RANGE, AlikeKey(1), AlikeKey(8)}});
  Each(r, Deletes(AlikeKey, 0, kAlike, 1));
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", "l"}});
  r->Close();
}

void CutOverflow(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, AlikeKey(1), AlikeKey(4)}});
  r->Write({{ZKDB_OP_DELETE_RANGE, AlikeKey(6), AlikeKey(11)}});
  r->Write({{ZKDB_OP_DELETE_RANGE, AlikeKey(0), AlikeKey(20)}});
  r->Close();
}

void CutOverflowWhole(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_DELETE_RANGE, "k", "l"}});
  r->Close();
}

void Conditions(FaultRun* r) {
  r->Open();
  for (int i = 0; i < kAlike; i += 5) {
    r->Write({{ZKDB_OP_PUT_IF_PRESENT, AlikeKey(i), FaultValue(i, 200, 4)}});
    r->Write({{ZKDB_OP_PUT_IF_ABSENT, AlikeKey(i), FaultValue(i, 200, 4)}});
  }
  r->Transact({{{ZKDB_OP_PUT_IF_PRESENT, TallKey(62), "a"}}, {{ZKDB_OP_PUT, AlikeKey(3), "b"}}}, true);
  r->Close();
}

void ReadRanges(FaultRun* r) {
  constexpr uint32_t kHi = ZKDB_RANGE_HAS_HI, kOpen = ZKDB_RANGE_LO_EXCLUSIVE, kIncluded = ZKDB_RANGE_HI_INCLUSIVE;
  r->Open();
  for (const uint32_t flags : {0u, uint32_t{ZKDB_SCAN_REVERSE}, uint32_t{ZKDB_SCAN_NO_KEYS}}) {
    r->Scan(AlikeKey(3), AlikeKey(9), kHi | kOpen, flags, 300);
    r->Scan(AlikeKey(2), AlikeKey(8), kHi | kIncluded, flags, 1u << 16, true);
    r->Scan(TallKey(20), TallKey(80), kHi | kOpen | kIncluded, flags, 1u << 16, true);
    r->Scan("", "", 0, flags, 1u << 16, true);
  }
  r->Close();
}

void ReadBackward(FaultRun* r) {
  r->Open();
  r->Scan("", "", 0, ZKDB_SCAN_REVERSE, 1u << 16, true);
  r->Scan(AlikeKey(1), AlikeKey(5), ZKDB_RANGE_HAS_HI, ZKDB_SCAN_REVERSE | ZKDB_SCAN_NO_VALUES);
  r->Close();
}

void ReadMany(FaultRun* r) {
  r->Open();
  r->GetMany();
  r->GetMany();
  r->Estimate();
  r->Close();
}

void EstimateIt(FaultRun* r) {
  r->Open();
  r->Estimate();
  r->ReadAll();
  r->Close();
}

void InTransaction(FaultRun* r) {
  r->Open();
  r->ReadInTransaction(false);
  r->ReadInTransaction(true);
  r->Close();
}

void ScanInTransaction(FaultRun* r) {
  r->Open();
  r->OpenCursor(true);
  r->Write({{ZKDB_OP_PUT, "kaa", "1"}, {ZKDB_OP_PUT, "kmm", "2"}});
  r->ReadCursor();
  r->ReadInTransaction(true);
  r->Close();
}

void CompactIt(FaultRun* r) {
  r->Open();
  r->Compact();
  r->Close();
}

void BackUp(FaultRun* r) {
  r->Open();
  r->Backup();
  r->Close();
}

void Examine(FaultRun* r) {
  r->Open();
  r->Figures();
  r->Check();
  r->Close();
}

// With VerifyAll a write that leaves a damaged tree behind is refused.
void WriteVerified(FaultRun* r) {
  r->Open();
  r->Write({{ZKDB_OP_PUT, TallKey(3), "x"}});
  r->Transact({{{ZKDB_OP_PUT, TallKey(9), "y"}}}, true);
  r->Close();
}

std::vector<IoWorkload> MakeTable() {
  const FaultShape one{1, false, ZKDB_DURABILITY_COMMIT}, three{3, false, ZKDB_DURABILITY_COMMIT};
  const FaultShape four{4, false, ZKDB_DURABILITY_COMMIT}, none{1, false, ZKDB_DURABILITY_NONE};
  std::vector<IoWorkload> all;
  const auto add = [&all](const char* what, void (*prepare)(FaultRun*), void (*run)(FaultRun*), const FaultShape& shape,
                          const OptionList& options = {}) {
    all.push_back({what, shape, options, prepare, false, run, false});
  };
  add("puts between", Tall, PutBetween, one);
  add("puts downwards", Tall, PutDescending, one);
  add("puts at the end", Tall, Append, none);
  add("puts into full pages", TallFull, PutDescending, three);
  add("deletes", TallFull, DeleteEach, one);
  add("deletes downwards", TallFull, DeleteDown, none);
  add("narrow range deletes", TallFull, CutNarrow, one);
  add("wide range deletes", TallFull, CutWide, one);
  add("a range delete of everything", TallFull, CutAll, three);
  add("a close that moves pages", TallFull, CutAndClose, one);
  add("values that grow and shrink", Tall, Replace, one);
  add("overflow that is replaced", Alike, ReplaceOverflow, one);
  add("overflow that is deleted", Alike, DeleteOverflow, one);
  add("overflow that is cut", Alike, CutOverflow, one);
  add("overflow that is cut off", Alike, CutOverflowWhole, four);
  add("deletes beside overflow", BesideAlone, DeleteBeside, one);
  add("puts beside overflow", Beside, PutBeside, one);
  add("range deletes beside overflow", Beside, CutBeside, one);
  add("a range delete of most", Wide, CutMost, one);
  add("conditions on overflow", Alike, Conditions, one);
  add("ranges", Alike, ReadRanges, one);
  add("ranges of partitions", Alike, ReadRanges, three);
  add("ranges of hashed partitions", Alike, ReadRanges, four);
  add("backward", Alike, ReadBackward, four);
  add("backward through tall trees", TallFull, ReadBackward, three);
  add("many gets", Alike, ReadMany, one);
  add("many gets of a tall tree", Tall, ReadMany, one);
  add("estimates", TallFull, EstimateIt, one);
  add("estimates over overflow", Alike, EstimateIt, three);
  add("transactions that read", Alike, InTransaction, three);
  add("a cursor and a transaction", TallFull, ScanInTransaction, three);
  add("compaction", Alike, CompactIt, one);
  add("compaction of a tall tree", TallFull, CompactIt, three);
  add("backup", Alike, BackUp, four);
  add("check and figures", Alike, Examine, one);
  add("check and figures of a tall tree", Tall, Examine, three);
  add("verified writes", Tall, WriteVerified, one, {{"VerifyAll", "Yes"}, {"CheckPoints", "No"}});
  return all;
}

}  // namespace

const std::vector<IoWorkload>& DamageWorkloads() {
  static const std::vector<IoWorkload> all = MakeTable();
  return all;
}

}  // namespace zkdb::test
