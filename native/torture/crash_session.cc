#include "torture/crash_session.h"

#include <algorithm>
#include <functional>

#include "core/engine/scan.h"
#include "core/engine/transaction.h"

namespace zkdb::test {
namespace {

constexpr uint64_t kKeys = 60;
constexpr size_t kScanBuffer = 1u << 20;
constexpr uint64_t kPast = 1;                  // ms: a record of this time is not there
constexpr uint64_t kFuture = 0x1000000000000;  // and one of this always is

const char* NameOf(zkdb_durability durability) {
  if (durability == ZKDB_DURABILITY_COMMIT) return "commit";
  return durability == ZKDB_DURABILITY_INTERVAL ? "interval" : "none";
}

void Mix(std::string_view text, uint64_t* content) {
  *content = (*content ^ std::hash<std::string_view>()(text)) * 0x9e3779b97f4a7c15 + 1;
}

}  // namespace

std::string CrashConfig(const CrashShape& shape) {
  std::ifstream file(MakeShape(TempDirectory(), shape.partitions, shape.isolated), std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  const std::string settings =
      "SegmentSize = 64K\nLogFileSize = 64K\nDurability = " + std::string(NameOf(shape.durability)) + "\n";
  return text.insert(text.find('\n') + 1, settings);
}

// ---- the oracle ----------------------------------------------------------------------------------------------------

void CrashOracle::Add(uint32_t partition, uint64_t sequence, size_t born, uint64_t content) {
  const Commit& last = commits_[partition].back();
  if (last.sequence == sequence && last.dead == SIZE_MAX) return;
  commits_[partition].push_back({sequence, born, SIZE_MAX, content});
}

void CrashOracle::Forget(uint32_t partition, uint64_t sequence, size_t at) {
  for (Commit& c : commits_[partition]) {
    if (c.sequence > sequence) c.dead = std::min(c.dead, at);
  }
}

void CrashOracle::Promise(size_t at, std::vector<uint64_t> sequences) { floors_.push_back({at, std::move(sequences)}); }

// The last commit of the partition that the state at `sequence` holds.
const CrashOracle::Commit* CrashOracle::Find(uint32_t partition, uint64_t sequence, size_t prefix) const {
  const Commit* found = nullptr;
  for (const Commit& c : commits_[partition]) {
    if (c.sequence > sequence || c.born > prefix || c.dead < prefix) continue;
    if (found == nullptr || c.sequence >= found->sequence) found = &c;
  }
  return found;
}

std::string CrashOracle::Judge(size_t prefix, bool lied, uint64_t sequence, const std::vector<uint64_t>& sequences,
                               const std::vector<uint64_t>& contents) const {
  const Floor* floor = nullptr;
  for (const Floor& f : floors_) {
    if (f.at <= prefix) floor = &f;
  }
  uint64_t whole = 0;
  for (uint32_t p = 0; floor != nullptr && p < commits_.size(); ++p) whole = std::max(whole, floor->sequences[p]);
  for (uint32_t p = 0; p < commits_.size(); ++p) {
    const uint64_t at = isolated_ ? sequences[p] : sequence;
    const uint64_t least = floor == nullptr ? 0 : (isolated_ ? floor->sequences[p] : whole);
    const std::string where = "partition " + std::to_string(p) + " at commit " + std::to_string(at);
    if (!lied && at < least) return where + ": commit " + std::to_string(least) + " was acknowledged";
    const Commit* commit = Find(p, at, prefix);
    if (commit == nullptr) return where + ": there was no such commit";
    if (sequences[p] > at) return where + " holds the later commit " + std::to_string(sequences[p]);
    if (commit->content != contents[p]) return where + " does not hold what it held then";
  }
  return "";
}

// ---- content -------------------------------------------------------------------------------------------------------
// The values of the models begin with the records' times, as a scan that is asked for them gives them.

uint64_t ContentOf(const Model& model) {
  uint64_t content = 0;
  for (const auto& [key, value] : model) {
    Mix(key, &content);
    Mix(value, &content);
  }
  return content;
}

Status ReadContent(Engine* engine, bool models, CrashContent* out) {
  static std::vector<uint8_t> buffer(kScanBuffer);
  zkdb_db_stats figures{};
  ZKDB_RETURN_IF_ERROR(engine->Figures(&figures));
  out->sequence = figures.sequence;
  out->sequences.assign(engine->partition_count(), 0);
  out->contents.assign(engine->partition_count(), 0);
  out->models.assign(models ? engine->partition_count() : 0, {});
  for (uint32_t p = 0; p < engine->partition_count(); ++p) out->sequences[p] = engine->partition(p).last_sequence;
  std::unique_ptr<DatabaseScan> scan;
  ScanOptions options;
  options.times = true;
  ZKDB_RETURN_IF_ERROR(DatabaseScan::Open(std::make_shared<Snapshot>(engine->shared_from_this()),
                                          KeyRange{Slice("", 0), Slice("", 0)}, options, &scan));
  for (bool done = false; !done;) {
    size_t used = 0;
    uint32_t count = 0;
    bool too_small = false;
    ZKDB_RETURN_IF_ERROR(scan->Pack(buffer.data(), buffer.size(), UINT32_MAX, &used, &count, &done, &too_small));
    if (too_small) return Status::Invalid("a record larger than any that was written");
    const uint8_t* at = buffer.data();
    for (uint32_t i = 0; i < count; ++i) {
      const std::string_view key(reinterpret_cast<const char*>(at) + 8, Load32(at));
      const std::string_view value(key.data() + key.size(), Load32(at + 4));
      at += 8 + key.size() + value.size();
      if (Load64(value.data()) == kPast) continue;
      const uint32_t partition = engine->selector().Select(Slice(key));
      Mix(key, &out->contents[partition]);
      Mix(value, &out->contents[partition]);
      if (models) out->models[partition].emplace(key, value);
    }
  }
  return Status::Ok();
}

Status OpenCrashed(MemoryEnv* env, const std::string& config, std::shared_ptr<Engine>* out) {
  EngineOptions options;
  options.background = false;
  return Engine::Open(env, config, options, out);
}

// ---- the session ---------------------------------------------------------------------------------------------------

CrashSession::CrashSession(MemoryEnv* env, const CrashShape& shape, uint64_t seed)
    : env_(env), shape_(shape), random_(seed), oracle_(shape.partitions, shape.isolated), models_(shape.partitions) {
  promised_.assign(shape.partitions, 0);
  log_.Watch(env, [this](const FsOp& op) { InsideCheckpoint(op); });
}

CrashSession::~CrashSession() { Stop(); }

void CrashSession::Stop() {
  env_->SetObserver({});
  env_->SetFailure(Status::Io("the power is off"));
  engine_.reset();
  env_->SetFailure(Status::Ok());
}

std::string CrashSession::Broken(const char* call, const Status& status) const {
  return status.ok() ? "" : std::string(call) + ": " + zkdb_code_name(status.code()) + ": " + status.message();
}

std::vector<uint64_t> CrashSession::Sequences() const {
  std::vector<uint64_t> sequences;
  for (uint32_t p = 0; p < shape_.partitions; ++p) sequences.push_back(engine_->partition(p).last_sequence);
  return sequences;
}

void CrashSession::PromiseAll(const std::vector<uint64_t>& sequences) {
  for (uint32_t p = 0; p < shape_.partitions; ++p) promised_[p] = std::max(promised_[p], sequences[p]);
  oracle_.Promise(log_.size(), promised_);
}

std::string CrashSession::Open() {
  if (Status s = OpenCrashed(env_, kCrashConfig, &engine_); !s.ok()) return Broken("open", s);
  if (!first_open_) return Verify();
  first_open_ = false;
  CrashContent content;
  if (Status s = ReadContent(engine_.get(), true, &content); !s.ok()) return Broken("read", s);
  models_ = content.models;
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    if (content.sequences[p] > 0) oracle_.Add(p, content.sequences[p], 0, content.contents[p]);
  }
  // The recovery found these on the disk: the next one does too. Without a log of its own the database's commit counts.
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    promised_[p] = shape_.isolated ? content.sequences[p] : content.sequence;
  }
  oracle_.Promise(0, promised_);
  return "";
}

