#include "torture/memory_env.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/base/assert.h"

namespace zkdb::test {
namespace {

constexpr uint64_t kFrameBlock = 2u << 20;
const char* const kKindNames[] = {"write", "truncate", "allocate", "sync",          "create",
                                  "mkdir", "rename",   "remove",   "sync directory"};

std::string BaseOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string FsOp::Describe() const {
  std::string text = std::string(kKindNames[static_cast<size_t>(kind)]) + " " + path;
  if (kind == Kind::kWrite) text += " at " + std::to_string(offset) + " " + std::to_string(bytes.size()) + " bytes";
  if (kind == Kind::kTruncate || kind == Kind::kAllocate) text += " to " + std::to_string(size);
  return kind == Kind::kRename ? text + " to " + to : text;
}

// ---- files ---------------------------------------------------------------------------------------------------------

class MemoryFile : public File {
 public:
  MemoryFile(MemoryEnv* env, MemoryEnv::NodePtr node, std::string path)
      : env_(env), node_(std::move(node)), path_(std::move(path)) {}

  using File::Write;
  Status Read(uint64_t offset, void* buffer, size_t n, size_t* got) override {
    const std::lock_guard<std::mutex> lock(env_->mutex_);
    *got = offset >= node_->length ? 0 : std::min<uint64_t>(n, node_->length - offset);
    if (*got > 0) std::memcpy(buffer, node_->bytes + offset, *got);
    return Status::Ok();
  }

  Status Write(uint64_t offset, const Slice* parts, size_t count) override {
    ZKDB_RETURN_IF_ERROR(env_->Failure("write", path_));
    FsOp op = NewOp(FsOp::Kind::kWrite);
    op.offset = offset;
    for (size_t i = 0; i < count; ++i) op.bytes.append(reinterpret_cast<const char*>(parts[i].data), parts[i].size);
    return Do(std::move(op), offset + op.bytes.size());
  }
  Status Sync() override {
    ZKDB_RETURN_IF_ERROR(env_->Failure("sync", path_));
    env_->Tell(NewOp(FsOp::Kind::kSync));
    return Status::Ok();
  }
  Status Allocate(uint64_t offset, uint64_t size) override {
    ZKDB_RETURN_IF_ERROR(env_->Failure("allocate", path_));
    FsOp op = NewOp(FsOp::Kind::kAllocate);
    op.size = offset + size;
    return Do(std::move(op), offset + size);
  }
  Status Truncate(uint64_t size) override {
    ZKDB_RETURN_IF_ERROR(env_->Failure("truncate", path_));
    FsOp op = NewOp(FsOp::Kind::kTruncate);
    op.size = size;
    return Do(std::move(op), size);
  }
  Status Size(uint64_t* size) override {
    const std::lock_guard<std::mutex> lock(env_->mutex_);
    *size = node_->length;
    return Status::Ok();
  }
  Status Map(uint64_t size, const uint8_t** address) override {
    if (size > env_->most_) return Status::Io("map '" + path_ + "': larger than a file of this file system can be");
    const std::lock_guard<std::mutex> lock(env_->mutex_);
    *address = node_->bytes;
    env_->maps_.emplace(node_->bytes, node_);
    return Status::Ok();
  }
  const std::string& path() const override { return path_; }

 private:
  FsOp NewOp(FsOp::Kind kind) const {
    FsOp op;
    op.kind = kind;
    op.id = node_->id;
    op.path = path_;
    return op;
  }
  Status Do(FsOp&& op, uint64_t end) {
    if (end > env_->most_) return Status::NoSpace("'" + path_ + "': larger than a file of this file system can be");
    {
      const std::lock_guard<std::mutex> lock(env_->mutex_);
      env_->Apply(op);
    }
    env_->Tell(std::move(op));
    return Status::Ok();
  }

  MemoryEnv* env_;
  MemoryEnv::NodePtr node_;
  std::string path_;
};

class MemoryLock : public FileLock {
 public:
  MemoryLock(MemoryEnv* env, std::string path) : env_(env), path_(std::move(path)) {}
  ~MemoryLock() override {
    const std::lock_guard<std::mutex> lock(env_->mutex_);
    env_->locks_.erase(path_);
  }

