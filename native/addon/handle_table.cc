// See handle_table.h.
#include "addon/handle_table.h"

#include <utility>

namespace zkdb::addon {

DbRef::~DbRef() { CloseNow(); }

void DbRef::CloseNow() {
  if (db == nullptr) return;
  // A failure has nobody to go to: the log holds every acknowledged commit, and the next open reports the damage.
  zkdb_close(std::exchange(db, nullptr), nullptr);
}

uint32_t HandleTable::Add(HandleKind kind, void* object, std::shared_ptr<DbRef> db, uint32_t parent) {
  uint32_t slot;
  const bool grow = free_slots_.empty() || handles_.size() < kMinSlots;
  if (!grow) {
    slot = free_slots_.front();
    free_slots_.pop_front();
  } else {
    if (handles_.size() >= kSlotMask) return 0;
    slot = static_cast<uint32_t>(handles_.size());
    handles_.emplace_back();
  }
  Handle& handle = handles_[slot];
  handle.kind = kind;
  handle.parent = parent;
  handle.transaction = 0;
  handle.serial = next_serial_++;
  handle.object = object;
  handle.db = std::move(db);
  return handle.generation << kSlotBits | slot;
}

uint64_t HandleTable::SerialOf(uint32_t id) const {
  const size_t slot = id & kSlotMask;
  if (slot >= handles_.size()) return 0;
  const Handle& handle = handles_[slot];
  return handle.kind != HandleKind::kFree && handle.generation == id >> kSlotBits ? handle.serial : 0;
}

void HandleTable::ReleaseCursorsOf(uint32_t transaction) {
  for (Handle& handle : handles_) {
    if (handle.kind == HandleKind::kCursor && handle.transaction == transaction) Release(&handle);
  }
}

std::shared_ptr<void> HandleTable::Lend(Handle* handle) {
  if (handle->loan == nullptr) {
    const HandleKind kind = handle->kind;
    handle->loan = std::shared_ptr<void>(handle->object, [kind](void* object) { CloseObject(kind, object); });
  }
  return handle->loan;
}

void HandleTable::Release(Handle* handle) {
  void* object = std::exchange(handle->object, nullptr);
  const HandleKind kind = handle->kind;
  const std::shared_ptr<void> loan = std::move(handle->loan);
  Free(handle);
  if (loan == nullptr) CloseObject(kind, object);
}

void HandleTable::CloseObject(HandleKind kind, void* object) {
  switch (kind) {
    case HandleKind::kSnapshot: zkdb_snapshot_close(static_cast<zkdb_snapshot*>(object)); break;
    case HandleKind::kCursor: zkdb_cursor_close(static_cast<zkdb_cursor*>(object)); break;
    case HandleKind::kTxn:
      if (object != nullptr) zkdb_txn_abort(static_cast<zkdb_txn*>(object));
      break;
    case HandleKind::kDb:
    case HandleKind::kFree: break;
  }
}

void HandleTable::Free(Handle* handle) {
  handle->kind = HandleKind::kFree;
  handle->generation = handle->generation == kGenerationMask ? 1 : handle->generation + 1;
  handle->parent = 0;
  handle->db.reset();
  free_slots_.push_back(static_cast<uint32_t>(handle - handles_.data()));
}

std::shared_ptr<DbRef> HandleTable::Detach(uint32_t db_id) {
  Handle* database = Find(db_id, HandleKind::kDb);
  if (database == nullptr) return nullptr;
  // Cursors first: one may read the state of a transaction.
  for (Handle& handle : handles_) {
    if (handle.kind == HandleKind::kCursor && handle.parent == db_id) Release(&handle);
  }
  for (Handle& handle : handles_) {
    if (handle.kind != HandleKind::kFree && handle.kind != HandleKind::kDb && handle.parent == db_id) Release(&handle);
  }
  std::shared_ptr<DbRef> ref = std::move(database->db);
  Free(database);
  return ref;
}

void HandleTable::ReleaseAll() {
  for (size_t slot = 0; slot < handles_.size(); ++slot) {
    if (handles_[slot].kind != HandleKind::kDb) continue;
    const uint32_t id = handles_[slot].generation << kSlotBits | static_cast<uint32_t>(slot);
    std::shared_ptr<DbRef> ref = Detach(id);
    ref->abandoned = true;
    if (ref->jobs_in_flight == 0) ref->CloseNow();
  }
}

}  // namespace zkdb::addon
