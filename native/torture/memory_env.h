// A whole file system in memory: no system call per file operation, every change can be watched, and all of them can be
// taken back. A power-cut test makes a disk with it as a crash left it, opens the database there, and takes back
// whatever that did, in microseconds.
//
// Content and names are apart, as on a disk: a file is its inode, names lead to it, and both change separately. The
// file `id` is the number that an FsOp calls it by.
//
// Thread-safety: as Env. Apply, Mark, Rollback, SetObserver and SetFailure are called when no other thread is inside.
//
// Invariants:
//  1. Bytes of a file beyond its length are zero.
//  2. A name lies in a directory that is there.
//  3. Rollback restores names, lengths and content byte for byte; files opened since the Mark are closed before it.
//  4. Nothing depends on time or chance: clocks count calls and Random continues from the seed.
//
// Unlike the contract of Env::AllocateMemory, blocks of 2 MiB and more come back as they were given back: they are the
// page frames, whose content is undefined.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/os/env.h"

namespace zkdb::test {

// One operation that changes a disk or makes changes durable.
struct FsOp {
  enum class Kind : uint8_t {
    kWrite,          // `bytes` at `offset` of file `id`
    kTruncate,       // to `size`
    kAllocate,       // length at least `size`
    kSync,           // of file `id`
    kCreate,         // `path` leads to the new file `id`
    kMakeDirectory,  // `path`
    kRename,         // file `id` from `path` to `to`
    kRemove,         // `path` of file `id`
    kSyncDirectory   // `path`
  };
  Kind kind = Kind::kWrite;
  uint64_t id = 0;
  uint64_t offset = 0;
  uint64_t size = 0;
  std::string bytes;
  std::string path;
  std::string to;

  bool is_content() const { return kind <= Kind::kAllocate; }
  bool is_sync() const { return kind == Kind::kSync || kind == Kind::kSyncDirectory; }
  // For a person: kind, path or file, place.
  std::string Describe() const;
};

// The folder of a path; "" for one without.
std::string FolderOf(const std::string& path);

class MemoryEnv : public Env {
 public:
  // A file can have up to `most` bytes: beyond that the disk is full.
  explicit MemoryEnv(uint64_t seed, uint64_t most = 4u << 20);
  ~MemoryEnv() override;
  MemoryEnv(const MemoryEnv&) = delete;
  MemoryEnv& operator=(const MemoryEnv&) = delete;

  // Is told of each operation after it was done, outside every lock.
  using Observer = std::function<void(FsOp&&)>;
  void SetObserver(Observer observer) { observer_ = std::move(observer); }
  // From now on every call that would change or sync something fails with this; Ok: no more.
  void SetFailure(Status failure) { failure_ = std::move(failure); }
  void SetSeed(uint64_t seed) { random_.seed(seed); }

  // Makes a durable file with this content, and its folders; no observer is told.
  void PutFile(const std::string& path, const std::string& content);

  // Does what `op` did; of a write only the bytes [from, to) of it. Syncs change nothing.
  void Apply(const FsOp& op, uint64_t from = 0, uint64_t to = UINT64_MAX);

  // From here on changes are noted, so that they can be taken back. Marks may be nested.
  size_t Mark();
  // Takes back everything since `mark`, which is then no more.
  void Rollback(size_t mark);

  Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) override;
  void Unmap(const uint8_t* address, uint64_t size) override;
  Status Lock(const std::string& path, std::unique_ptr<FileLock>* out) override;
  bool Exists(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status List(const std::string& path, std::vector<std::string>* names) override;
  Status Remove(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status SyncDirectory(const std::string& path) override;
  Status RealPath(const std::string& path, std::string* out) override;
  Status ReadFile(const std::string& path, uint64_t limit, std::string* out) override;
  uint8_t* AllocateMemory(uint64_t size) override;
  void FreeMemory(uint8_t* address, uint64_t size) override;
  uint64_t MonotonicMs() override;
  uint64_t WallClockMs() override;
  void Random(void* buffer, size_t n) override;

 private:
  friend class MemoryFile;
  friend class MemoryLock;

  struct Node {
    MemoryEnv* env;
    uint64_t id;
    uint8_t* bytes;       // reserved for `most` bytes
    uint64_t length = 0;  // bytes of the file
    uint64_t used = 0;    // bytes that may be other than zero
    ~Node() { env->GiveRegion(bytes, used); }
  };
  using NodePtr = std::shared_ptr<Node>;

  // How to take one change back.
  struct Undo {
    enum class Kind : uint8_t { kContent, kName, kNode, kDirectory } kind;
    NodePtr node;     // content: whose; name: what the path led to, or null
    uint64_t id = 0;  // node: whose
    uint64_t offset = 0;
    uint64_t length = 0;
    std::string bytes;
    std::string path;
  };

  uint8_t* TakeRegion();
  void GiveRegion(uint8_t* region, uint64_t used);
  NodePtr NodeOf(uint64_t id);
  void NoteContent(const NodePtr& node, uint64_t offset, uint64_t size);
  void WriteAt(const NodePtr& node, uint64_t offset, const uint8_t* bytes, uint64_t size);
  void SetLength(const NodePtr& node, uint64_t length);
  void SetName(const std::string& path, NodePtr node);
  void DropName(const std::string& path, uint64_t id);
  void AddDirectory(const std::string& path);
  bool HasFolder(const std::string& path) const;
  void TakeBack(Undo* undo);
  void Tell(FsOp&& op) {
    if (observer_) observer_(std::move(op));
  }
  Status Failure(const char* call, const std::string& path) const;

  const uint64_t most_;
  std::mutex mutex_;
  Observer observer_;
  Status failure_;
  std::mt19937_64 random_;
  uint64_t clock_ms_ = 1000000;
  uint64_t next_id_ = 1;
  std::vector<uint8_t*> regions_;  // free ones, all zero
  std::vector<uint8_t*> chunks_;   // free memory blocks of chunk_size_
  uint64_t chunk_size_ = 0;
  std::unordered_map<uint64_t, NodePtr> nodes_;
  std::map<std::string, NodePtr> names_;
  std::set<std::string> directories_;
  std::set<std::string> locks_;
  std::multimap<const uint8_t*, NodePtr> maps_;
  std::vector<Undo> undo_;
  size_t marks_ = 0;
};

}  // namespace zkdb::test