 private:
  MemoryEnv* env_;
  std::string path_;
};

// ---- content and names ---------------------------------------------------------------------------------------------

MemoryEnv::MemoryEnv(uint64_t seed, uint64_t most) : most_(most), random_(seed) {}

MemoryEnv::~MemoryEnv() {
  undo_.clear();
  names_.clear();
  nodes_.clear();
  maps_.clear();
  for (uint8_t* region : regions_) munmap(region, most_);
  for (uint8_t* chunk : chunks_) munmap(chunk, chunk_size_);
}

uint8_t* MemoryEnv::TakeRegion() {
  if (regions_.empty()) {
    void* at = mmap(nullptr, most_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ZKDB_ASSERT(at != MAP_FAILED);
    return static_cast<uint8_t*>(at);
  }
  uint8_t* region = regions_.back();
  regions_.pop_back();
  return region;
}

void MemoryEnv::GiveRegion(uint8_t* region, uint64_t used) {
  std::memset(region, 0, used);
  regions_.push_back(region);
}

MemoryEnv::NodePtr MemoryEnv::NodeOf(uint64_t id) {
  NodePtr& node = nodes_[id];
  if (node != nullptr) return node;
  node.reset(new Node{this, id, TakeRegion()});
  next_id_ = std::max(next_id_, id + 1);
  if (marks_ > 0) undo_.push_back({Undo::Kind::kNode, nullptr, id, 0, 0, {}, {}});
  return node;
}

// Keeps the bytes [offset, offset + size) as far as there are any, and the length.
void MemoryEnv::NoteContent(const NodePtr& node, uint64_t offset, uint64_t size) {
  if (marks_ == 0) return;
  const uint64_t end = std::min(offset + size, node->used);
  std::string bytes;
  if (end > offset) bytes.assign(reinterpret_cast<const char*>(node->bytes) + offset, end - offset);
  undo_.push_back({Undo::Kind::kContent, node, size, offset, node->length, std::move(bytes), {}});
}

void MemoryEnv::WriteAt(const NodePtr& node, uint64_t offset, const uint8_t* bytes, uint64_t size) {
  if (size == 0) return;
  NoteContent(node, offset, size);
  std::memcpy(node->bytes + offset, bytes, size);
  node->length = std::max(node->length, offset + size);
  node->used = std::max(node->used, offset + size);
}

void MemoryEnv::SetLength(const NodePtr& node, uint64_t length) {
  const uint64_t cut = std::max(node->used, length) - length;
  NoteContent(node, length, cut);
  if (cut > 0) std::memset(node->bytes + length, 0, cut);
  node->used = std::min(node->used, length);
  node->length = length;
}

void MemoryEnv::SetName(const std::string& path, NodePtr node) {
  NodePtr& at = names_[path];
  if (marks_ > 0) undo_.push_back({Undo::Kind::kName, at, 0, 0, 0, {}, path});
  at = std::move(node);
  if (at == nullptr) names_.erase(path);
}

// Takes the name away while it leads to that file.
void MemoryEnv::DropName(const std::string& path, uint64_t id) {
  const auto at = names_.find(path);
  if (at != names_.end() && at->second->id == id) SetName(path, nullptr);
}

void MemoryEnv::AddDirectory(const std::string& path) {
  if (!directories_.insert(path).second) return;
  if (marks_ > 0) undo_.push_back({Undo::Kind::kDirectory, nullptr, 0, 0, 0, {}, path});
}

bool MemoryEnv::HasFolder(const std::string& path) const {
  const std::string folder = FolderOf(path);
  return folder.empty() || directories_.contains(folder);
}

void MemoryEnv::Apply(const FsOp& op, uint64_t from, uint64_t to) {
  switch (op.kind) {
    case FsOp::Kind::kWrite: {
      to = std::min<uint64_t>(to, op.bytes.size());
      if (from >= to) break;
      WriteAt(NodeOf(op.id), op.offset + from, reinterpret_cast<const uint8_t*>(op.bytes.data()) + from, to - from);
      break;
    }
    case FsOp::Kind::kTruncate: SetLength(NodeOf(op.id), op.size); break;
    case FsOp::Kind::kAllocate: {
      const NodePtr node = NodeOf(op.id);
      if (op.size > node->length) SetLength(node, op.size);
      break;
    }
    case FsOp::Kind::kCreate:
      if (HasFolder(op.path)) SetName(op.path, NodeOf(op.id));
      break;
    case FsOp::Kind::kMakeDirectory:
      if (HasFolder(op.path)) AddDirectory(op.path);
      break;
    case FsOp::Kind::kRename:
      DropName(op.path, op.id);
      if (HasFolder(op.to)) SetName(op.to, NodeOf(op.id));
      break;
    case FsOp::Kind::kRemove: DropName(op.path, op.id); break;
    case FsOp::Kind::kSync:
    case FsOp::Kind::kSyncDirectory: break;
  }
}

size_t MemoryEnv::Mark() {
  ++marks_;
  return undo_.size();
}

void MemoryEnv::Rollback(size_t mark) {
  ZKDB_ASSERT(marks_ > 0 && maps_.empty() && locks_.empty());
  for (; undo_.size() > mark; undo_.pop_back()) TakeBack(&undo_.back());
  --marks_;
}

void MemoryEnv::TakeBack(Undo* undo) {
  switch (undo->kind) {
    case Undo::Kind::kContent: {
      Node& node = *undo->node;
      // Here `id` is the size of the range: what lay in it beyond the bytes that were kept was zero.
      const uint64_t end = std::min(undo->offset + undo->id, std::max(node.used, undo->offset));
      const uint64_t kept = undo->offset + undo->bytes.size();
      std::memcpy(node.bytes + undo->offset, undo->bytes.data(), undo->bytes.size());
      if (end > kept) std::memset(node.bytes + kept, 0, end - kept);
      node.used = std::max(node.used, kept);
      node.length = undo->length;
      break;
    }
    case Undo::Kind::kName:
      if (undo->node == nullptr) {
        names_.erase(undo->path);
      } else {
        names_[undo->path] = undo->node;
      }
      break;
    case Undo::Kind::kNode: nodes_.erase(undo->id); break;
    case Undo::Kind::kDirectory: directories_.erase(undo->path); break;
  }
}

void MemoryEnv::PutFile(const std::string& path, const std::string& content) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    directories_.insert(path.substr(0, slash));
  }
  const NodePtr node = NodeOf(next_id_);
  WriteAt(node, 0, reinterpret_cast<const uint8_t*>(content.data()), content.size());
  SetName(path, node);
}

// ---- the Env -------------------------------------------------------------------------------------------------------

Status MemoryEnv::Failure(const char* call, const std::string& path) const {
  if (failure_.ok()) return Status::Ok();
  return {failure_.code(), std::string(call) + " '" + path + "': " + failure_.message()};
}

Status MemoryEnv::Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) {
  FsOp op;
  NodePtr node;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto at = names_.find(path);
    if (at != names_.end()) node = at->second;
    if (node != nullptr && mode == OpenMode::kCreateExclusive) return Status::Io("open '" + path + "': File exists");
    const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
    if (node == nullptr && (!creates || !HasFolder(path))) {
      return Status::Io("open '" + path + "': No such file or directory");
    }
    if (node == nullptr) {
      ZKDB_RETURN_IF_ERROR(Failure("open", path));
      op.kind = FsOp::Kind::kCreate;
      op.id = next_id_;
      op.path = path;
      Apply(op);
      node = NodeOf(op.id);
    }
  }
  if (op.id != 0) Tell(std::move(op));
  *out = std::make_unique<MemoryFile>(this, std::move(node), path);
  return Status::Ok();
}

