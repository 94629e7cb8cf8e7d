#include "core/dispatch/remote_store.h"

#include <algorithm>
#include <utility>

#include "core/dispatch/remote_batch.h"
#include "core/dispatch/remote_chunks.h"
#include "core/dispatch/remote_gets.h"

namespace zkdb {
namespace {

constexpr uint64_t kLongWorkMs = 600000;          // for what reads whole databases
constexpr uint32_t kMaxFindings = 1000;           // of a check
constexpr uint64_t kMaxFindingBytes = 64u << 10;  // of one of them
constexpr uint32_t kMaxRemotePartitions = 256;    // of the database on a server

Status Unexpected(const char* command) {
  return {ZKDB_PROTOCOL, std::string("the answer is none of ") + command + ": is it a zkdb server?"};
}

class RemoteWrite : public PendingWrite {
 public:
  RemoteWrite(RemoteStore* store, const std::vector<Operation>& operations, zkdb_durability durability, bool non_atomic)
      : store_(store) {
    WriteBatchCommand(operations, durability, non_atomic, &command_, &sent_);
    if (!sent_.empty()) status_ = Start();
  }
  ~RemoteWrite() override { store_->pool()->Give(std::move(connection_)); }

  Status Finish(WriteResult* result) override {
    *result = WriteResult{};
    if (sent_.empty()) return Status::Ok();
    if (status_.ok()) status_ = ReadAnswer(result);
    return status_.ok() ? Status::Ok() : store_->Named(status_);
  }

 private:
  // Hands the batch over. A second time when the first connection took less than all of it.
  Status Start() {
    bool fresh = false;
    ZKDB_RETURN_IF_ERROR(store_->pool()->Take(false, &connection_, &fresh));
    Status status = Send();
    if (status.code() != ZKDB_UNREACHABLE || fresh) return status;
    ZKDB_RETURN_IF_ERROR(store_->pool()->Take(true, &connection_, &fresh));
    return Send();
  }

  Status Send() {
    bool handed_over = false;
    const Status status = connection_->Send(command_, 1, &handed_over);
    if (status.code() != ZKDB_UNREACHABLE) {
      if (status.code() != ZKDB_TIMEOUT) return status;
      return {ZKDB_UNREACHABLE, status.message() + "; the server did not take the whole batch and changed nothing"};
    }
    // A server that takes no more of a command says why before it closes.
    ReplyHead head;
    const Status why = connection_->ReadAnswer(&head);
    return !why.ok() && connection_->reader()->failed().ok() ? why : status;
  }

  Status ReadAnswer(WriteResult* result) {
    ReplyHead head;
    Status status = connection_->ReadAnswer(&head);
    if (!status.ok() && connection_->reader()->failed().ok()) return status;  // an error is an answer
    if (status.ok()) status = ReadBatchAnswer(connection_.get(), head, result);
    if (status.ok() && result->failed_index >= static_cast<int64_t>(sent_.size())) status = Unexpected("ZK.BATCH");
    if (!status.ok()) {
      connection_->Abandon();
      return {ZKDB_UNKNOWN_OUTCOME, "the batch was sent and not answered (" + status.message() +
                                        "): it was carried out, or not; read what it wrote"};
    }
    if (result->failed_index >= 0) result->failed_index = sent_[static_cast<size_t>(result->failed_index)];
    return status;
  }