// Compares what the engine holds after it was opened again with what it may hold, and takes that over.
std::string CrashSession::Verify() {
  CrashContent content;
  if (Status s = ReadContent(engine_.get(), true, &content); !s.ok()) return Broken("read", s);
  std::string wrong = oracle_.Judge(log_.size(), false, content.sequence, content.sequences, content.contents);
  models_ = content.models;
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    oracle_.Forget(p, shape_.isolated ? content.sequences[p] : content.sequence, log_.size());
  }
  return wrong;
}

std::string CrashSession::KillAndOpen() {
  env_->SetFailure(Status::Io("the process is gone"));
  engine_.reset();
  env_->SetFailure(Status::Ok());
  return Open();
}

std::string CrashSession::Close() {
  const std::vector<uint64_t> sequences = Sequences();
  const size_t born = log_.size();
  const Status status = engine_->Close();
  // Closing moves pages as a commit of its own, which holds the same records.
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    const uint64_t last = engine_->partition(p).last_sequence;
    if (last > sequences[p]) oracle_.Add(p, last, born, ContentOf(models_[p]));
  }
  if (status.ok()) PromiseAll(Sequences());
  engine_.reset();
  return Broken("close", status);
}

std::string CrashSession::Checkpoint() {
  const std::vector<uint64_t> sequences = Sequences();
  inside_checkpoint_ = true;
  const Status status = engine_->Checkpoint();
  inside_checkpoint_ = false;
  if (!status.ok()) return Broken("checkpoint", status);
  PromiseAll(sequences);
  return failed_inside_;
}