void MemoryEnv::Unmap(const uint8_t* address, uint64_t) {
  const std::lock_guard<std::mutex> lock(mutex_);
  maps_.erase(maps_.find(address));
}

// The lock file itself is not made: nothing depends on it after a crash.
Status MemoryEnv::Lock(const std::string& path, std::unique_ptr<FileLock>* out) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!HasFolder(path)) return Status::Io("open '" + path + "': No such file or directory");
  if (!locks_.insert(path).second) return {ZKDB_LOCKED, "'" + path + "' is locked: the database is open"};
  *out = std::make_unique<MemoryLock>(this, path);
  return Status::Ok();
}

bool MemoryEnv::Exists(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return names_.contains(path) || directories_.contains(path);
}

Status MemoryEnv::CreateDirectory(const std::string& path) {
  if (path.empty() || Exists(path)) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(CreateDirectory(FolderOf(path)));
  ZKDB_RETURN_IF_ERROR(Failure("mkdir", path));
  FsOp op;
  op.kind = FsOp::Kind::kMakeDirectory;
  op.path = path;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    Apply(op);
  }
  Tell(std::move(op));
  return SyncDirectory(FolderOf(path));
}

Status MemoryEnv::List(const std::string& path, std::vector<std::string>* names) {
  const std::lock_guard<std::mutex> lock(mutex_);
  names->clear();
  if (!directories_.contains(path)) return Status::Io("opendir '" + path + "': No such file or directory");
  const auto add = [&](const std::string& name) {
    if (FolderOf(name) == path) names->push_back(BaseOf(name));
  };
  const std::string begin = path + "/";
  const std::string end = path + "0";  // '0' follows '/'
  for (auto at = names_.lower_bound(begin); at != names_.end() && at->first < end; ++at) add(at->first);
  for (auto at = directories_.lower_bound(begin); at != directories_.end() && *at < end; ++at) add(*at);
  std::sort(names->begin(), names->end());
  return Status::Ok();
}

