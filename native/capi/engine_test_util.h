// A database over an Env whose calls a test counts, holds up and fails.
//
// Thread-safety: as Engine.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "capi/test_util.h"
#include "core/engine/registry.h"
#include "core/os/env_wrapper_for_tests.h"

namespace zkdb::test {

// An EnvWrapper with clocks that a test sets.
class ClockEnv : public EnvWrapper {
 public:
  using EnvWrapper::EnvWrapper;
  uint64_t MonotonicMs() override { return EnvWrapper::MonotonicMs() + ahead_ms; }

  uint64_t WallClockMs() override { return wall_ms != 0 ? wall_ms.load() : EnvWrapper::WallClockMs(); }

  std::atomic<uint64_t> ahead_ms{0};
  std::atomic<uint64_t> wall_ms{0};  // 0: that of the machine
};

// A handle of the registry that is given back with it.
class EngineHandle {
 public:
  EngineHandle() = default;
  ~EngineHandle() { static_cast<void>(Close().ok()); }
  EngineHandle(const EngineHandle&) = delete;
  EngineHandle& operator=(const EngineHandle&) = delete;

  Status Open(Env* env, const std::string& path, const ConfigOverrides& overrides = {}, bool error_if_exists = false) {
    EngineOptions options;
    options.overrides = overrides;
    options.error_if_exists = error_if_exists;
    options.background = background;
    return OpenDatabase(env, path, options, &engine_);
  }
  Status Close() {
    const std::shared_ptr<Engine> engine = std::exchange(engine_, nullptr);
    return engine == nullptr ? Status::Ok() : CloseDatabase(engine);
  }
  Status Write(const BatchBytes& batch, zkdb_durability durability = ZKDB_DURABILITY_COMMIT) {
    return engine_->Write(Slice(batch.bytes()), durability, false, &result);
  }
  Status Put(std::string_view key, std::string_view value, zkdb_durability durability = ZKDB_DURABILITY_COMMIT) {
    return Write(BatchBytes().Put(key, value), durability);
  }
  // The value; "" when there is none.
  std::string Get(const std::string& key) {
    std::string value(4096, '\0');
    size_t size = 0;
    Status status;
    const zkdb_code code =
        engine_->Get(nullptr, Slice(key), reinterpret_cast<uint8_t*>(value.data()), value.size(), &size, &status);
    value.resize(code == ZKDB_OK ? size : 0);
    return value;
  }
  zkdb_db_stats Figures() {
    zkdb_db_stats figures{};
    EXPECT_OK(engine_->Figures(&figures));
    return figures;
  }
  Engine* operator->() { return engine_.get(); }

  const std::shared_ptr<Engine>& engine() const { return engine_; }

  WriteResult result;
  bool background = true;  // whether Open gives it a thread of its own

 private:
  std::shared_ptr<Engine> engine_;
};

// Waits up to 20 s for something that another thread does.
template <typename Condition>
bool Eventually(const Condition& condition) {
  for (int i = 0; i < 4000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace zkdb::test