// Commits while a checkpoint writes, where it holds no lock: a segment's header is written under one, never at the
// beginning of the first segment.
void CrashSession::InsideCheckpoint(const FsOp& op) {
  const bool sync = op.kind == FsOp::Kind::kSync && op.path.ends_with(".zkd");
  const bool pages = op.kind == FsOp::Kind::kWrite && op.path.ends_with("/000.zkd");
  if (!inside_checkpoint_ || (!sync && !pages) || Below(4) != 0) return;
  inside_checkpoint_ = false;
  const std::string wrong = Commit();
  if (failed_inside_.empty()) failed_inside_ = wrong;
  inside_checkpoint_ = true;
}

std::string CrashSession::Compact() {
  const std::vector<uint64_t> before = Sequences();
  const size_t born = log_.size();
  const Status status = engine_->Compact({});
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    // The first of the two rewrites has a number too.
    const uint64_t last = engine_->partition(p).last_sequence;
    for (uint64_t s = before[p] + 1; s <= last; ++s) oracle_.Add(p, s, born, ContentOf(models_[p]));
  }
  if (status.ok()) PromiseAll(Sequences());
  return Broken("compact", status);
}

// Nothing that anyone sees changes.
std::string CrashSession::Sweep() {
  const std::vector<uint64_t> before = Sequences();
  const size_t born = log_.size();
  uint64_t removed = 0;
  const Status status = engine_->Sweep(UINT64_MAX, &removed);
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    const uint64_t last = engine_->partition(p).last_sequence;
    for (uint64_t s = before[p] + 1; s <= last; ++s) oracle_.Add(p, s, born, ContentOf(models_[p]));
  }
  return Broken("sweep", status);
}

std::string CrashSession::Sync() {
  const std::vector<uint64_t> sequences = Sequences();
  const Status status = engine_->Sync();
  if (status.ok()) PromiseAll(sequences);
  return Broken("sync", status);
}

// ---- changes -------------------------------------------------------------------------------------------------------

std::string CrashSession::Key() {
  const uint64_t n = Below(kKeys);
  std::string key = "k" + std::string(1, static_cast<char>('a' + n % 26)) + "-" + std::to_string(n);
  return n % 15 == 0 ? key.append(300 + n * 8, 'o') : key;
}

std::string CrashSession::Value() {
  const uint64_t kind = Below(40);
  const uint64_t size = kind == 0 ? 4000 + Below(16000) : (kind < 4 ? 800 + Below(2000) : Below(160));
  std::string value(size, '\0');
  // Not to be told from another one by luck: the number of the commit, then text that looks like nothing else.
  uint64_t x = random_();
  for (char& c : value) c = static_cast<char>((x = x * 6364136223846793005u + 1442695040888963407u) >> 56);
  return value;
}

uint64_t CrashSession::Time() {
  const uint64_t kind = Below(8);
  return kind < 4 ? 0 : (kind < 7 ? kFuture : kPast);
}