Status MemoryEnv::Remove(const std::string& path) {
  ZKDB_RETURN_IF_ERROR(Failure("remove", path));
  FsOp op;
  op.kind = FsOp::Kind::kRemove;
  op.path = path;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto at = names_.find(path);
    if (at == names_.end()) return Status::Io("remove '" + path + "': No such file or directory");
    op.id = at->second->id;
    Apply(op);
  }
  Tell(std::move(op));
  return Status::Ok();
}

Status MemoryEnv::Rename(const std::string& from, const std::string& to) {
  ZKDB_RETURN_IF_ERROR(Failure("rename", from));
  FsOp op;
  op.kind = FsOp::Kind::kRename;
  op.path = from;
  op.to = to;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto at = names_.find(from);
    if (at == names_.end()) return Status::Io("rename '" + from + "': No such file or directory");
    op.id = at->second->id;
    Apply(op);
  }
  Tell(std::move(op));
  return Status::Ok();
}

Status MemoryEnv::SyncDirectory(const std::string& path) {
  ZKDB_RETURN_IF_ERROR(Failure("sync", path));
  FsOp op;
  op.kind = FsOp::Kind::kSyncDirectory;
  op.path = path;
  Tell(std::move(op));
  return Status::Ok();
}

Status MemoryEnv::RealPath(const std::string& path, std::string* out) {
  *out = path;
  return Status::Ok();
}

Status MemoryEnv::ReadFile(const std::string& path, uint64_t limit, std::string* out) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto at = names_.find(path);
  if (at == names_.end()) return Status::Io("open '" + path + "': No such file or directory");
  const Node& node = *at->second;
  if (node.length > limit) return Status::Invalid("'" + path + "' is larger than the most that is read");
  out->assign(reinterpret_cast<const char*>(node.bytes), node.length);
  return Status::Ok();
}

uint8_t* MemoryEnv::AllocateMemory(uint64_t size) {
  if (size < kFrameBlock) return static_cast<uint8_t*>(std::calloc(1, size));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (size == chunk_size_ && !chunks_.empty()) {
    uint8_t* chunk = chunks_.back();
    chunks_.pop_back();
    return chunk;
  }
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  if (chunk_size_ == 0) chunk_size_ = size;
  return static_cast<uint8_t*>(at);
}

void MemoryEnv::FreeMemory(uint8_t* address, uint64_t size) {
  if (size < kFrameBlock) return std::free(address);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (size == chunk_size_) return chunks_.push_back(address);
  munmap(address, size);
}

uint64_t MemoryEnv::MonotonicMs() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return clock_ms_;
}

uint64_t MemoryEnv::WallClockMs() { return MonotonicMs(); }

void MemoryEnv::Random(void* buffer, size_t n) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto* to = static_cast<uint8_t*>(buffer);
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<uint8_t>(random_());
}

}  // namespace zkdb::test
