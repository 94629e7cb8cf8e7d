// What every torture test has in common: a seed, a length and figures. The short length is part of every check; the
// long one is given in seconds by 'npm run torture'. A failure is replayed with the seed that was printed:
//   ZKDB_SEED=123 zkdb_torture NAME
//
// Thread-safety: one thread, except Figure.
//
// Invariants:
//  1. The same seed and length make the same rounds where a test is single-threaded.
//  2. Every figure is printed on one line 'figure NAME VALUE', also after a failure.
#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>

#include "capi/test_util.h"

namespace zkdb::test {

class Torture {
 public:
  // `test` is the name of the TEST; `rounds` how many rounds its short run has.
  Torture(const char* test, uint64_t rounds)
      : test_(test), rounds_(rounds), seed_(TestSeed(test)), seconds_(EnvNumber("ZKDB_SECONDS", 0)) {}
  ~Torture() {
    if (Failures().load() > failures_before_) {
      std::fprintf(stderr, "replay: ZKDB_SEED=%llu zkdb_torture %s\n", static_cast<unsigned long long>(seed_), test_);
    }
    for (const auto& [name, value] : figures_) {
      std::printf("figure %s.%s %llu\n", test_, name.c_str(), static_cast<unsigned long long>(value));
    }
  }
  Torture(const Torture&) = delete;
  Torture& operator=(const Torture&) = delete;

  uint64_t seed() const { return seed_; }
  // True for a run whose length is given in seconds.
  bool is_long() const { return seconds_ > 0; }

  // Begins another round: false when the rounds (or, in a long run, the seconds) are used up or something has failed.
  bool Next() {
    if (Failures().load() > failures_before_) return false;
    const bool more = is_long() ? Elapsed() < seconds_ : done_ < rounds_;
    done_ += more ? 1 : 0;
    return more;
  }
  // The number of the round that has begun, from 0.
  uint64_t round() const { return done_ - 1; }

  // Adds to a figure that is printed at the end.
  void Figure(const std::string& name, uint64_t add) {
    std::lock_guard<std::mutex> lock(mutex_);
    figures_[name] += add;
  }

 private:
  uint64_t Elapsed() const {
    const auto elapsed = std::chrono::steady_clock::now() - start_;
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(elapsed).count());
  }

  const char* test_;
  uint64_t rounds_;
  uint64_t seed_;
  uint64_t seconds_;
  uint64_t done_ = 0;
  int failures_before_ = Failures().load();
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::map<std::string, uint64_t> figures_;
};

}  // namespace zkdb::test
