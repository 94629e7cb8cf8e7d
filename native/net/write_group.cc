#include "net/write_group.h"

#include <algorithm>
#include <functional>
#include <new>
#include <span>
#include <string>

namespace zkdb::net {

namespace {

constexpr size_t kMaxGroupBytes = size_t{8} << 20;

using Sessions = std::span<Session* const>;

// The batches of all, one behind the other; empty when there is no memory for it.
std::string Join(Sessions sessions, size_t bytes) {
  std::string joined;
  try {
    joined.reserve(bytes);
  } catch (const std::bad_alloc&) {
    return joined;
  }
  for (const Session* session : sessions) {
    const Slice batch = session->pending_writes().bytes();
    joined.append(reinterpret_cast<const char*>(batch.data), batch.size);
  }
  return joined;
}

void Write(Slice batch, Sessions sessions) {
  zkdb_error error{};
  // Commands of their own: where one batch cannot be atomic (isolated partitions), it need not be.
  const zkdb_code code = zkdb_write(sessions[0]->pending_database(), batch.data, batch.size, ZKDB_DURABILITY_DEFAULT,
                                    ZKDB_WRITE_NON_ATOMIC, nullptr, &error);
  for (Session* session : sessions) session->FinishWrites(code, error);
}

void WriteGroup(Sessions sessions, size_t bytes) {
  if (sessions.size() > 1) {
    const std::string joined = Join(sessions, bytes);
    if (!joined.empty()) return Write(joined, sessions);
  }
  for (size_t i = 0; i < sessions.size(); ++i) Write(sessions[i]->pending_writes().bytes(), sessions.subspan(i, 1));
}

}  // namespace

void WriteTogether(std::vector<Session*>* sessions) {
  std::sort(sessions->begin(), sessions->end(), [](const Session* a, const Session* b) {
    return std::less<const zkdb_db*>()(a->pending_database(), b->pending_database());
  });
  const Sessions all(*sessions);
  for (size_t from = 0; from < all.size();) {
    size_t bytes = 0;
    size_t to = from;
    while (to < all.size() && all[to]->pending_database() == all[from]->pending_database() && bytes < kMaxGroupBytes) {
      bytes += all[to++]->pending_writes().bytes().size;
    }
    WriteGroup(all.subspan(from, to - from), bytes);
    from = to;
  }
}

}  // namespace zkdb::net
