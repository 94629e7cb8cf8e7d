// The result of an operation that can fail: a stable code and, for a failure, a message for a person.
//
// Thread-safety: a Status is a value; distinct objects are independent.
//
// Invariants:
//  1. A successful Status holds no memory: it is one null pointer, so returning it costs nothing.
//  2. A failed Status always carries a message that says what was found, where, and what to do.
//  3. Codes are the values of zkdb.h and are never renumbered.
//  4. NoMemory, and copying it, allocates nothing.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "include/zkdb.h"

namespace zkdb {

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(zkdb_code code, std::string message) : failure_(new Failure{code, std::move(message)}) {}
  Status(const Status& other) : failure_(Copy(other.failure_)) {}
  Status& operator=(const Status& other) {
    if (this != &other) failure_ = Copy(other.failure_);
    return *this;
  }
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  static Status Ok() { return {}; }
  static Status NoMemory() noexcept;
  static Status Corrupt(std::string m) { return {ZKDB_CORRUPT, std::move(m)}; }
  static Status Io(std::string m) { return {ZKDB_IO, std::move(m)}; }
  static Status NoSpace(std::string m) { return {ZKDB_NO_SPACE, std::move(m)}; }
  static Status Config(std::string m) { return {ZKDB_CONFIG, std::move(m)}; }
  static Status Invalid(std::string m) { return {ZKDB_INVALID, std::move(m)}; }
  static Status NotFound(std::string m) { return {ZKDB_NOT_FOUND, std::move(m)}; }

  bool ok() const { return failure_ == nullptr; }
  zkdb_code code() const { return failure_ ? failure_->code : ZKDB_OK; }
  const std::string& message() const;

 private:
  struct Failure {
    zkdb_code code;
    std::string message;
  };
  static Failure& no_memory_;  // never destroyed
  struct Deleter {
    void operator()(Failure* failure) const {
      if (failure != &no_memory_) delete failure;
    }
  };
  using Pointer = std::unique_ptr<Failure, Deleter>;
  static Pointer Copy(const Pointer& from) {
    if (from == nullptr || from.get() == &no_memory_) return Pointer(from.get());
    return Pointer(new Failure(*from));
  }

  Pointer failure_;
};

}  // namespace zkdb

// Returns the Status of `expr` to the caller when it is a failure.
#define ZKDB_RETURN_IF_ERROR(expr)        \
  do {                                    \
    ::zkdb::Status zkdb_status_ = (expr); \
    if (!zkdb_status_.ok()) [[unlikely]]  \
      return zkdb_status_;                \
  } while (false)
