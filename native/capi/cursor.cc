// zkdb.h: scans.
#include "capi/handles.h"
#include "core/engine/scan.h"

using zkdb::Status;
using zkdb::capi::BytesOf;
using zkdb::capi::Guarded;
using zkdb::capi::Report;

struct zkdb_cursor {
  std::unique_ptr<zkdb::DatabaseScan> scan;
};

extern "C" {

zkdb_code zkdb_cursor_open(zkdb_db* db, zkdb_snapshot* snapshot, zkdb_txn* txn, const zkdb_range* range,
                           uint32_t scan_flags, zkdb_cursor** out, zkdb_error* err) {
  return Guarded(err, [&] {
    if (db->engine->closed()) return Report(db->engine->ClosedStatus(), err);
    zkdb::ScanOptions options;
    options.reverse = (scan_flags & ZKDB_SCAN_REVERSE) != 0;
    options.no_keys = (scan_flags & ZKDB_SCAN_NO_KEYS) != 0;
    options.no_values = (scan_flags & ZKDB_SCAN_NO_VALUES) != 0;
    options.unordered = (scan_flags & ZKDB_SCAN_UNORDERED) != 0;
    const zkdb::KeyRange keys = zkdb::capi::RangeOf(range);
    auto cursor = std::make_unique<zkdb_cursor>();
    Status status;
    if (txn != nullptr) {
      status = zkdb::DatabaseScan::Open(txn->transaction.get(), keys, options, &cursor->scan);
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
    const Status status =
        cursor->scan->Pack(static_cast<uint8_t*>(buffer), capacity, max_records, used, count, &ended, &too_small);
    *done = ended ? 1 : 0;
    if (!status.ok()) return Report(status, err);
    return too_small ? ZKDB_BUFFER_TOO_SMALL : ZKDB_OK;
  });
}

zkdb_code zkdb_cursor_seek(zkdb_cursor* cursor, const void* key, size_t key_size, zkdb_error* err) {
  return Guarded(err, [&] { return Report(cursor->scan->Seek(BytesOf(key, key_size)), err); });
}

void zkdb_cursor_close(zkdb_cursor* cursor) { delete cursor; }

}  // extern "C"
