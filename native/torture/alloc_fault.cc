#include "torture/alloc_fault.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace zkdb::test {
namespace {

constexpr size_t kHead = alignof(std::max_align_t);  // bytes before a block: whose it is

std::atomic<bool> armed{false};
std::atomic<bool> lasting{false};
std::atomic<bool> failed{false};
std::atomic<uint64_t> fail_at{0};
std::atomic<uint64_t> number{0};
std::atomic<int64_t> live_blocks{0};
thread_local bool is_test = false;

}  // namespace

void AllocFault::Arm(uint64_t at, bool lasts) {
  fail_at = at;
  lasting = lasts;
  failed = false;
  number = 0;
  armed = true;
}

uint64_t AllocFault::Disarm() {
  armed = false;
  return number.load();
}

bool AllocFault::fired() { return failed.load(); }

bool AllocFault::Fails() {
  if (!armed.load(std::memory_order_relaxed) || is_test) return false;
  const uint64_t mine = number.fetch_add(1, std::memory_order_relaxed);
  const uint64_t at = fail_at.load(std::memory_order_relaxed);
  if (mine != at && !(lasting.load(std::memory_order_relaxed) && mine > at)) return false;
  failed.store(true, std::memory_order_relaxed);
  return true;
}

int64_t AllocFault::live() { return live_blocks.load(); }

void TestThread() { is_test = true; }
bool InTest() { return is_test; }

EngineScope::EngineScope() : before_(is_test) { is_test = false; }
EngineScope::~EngineScope() { is_test = before_; }
TestScope::TestScope() : before_(is_test) { is_test = true; }
TestScope::~TestScope() { is_test = before_; }

namespace {

void* Allocate(size_t size) {
  if (AllocFault::Fails()) throw std::bad_alloc();
  auto* block = static_cast<std::byte*>(std::malloc(size + kHead));
  if (block == nullptr) throw std::bad_alloc();
  const bool counted = !is_test;
  *reinterpret_cast<bool*>(block) = counted;
  if (counted) live_blocks.fetch_add(1, std::memory_order_relaxed);
  return block + kHead;
}

void* AllocateQuietly(size_t size) noexcept {
  try {
    return Allocate(size);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void Free(void* at) {
  if (at == nullptr) return;
  std::byte* block = static_cast<std::byte*>(at) - kHead;
  if (*reinterpret_cast<bool*>(block)) live_blocks.fetch_sub(1, std::memory_order_relaxed);
  std::free(block);
}

void* AllocateAligned(size_t size, std::align_val_t alignment) {
  if (AllocFault::Fails()) throw std::bad_alloc();
  const auto unit = static_cast<size_t>(alignment);
  void* at = std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
  if (at == nullptr) throw std::bad_alloc();
  return at;
}

}  // namespace
}  // namespace zkdb::test

void* operator new(size_t size) { return zkdb::test::Allocate(size); }
void* operator new[](size_t size) { return zkdb::test::Allocate(size); }
void* operator new(size_t size, std::align_val_t a) { return zkdb::test::AllocateAligned(size, a); }
void* operator new[](size_t size, std::align_val_t a) { return zkdb::test::AllocateAligned(size, a); }
// All of them: a sanitizer's own ones know nothing of what stands before a block.
void* operator new(size_t size, const std::nothrow_t&) noexcept { return zkdb::test::AllocateQuietly(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return zkdb::test::AllocateQuietly(size); }
void operator delete(void* at, const std::nothrow_t&) noexcept { zkdb::test::Free(at); }
void operator delete[](void* at, const std::nothrow_t&) noexcept { zkdb::test::Free(at); }
void operator delete(void* at) noexcept { zkdb::test::Free(at); }
void operator delete[](void* at) noexcept { zkdb::test::Free(at); }
void operator delete(void* at, size_t) noexcept { zkdb::test::Free(at); }
void operator delete[](void* at, size_t) noexcept { zkdb::test::Free(at); }
void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
void operator delete[](void* at, std::align_val_t) noexcept { std::free(at); }
void operator delete(void* at, size_t, std::align_val_t) noexcept { std::free(at); }
void operator delete[](void* at, size_t, std::align_val_t) noexcept { std::free(at); }