  RemoteStore* const store_;
  std::string command_;
  std::vector<uint32_t> sent_;
  std::unique_ptr<Connection> connection_;
  Status status_;
};

// ---- figures

struct Figure {
  const char* name;
  uint64_t zkdb_partition_stats::*field;
};

constexpr Figure kSums[] = {
    {"records", &zkdb_partition_stats::records},
    {"pages_allocated", &zkdb_partition_stats::pages_allocated},
    {"pages_free", &zkdb_partition_stats::pages_free},
    {"leaf_pages", &zkdb_partition_stats::leaf_pages},
    {"branch_pages", &zkdb_partition_stats::branch_pages},
    {"overflow_pages", &zkdb_partition_stats::overflow_pages},
    {"leaf_bytes_used", &zkdb_partition_stats::leaf_bytes_used},
    {"branch_bytes_used", &zkdb_partition_stats::branch_bytes_used},
    {"dirty_pages", &zkdb_partition_stats::dirty_pages},
    {"expiring", &zkdb_partition_stats::expiring},
};

void AddFigure(const std::string& name, uint64_t value, zkdb_partition_stats* out) {
  for (const Figure& figure : kSums) {
    if (name == figure.name) out->*figure.field += value;
  }
  if (name == "depth") out->depth = std::max(out->depth, static_cast<uint32_t>(value));
  if (name == "segments") out->segments += static_cast<uint32_t>(value);
  if (name == "page_size") out->page_size = std::max(out->page_size, value);
  if (name == "last_sequence") out->last_sequence = std::max(out->last_sequence, value);
  if (name == "checkpoint_sequence") out->checkpoint_sequence = std::max(out->checkpoint_sequence, value);
}

using FigureSink = std::function<void(const std::string&, uint64_t)>;

// Reads names and whole numbers in turn.
Status ReadFigures(Connection* connection, const ReplyHead& head, const FigureSink& sink) {
  const bool map = head.kind == ReplyKind::kMap;
  if ((!map && head.kind != ReplyKind::kArray) || head.size > 1024) return Unexpected("ZK.STAT");
  for (uint64_t i = map ? head.size : head.size / 2; i > 0; --i) {
    ReplyHead part;
    std::string name;
    ZKDB_RETURN_IF_ERROR(connection->reader()->ReadHead(&part));
    if (part.kind != ReplyKind::kString || part.size > 64) return Unexpected("ZK.STAT");
    ZKDB_RETURN_IF_ERROR(connection->reader()->AppendString(part.size, &name));
    ZKDB_RETURN_IF_ERROR(connection->reader()->ReadHead(&part));
    if (part.kind == ReplyKind::kInteger) sink(name, static_cast<uint64_t>(part.integer));
    ZKDB_RETURN_IF_ERROR(connection->reader()->Skip(part));
  }
  return Status::Ok();
}

}  // namespace

RemoteStore::RemoteStore(Transport* transport, const std::string& name, RemotePlace place)
    : label_("partition [" + name + "] at " + place.address.ToString() + ": "), pool_(transport, std::move(place)) {}

Status RemoteStore::Named(const Status& status) const { return {status.code(), label_ + status.message()}; }

Status RemoteStore::AskOnce(const std::string& command, const Reading& read, uint64_t timeout_ms, bool only_fresh,
                            bool* again) {
  std::unique_ptr<Connection> connection;
  bool fresh = false;
  bool handed_over = false;
  *again = false;
  ZKDB_RETURN_IF_ERROR(pool_.Take(only_fresh, &connection, &fresh));
  if (timeout_ms != 0) connection->reader()->SetTimeout(timeout_ms);
  ReplyHead head;
  Status status = connection->Send(command, 1, &handed_over);
  if (status.ok()) status = connection->ReadAnswer(&head);
  const bool answered = status.ok();
  if (answered) status = read(connection.get(), head);
  *again = status.code() == ZKDB_UNREACHABLE && !fresh;
  connection->reader()->SetTimeout(pool_.place().reply_timeout_ms);
  // What is left of an answer that was not understood would be taken for the next one.
  answered && !status.ok() ? pool_.Discard(std::move(connection)) : pool_.Give(std::move(connection));
  return status;
}

Status RemoteStore::Ask(const std::string& command, const Reading& read, uint64_t timeout_ms) {
  bool again = false;
  Status status = AskOnce(command, read, timeout_ms, false, &again);
  if (again) status = AskOnce(command, read, timeout_ms, true, &again);
  return status.ok() ? status : Named(status);
}

Status RemoteStore::AskPinned(StoreSnapshot* snapshot, Slice name, Slice key, const Reading& read) {
  RemotePin::Hold hold;
  Status status = static_cast<RemotePin*>(snapshot)->Take(&hold);
  if (!status.ok()) return Named(status);
  std::string command;
  WriteCommand({name, hold.snapshot(), key}, &command);
  bool handed_over = false;
  ReplyHead head;
  status = hold.connection()->Send(command, 1, &handed_over);
  if (status.ok()) status = hold.connection()->ReadAnswer(&head);
  if (status.ok()) status = read(hold.connection(), head);
  status = hold.Judge(status);
  return status.ok() ? status : Named(status);
}

std::shared_ptr<StoreSnapshot> RemoteStore::MakeSnapshot() { return std::make_shared<RemotePin>(&pool_); }

zkdb_code RemoteStore::Get(StoreSnapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size,
                           Status* status) {
  zkdb_code code = ZKDB_OK;
  const auto read = [&](Connection* connection, const ReplyHead& head) {
    Status taken;
    code = TakeValue(connection, head, buffer, capacity, size, &taken);
    return taken;
  };
  if (snapshot != nullptr) {
    *status = AskPinned(snapshot, "ZK.GET", key, [&](Connection* connection, ReplyHead head) {
      ZKDB_RETURN_IF_ERROR(ReadOnlyValue(connection, &head));
      return read(connection, head);
    });
  } else {
    std::string command;
    WriteCommand({"GET", key}, &command);
    *status = Ask(command, read);
  }
  return status->ok() ? code : status->code();
}

zkdb_code RemoteStore::Expiry(StoreSnapshot* snapshot, Slice key, uint64_t* time, Status* status) {
  zkdb_code code = ZKDB_OK;
  const auto read = [&](Connection* connection, const ReplyHead& head) {
    if (head.kind != ReplyKind::kInteger || head.integer < -2) return NoAnswerOf("PEXPIRETIME", connection);
    code = head.integer == -2 ? ZKDB_NOT_FOUND : ZKDB_OK;
    *time = head.integer < 0 ? 0 : static_cast<uint64_t>(head.integer);
    return Status::Ok();
  };
  if (snapshot != nullptr) {
    *status = AskPinned(snapshot, "ZK.PEXPIRETIME", key, read);
  } else {
    std::string command;
    WriteCommand({"PEXPIRETIME", key}, &command);
    *status = Ask(command, read);
  }
  return status->ok() ? code : status->code();
}

std::unique_ptr<PendingGets> RemoteStore::StartGets(StoreSnapshot* snapshot, std::vector<Slice> keys) {
  return std::make_unique<RemoteGets>(this, static_cast<RemotePin*>(snapshot), std::move(keys));
}

std::unique_ptr<PendingWrite> RemoteStore::StartWrite(std::vector<Operation> operations, zkdb_durability durability,
                                                      bool non_atomic) {
  return std::make_unique<RemoteWrite>(this, operations, durability, non_atomic);
}

Status RemoteStore::OpenChunks(std::shared_ptr<StoreSnapshot> snapshot, const ScanBounds* bounds,
                               std::unique_ptr<ChunkSource>* out) {
  *out = std::make_unique<RemoteChunks>(std::static_pointer_cast<RemotePin>(std::move(snapshot)), bounds);
  return Status::Ok();
}

Status RemoteStore::Probe() {
  std::string command;
  WriteCommand({"PING"}, &command);
  return Ask(command, [](Connection* connection, const ReplyHead& head) { return connection->reader()->Skip(head); });
}

Status RemoteStore::Sync() {
  std::string command;
  WriteCommand({"ZK.SYNC"}, &command);
  return Ask(command, [](Connection* connection, const ReplyHead& head) { return connection->reader()->Skip(head); });
}

Status RemoteStore::PartitionFigures(uint32_t, bool full, zkdb_partition_stats* out) {
  *out = zkdb_partition_stats{};
  uint64_t partitions = 0;
  std::string command;
  WriteCommand({"ZK.STAT"}, &command);
  ZKDB_RETURN_IF_ERROR(Ask(command, [&](Connection* connection, const ReplyHead& head) {
    return ReadFigures(connection, head, [&](const std::string& name, uint64_t value) {
      if (name == "partitions") partitions = value;
    });
  }));
  if (partitions > kMaxRemotePartitions) return Named(Unexpected("ZK.STAT"));
  for (uint64_t i = 0; i < partitions; ++i) {
    zkdb_partition_stats before = *out;
    command.clear();
    const std::string number = std::to_string(i);
    full ? WriteCommand({"ZK.STAT", number, "FULL"}, &command) : WriteCommand({"ZK.STAT", number}, &command);
    const auto read = [&](Connection* connection, const ReplyHead& head) {
      *out = before;
      return ReadFigures(connection, head,
                         [&](const std::string& name, uint64_t value) { AddFigure(name, value, out); });
    };
    ZKDB_RETURN_IF_ERROR(Ask(command, read, full ? kLongWorkMs : 0));
  }
  return Status::Ok();
}

Status RemoteStore::Estimate(uint32_t, const KeyRange& range, uint64_t* records) {
  std::string command;
  CommandWriter writer(&command);
  const bool low = !range.lo.empty() || range.lo_exclusive;
  writer.Start(1 + (low ? 2 : 0) + (range.has_hi ? 2 : 0));
  writer.Add("ZK.ESTIMATE");
  if (low) writer.Add(range.lo_exclusive ? "GT" : "GTE"), writer.Add(range.lo);
  if (range.has_hi) writer.Add(range.hi_inclusive ? "LTE" : "LT"), writer.Add(range.hi);
  return Ask(command, [&](Connection*, const ReplyHead& head) {
    if (head.kind != ReplyKind::kInteger || head.integer < 0) return Unexpected("ZK.ESTIMATE");
    *records = static_cast<uint64_t>(head.integer);
    return Status::Ok();
  });
}

Status RemoteStore::Check(const Finding& finding, const Progress&, uint64_t* findings) {
  std::string command;
  WriteCommand({"ZK.CHECK"}, &command);
  std::vector<std::string> found;
  const auto read = [&](Connection* connection, const ReplyHead& head) {
    found.clear();
    if (head.kind != ReplyKind::kArray || head.size > kMaxFindings) return Unexpected("ZK.CHECK");
    for (uint64_t i = 0; i < head.size; ++i) {
      ReplyHead part;
      ZKDB_RETURN_IF_ERROR(connection->reader()->ReadHead(&part));
      if (part.kind != ReplyKind::kString || part.size > kMaxFindingBytes) return Unexpected("ZK.CHECK");
      ZKDB_RETURN_IF_ERROR(connection->reader()->AppendString(part.size, &found.emplace_back()));
    }
    return Status::Ok();
  };
  ZKDB_RETURN_IF_ERROR(Ask(command, read, kLongWorkMs));
  for (const std::string& what : found) {
    ++*findings;
    if (!finding(label_ + what)) return Status::Ok();
  }
  return Status::Ok();
}

}  // namespace zkdb
