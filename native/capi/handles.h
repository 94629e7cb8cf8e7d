// What the opaque handles of zkdb.h are, and the helpers that every function of the interface shares.
//
// Thread-safety: that of zkdb.h.
//
// Invariants:
//  1. No exception leaves an extern "C" function: each body runs inside Guarded.
//  2. Handles are made and freed here only.
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <string>

#include "core/dispatch/dispatcher.h"
#include "core/engine/engine.h"
#include "core/engine/transaction.h"
#include "include/zkdb.h"

struct zkdb_options {
  zkdb::EngineOptions engine;
  zkdb::TlsRelay tls_relay;
};

struct zkdb_db {
  std::shared_ptr<zkdb::Engine> engine;
  std::shared_ptr<zkdb::Dispatcher> dispatcher;  // nullptr: every partition is local; shared with cursors

  // The whole database's.
  const zkdb::DatabaseConfig& config() const { return engine->whole_config(); }
  const zkdb::Selector& selector() const { return engine->whole_selector(); }
};

struct zkdb_snapshot {
  std::shared_ptr<zkdb::Dispatcher> dispatcher;    // before the states of its stores; nullptr: all is local
  std::shared_ptr<zkdb::Snapshot> snapshot;        // of the local partitions; shared with the cursors that read it
  std::shared_ptr<zkdb::DispatchSnapshot> states;  // of all of them, with `dispatcher`
  bool is_local = false;                           // `states` has those of the local partitions alone
};

struct zkdb_txn {
  std::shared_ptr<zkdb::Transaction> transaction;  // shared with the cursors that read it
};

struct zkdb_router {
  zkdb::DatabaseConfig config;
  zkdb::Selector selector;
};

namespace zkdb::capi {

// Copies a failure to the caller's struct and returns its code.
zkdb_code Report(const Status& status, zkdb_error* err);
zkdb_code ReportNoMemory(zkdb_error* err);
// As Report; errors of opening and closing are urgent.
zkdb_code ReportUrgent(const Status& status, zkdb_error* err);

// Copies text into a fixed array, cut at a character boundary, always terminated.
void CopyText(const std::string& text, char* out, size_t capacity);

inline Slice BytesOf(const void* data, size_t size) {
  static const uint8_t kNothing = 0;
  return size == 0 ? Slice(&kNothing, 0) : Slice(static_cast<const uint8_t*>(data), size);
}

KeyRange RangeOf(const zkdb_range* range);
void DescribePartition(const DatabaseConfig& config, const Selector& selector, uint32_t index,
                       zkdb_partition_info* out);

// Runs `body` and turns running out of memory, or of threads, into a code.
template <typename Body>
zkdb_code Guarded(zkdb_error* err, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return ReportNoMemory(err);
  } catch (const std::exception& e) {
    return Report({ZKDB_IO, std::string("the system refused: ") + e.what()}, err);
  }
}

inline Progress ProgressOf(zkdb_progress progress, void* context) {
  if (progress == nullptr) return {};
  return [progress, context](uint64_t done, uint64_t total) { return progress(context, done, total) == 0; };
}

}  // namespace zkdb::capi
