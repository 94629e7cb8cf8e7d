// Reading what JavaScript passes, with every type and length checked, and answering with numbers.
//
// A function of the addon answers a number: 0 or more is a result, a negative number is a zkdb_code negated, with its
// message in lastError(). Nothing throws, so that the fast path needs no exception check.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "addon/environment.h"

namespace zkdb::addon {

class Arguments {
 public:
  static constexpr size_t kMax = 8;

  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    void* data = nullptr;
    size_t count = kMax;
    napi_get_cb_info(env, info, &count, values_, nullptr, &data);
    environment_ = static_cast<Environment*>(data);
  }

  napi_env env() const { return env_; }
  Environment& environment() const { return *environment_; }
  napi_value operator[](size_t i) const { return values_[i]; }

  // A whole number of 0..2^32-1; anything else that is a number is cut to that range, as JavaScript's `>>> 0` does.
  bool Uint(size_t i, uint32_t* out) const { return napi_get_value_uint32(env_, values_[i], out) == napi_ok; }

  // The bytes of a Uint8Array (a Buffer is one). A detached array has none.
  bool Bytes(size_t i, uint8_t** data, size_t* size) const { return Array(i, napi_uint8_array, data, size); }
  bool Uint32s(size_t i, uint32_t** data, size_t* count) const { return Array(i, napi_uint32_array, data, count); }

  bool Doubles(size_t i, double** data, size_t* count) const { return Array(i, napi_float64_array, data, count); }

  // A string without a NUL, which no path and no option may have.
  bool String(size_t i, std::string* out) const {
    size_t size = 0;
    if (napi_get_value_string_utf8(env_, values_[i], nullptr, 0, &size) != napi_ok) return false;
    out->resize(size + 1);
    if (napi_get_value_string_utf8(env_, values_[i], out->data(), size + 1, &size) != napi_ok) return false;
    out->resize(size);
    return out->find('\0') == std::string::npos;
  }

  // An array of at most 1,000 strings without a NUL.
  bool Strings(size_t i, std::vector<std::string>* out) const {
    uint32_t length = 0;
    if (napi_get_array_length(env_, values_[i], &length) != napi_ok || length > 1000) return false;
    for (uint32_t at = 0; at < length; ++at) {
      napi_value element = nullptr;
      size_t size = 0;
      if (napi_get_element(env_, values_[i], at, &element) != napi_ok ||
          napi_get_value_string_utf8(env_, element, nullptr, 0, &size) != napi_ok) {
        return false;
      }
      std::string text(size + 1, '\0');
      napi_get_value_string_utf8(env_, element, text.data(), size + 1, &size);
      text.resize(size);
      if (text.find('\0') != std::string::npos) return false;
      out->push_back(std::move(text));
    }
    return true;
  }

  napi_value Number(int64_t value) const {
    napi_value result = nullptr;
    if (value >= INT32_MIN && value <= INT32_MAX) {
      napi_create_int32(env_, static_cast<int32_t>(value), &result);
    } else {
      napi_create_int64(env_, value, &result);
    }
    return result;
  }

  // The answer for a code whose message, if it has one, is in environment().error().
  napi_value Code(zkdb_code code) const { return Number(-static_cast<int64_t>(code)); }

  napi_value Fail(zkdb_code code, const char* message) const { return Code(environment_->Fail(code, message)); }
  napi_value Invalid() const { return Fail(ZKDB_INVALID, "the native call got an argument of a wrong type or size"); }
  napi_value Closed() const { return Fail(ZKDB_CLOSED, "the database or handle is closed"); }

 private:
  template <typename T>
  bool Array(size_t i, napi_typedarray_type wanted, T** data, size_t* length) const {
    napi_typedarray_type type;
    void* raw = nullptr;
    if (napi_get_typedarray_info(env_, values_[i], &type, length, &raw, nullptr, nullptr) != napi_ok) return false;
    *data = static_cast<T*>(raw);
    return type == wanted && (raw != nullptr || *length == 0);
  }

  napi_env env_;
  napi_value values_[kMax] = {};
  Environment* environment_ = nullptr;
};

// The open database with this id, or null.
inline zkdb_db* FindDb(Environment& environment, uint32_t id) {
  Handle* handle = environment.handles().Find(id, HandleKind::kDb);
  return handle == nullptr ? nullptr : handle->db->db;
}

// The snapshot with this id; id 0 is "the latest state", a null snapshot. False when there is no such snapshot.
inline bool FindSnapshot(Environment& environment, uint32_t id, zkdb_snapshot** out) {
  *out = nullptr;
  if (id == 0) return true;
  Handle* handle = environment.handles().Find(id, HandleKind::kSnapshot);
  if (handle == nullptr) return false;
  *out = static_cast<zkdb_snapshot*>(handle->object);
  return true;
}

// A group of functions to export.
struct FunctionEntry {
  const char* name;
  napi_callback function;
};
void ExportFunctions(napi_env env, napi_value exports, Environment* environment, const FunctionEntry* entries,
                     size_t count);

void ExportDatabaseFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportReadFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportLookupFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportWriteFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportScanFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportOperationFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportToolFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportServerFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportServerGuardFunctions(napi_env env, napi_value exports, Environment* environment);
void ExportTlsFunctions(napi_env env, napi_value exports, Environment* environment);

}  // namespace zkdb::addon
