// zkdb.h: scans.
#include "capi/handles.h"
#include "core/engine/scan.h"

using zkdb::Status;
using zkdb::capi::BytesOf;
using zkdb::capi::Guarded;
using zkdb::capi::Report;

struct zkdb_cursor {
  std::shared_ptr<zkdb::Transaction> transaction;  // before the scan, which reads it
  std::unique_ptr<zkdb::DatabaseScan> scan;
  std::shared_ptr<zkdb::Dispatcher> dispatcher;  // before the scan of its stores
  std::unique_ptr<zkdb::MixedScan> mixed;        // instead of `scan`, where partitions are remote
};

namespace {

constexpr uint32_t kScanFlags = ZKDB_SCAN_REVERSE | ZKDB_SCAN_NO_KEYS | ZKDB_SCAN_NO_VALUES | ZKDB_SCAN_UNORDERED |
                                ZKDB_SCAN_PARTIAL | ZKDB_SCAN_PIN_LATER;

// A snapshot or transaction means something in its own database only.
Status CheckScan(const zkdb_db* db, const zkdb_snapshot* snapshot, const zkdb_txn* txn, uint32_t scan_flags) {
  if (db->engine->closed()) return db->engine->ClosedStatus();
  if ((scan_flags & ~kScanFlags) != 0) return Status::Invalid("unknown scan flags: " + std::to_string(scan_flags));
  if (txn != nullptr && txn->transaction->engine() != db->engine) {
    return Status::Invalid("the transaction belongs to another database");
  }
  if (snapshot != nullptr && snapshot->snapshot->engine() != db->engine) {
    return Status::Invalid("the snapshot belongs to another database");
  }
  if (snapshot != nullptr && snapshot->is_local) {
    return Status::Invalid("the snapshot is of local partitions alone: scan with one of zkdb_snapshot_open");
  }
  return Status::Ok();
}

}  // namespace

extern "C" {

zkdb_code zkdb_cursor_open(zkdb_db* db, zkdb_snapshot* snapshot, zkdb_txn* txn, const zkdb_range* range,
                           uint32_t scan_flags, zkdb_cursor** out, zkdb_error* err) {
  return Guarded(err, [&] {
    Status status = CheckScan(db, snapshot, txn, scan_flags);
    if (!status.ok()) return Report(status, err);
    zkdb::ScanOptions options;
    options.reverse = (scan_flags & ZKDB_SCAN_REVERSE) != 0;
    options.no_keys = (scan_flags & ZKDB_SCAN_NO_KEYS) != 0;
    options.no_values = (scan_flags & ZKDB_SCAN_NO_VALUES) != 0;
    options.unordered = (scan_flags & ZKDB_SCAN_UNORDERED) != 0;
    options.pin_later = (scan_flags & ZKDB_SCAN_PIN_LATER) != 0;
    const zkdb::KeyRange keys = zkdb::capi::RangeOf(range);
    auto cursor = std::make_unique<zkdb_cursor>();
    if (txn != nullptr) {
      cursor->transaction = txn->transaction;
      status = zkdb::DatabaseScan::Open(txn->transaction.get(), keys, options, &cursor->scan);
    } else if (db->dispatcher != nullptr) {
      // A snapshot of another handle of the database has that one's connections.
      cursor->dispatcher = snapshot != nullptr ? snapshot->dispatcher : db->dispatcher;
      const bool partial = (scan_flags & ZKDB_SCAN_PARTIAL) != 0;
      status = cursor->dispatcher->OpenScan(snapshot != nullptr ? snapshot->states : nullptr, keys, options, partial,
                                            &cursor->mixed);
    } else {
      auto pinned = snapshot != nullptr ? snapshot->snapshot : std::make_shared<zkdb::Snapshot>(db->engine);
      status = zkdb::DatabaseScan::Open(std::move(pinned), keys, options, &cursor->scan);
    }
    if (!status.ok()) return Report(status, err);
    *out = cursor.release();
    return ZKDB_OK;
  });
}

zkdb_code zkdb_cursor_next(zkdb_cursor* cursor, void* buffer, size_t capacity, uint32_t max_records, size_t* used,
                           uint32_t* count, int* done, zkdb_error* err) {
  return Guarded(err, [&] {
    bool ended = false;
    bool too_small = false;
    auto* const to = static_cast<uint8_t*>(buffer);
    const Status status = cursor->mixed == nullptr
                              ? cursor->scan->Pack(to, capacity, max_records, used, count, &ended, &too_small)
                              : cursor->mixed->Pack(to, capacity, max_records, used, count, &ended, &too_small);
    *done = ended ? 1 : 0;
    if (!status.ok()) return Report(status, err);
    return too_small ? ZKDB_BUFFER_TOO_SMALL : ZKDB_OK;
  });
}

zkdb_code zkdb_cursor_seek(zkdb_cursor* cursor, const void* key, size_t key_size, zkdb_error* err) {
  return Guarded(err, [&] {
    const zkdb::Slice bytes = BytesOf(key, key_size);
    return Report(cursor->mixed == nullptr ? cursor->scan->Seek(bytes) : cursor->mixed->Seek(bytes), err);
  });
}

int zkdb_cursor_is_remote(const zkdb_cursor* cursor) {
  return cursor->mixed != nullptr && cursor->mixed->has_remote() ? 1 : 0;
}

zkdb_code zkdb_cursor_missing(const zkdb_cursor* cursor, uint32_t index, zkdb_missing* out) {
  if (cursor->mixed == nullptr || index >= cursor->mixed->missing().size()) return ZKDB_NOT_FOUND;
  const zkdb::MissingPart& part = cursor->mixed->missing()[index];
  *out = zkdb_missing{};
  out->partition = part.partition;
  out->code = part.reason.code();
  out->from = part.has_from ? part.from.data() : nullptr;
  out->from_size = part.from.size();
  zkdb::capi::CopyText(part.reason.message(), out->message, sizeof out->message);
  return ZKDB_OK;
}

void zkdb_cursor_close(zkdb_cursor* cursor) { delete cursor; }

}  // extern "C"