std::vector<CrashSession::Change> CrashSession::RandomChanges() {
  std::vector<Change> changes;
  for (uint64_t n = 1 + Below(Below(4) == 0 ? 12 : 3); n > 0; --n) {
    const uint64_t kind = Below(100);
    if (kind < 60) {
      changes.push_back({ZKDB_OP_PUT, Key(), Value(), "", Time()});
    } else if (kind < 76) {
      changes.push_back({ZKDB_OP_EXPIRE, Key(), "", "", Time()});
    } else if (kind < 97) {
      changes.push_back({ZKDB_OP_DELETE, Key(), "", ""});
    } else {
      std::string from = Key();
      std::string to = Key();
      if (to < from) std::swap(from, to);
      if (Below(2) == 0) to = from + "zz";
      changes.push_back({ZKDB_OP_DELETE_RANGE, from, to, ""});
    }
  }
  return changes;
}

CrashSession::Change CrashSession::RandomCondition() {
  static constexpr zkdb_op kKinds[] = {ZKDB_OP_PUT_IF_ABSENT, ZKDB_OP_PUT_IF_PRESENT, ZKDB_OP_PUT_IF_VALUE,
                                       ZKDB_OP_DELETE_IF_VALUE};
  Change change{kKinds[Below(4)], Key(), Value(), ""};
  if (change.kind != ZKDB_OP_DELETE_IF_VALUE) change.time = Time();
  const Model& model = models_[engine_->selector().Select(change.key)];
  const auto at = model.find(change.key);
  if (at != model.end() && Below(4) != 0) change.expected = at->second.substr(kTimeSize);
  return change;
}

bool CrashSession::Holds(const Change& change) const {
  const Model& model = models_[engine_->selector().Select(change.key)];
  const auto at = model.find(change.key);
  switch (change.kind) {
    case ZKDB_OP_PUT_IF_ABSENT: return at == model.end();
    case ZKDB_OP_PUT_IF_PRESENT: return at != model.end();
    case ZKDB_OP_PUT_IF_VALUE:
    case ZKDB_OP_DELETE_IF_VALUE: return at != model.end() && at->second.substr(kTimeSize) == change.expected;
    default: return true;
  }
}

void CrashSession::ApplyTo(Model* model, const Change& change) const {
  if (change.time == kPast) {
    model->erase(change.key);
    return;
  }
  switch (change.kind) {
    case ZKDB_OP_EXPIRE:
      if (model->contains(change.key)) (*model)[change.key].replace(0, kTimeSize, BatchBytes::TimeBytes(change.time));
      break;
    case ZKDB_OP_DELETE:
    case ZKDB_OP_DELETE_IF_VALUE: model->erase(change.key); break;
    case ZKDB_OP_DELETE_RANGE: model->erase(model->lower_bound(change.key), model->lower_bound(change.value)); break;
    default: (*model)[change.key] = BatchBytes::TimeBytes(change.time) + change.value;
  }
}

void CrashSession::Apply(const Change& change) {
  if (change.kind != ZKDB_OP_DELETE_RANGE) return ApplyTo(&models_[engine_->selector().Select(change.key)], change);
  for (Model& model : models_) ApplyTo(&model, change);
}

BatchBytes CrashSession::Pack(const std::vector<Change>& changes) {
  BatchBytes batch;
  for (const Change& c : changes) {
    const uint8_t flags = c.time != 0 ? ZKDB_PUT_EXPIRES : 0;
    const std::string value = (c.time != 0 ? BatchBytes::TimeBytes(c.time) : "") + c.value;
    if (c.kind == ZKDB_OP_PUT_IF_VALUE) {
      batch.PutIfValue(c.key, c.expected, value, flags);
    } else if (c.kind == ZKDB_OP_EXPIRE) {
      batch.Expire(c.key, c.time);
    } else if (c.kind == ZKDB_OP_DELETE_IF_VALUE) {
      batch.Add(c.kind, c.key, c.expected);
    } else {
      batch.Add(c.kind, c.key, c.kind == ZKDB_OP_DELETE ? "" : value,
                c.kind == ZKDB_OP_DELETE_RANGE ? uint8_t{ZKDB_RANGE_HAS_HI} : flags);
    }
  }
  return batch;
}

// Mostly what the shape asks for, now and then each of the others.
zkdb_durability CrashSession::RandomDurability() {
  const uint64_t kind = Below(12);
  if (kind == 0) return ZKDB_DURABILITY_NONE;
  if (kind == 1) return ZKDB_DURABILITY_INTERVAL;
  if (kind == 2 && shape_.durability == ZKDB_DURABILITY_COMMIT) return ZKDB_DURABILITY_COMMIT;
  return ZKDB_DURABILITY_DEFAULT;
}

// Notes what a call that began after `born` operations has changed, and what it promises.
void CrashSession::AfterCommit(size_t born, zkdb_durability durability) {
  if (durability == ZKDB_DURABILITY_DEFAULT) durability = shape_.durability;
  ++commits_;
  std::vector<uint64_t> promised = promised_;
  uint64_t highest = 0;
  const std::vector<uint64_t> sequences = Sequences();
  for (uint32_t p = 0; p < shape_.partitions; ++p) {
    oracle_.Add(p, sequences[p], born, ContentOf(models_[p]));
    highest = std::max(highest, sequences[p]);
  }
  if (durability != ZKDB_DURABILITY_COMMIT) return;
  // One log keeps everything before the commit too; logs of their own keep what is in them.
  for (uint32_t p = 0; p < shape_.partitions; ++p) promised[p] = shape_.isolated ? promised_[p] : highest;
  PromiseAll(promised);
}

std::string CrashSession::Commit() {
  if (Below(8) != 0) return CommitChanges(RandomChanges());
  std::vector<Change> changes = {RandomCondition()};
  if (!shape_.isolated && Below(2) == 0) {
    Change more{ZKDB_OP_PUT, Key(), Value(), ""};
    if (more.key != changes.front().key) changes.push_back(std::move(more));
  }
  return CommitChanges(changes);
}

std::string CrashSession::CommitChanges(const std::vector<Change>& changes) {
  const BatchBytes batch = Pack(changes);
  const zkdb_durability durability = RandomDurability();
  const size_t born = log_.size();
  const std::vector<uint64_t> before = Sequences();
  WriteResult result;
  const Status status = engine_->Write(Slice(batch.bytes()), durability, true, &result);
  if (!status.ok()) return Broken("write", status);
  const bool holds = std::all_of(changes.begin(), changes.end(), [this](const Change& c) { return Holds(c); });
  if (holds != (result.failed_index < 0)) return "a condition was decided wrongly";
  if (!holds) return "";
  for (const Change& c : changes) Apply(c);
  AfterCommit(born, durability);
  const bool synced = durability == ZKDB_DURABILITY_COMMIT ||
                      (durability == ZKDB_DURABILITY_DEFAULT && shape_.durability == ZKDB_DURABILITY_COMMIT);
  if (!shape_.isolated || !synced) return "";
  std::vector<uint64_t> promised = promised_;
  const std::vector<uint64_t> after = Sequences();
  for (uint32_t p = 0; p < shape_.partitions; ++p) promised[p] = after[p] > before[p] ? after[p] : promised[p];
  PromiseAll(promised);
  return "";
}

std::string CrashSession::Transact() {
  std::unique_ptr<Transaction> transaction;
  if (Status s = Transaction::Begin(engine_, &transaction); !s.ok()) return Broken("begin", s);
  std::vector<Change> all;
  WriteResult result;
  const size_t born = log_.size();
  for (uint64_t n = 1 + Below(3); n > 0; --n) {
    const std::vector<Change> changes = RandomChanges();
    const Status status = transaction->Write(Slice(Pack(changes).bytes()), &result);
    if (!status.ok()) return Broken("write in a transaction", status);
    all.insert(all.end(), changes.begin(), changes.end());
  }
  if (Below(4) == 0) return transaction->Abort(), "";
  const zkdb_durability durability = RandomDurability();
  if (Status s = transaction->Commit(durability, &result); !s.ok()) return Broken("commit", s);
  for (const Change& c : all) Apply(c);
  AfterCommit(born, durability);
  return "";
}

std::string CrashSession::Step() {
  const uint64_t kind = Below(100);
  if (kind < 6) return Checkpoint();
  if (kind < 7) return KillAndOpen();
  if (kind < 8) return Compact();
  if (kind < 9) {
    const std::string closed = Close();
    return closed.empty() ? Open() : closed;
  }
  if (kind < 14) return Sync();
  if (kind < 20 && !shape_.isolated) return Transact();
  if (kind < 25) return Sweep();
  return Commit();
}

}  // namespace zkdb::test
