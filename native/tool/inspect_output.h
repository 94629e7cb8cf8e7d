// The lines that the inspector writes: each a type and named fields, as text (`page number=3 kind=leaf`) or as one JSON
// object (`{"type":"page","number":3,"kind":"leaf"}`).
//
// Thread-safety: none; one inspection uses one.
//
// Invariants:
//  1. Every line is ASCII: bytes of keys and values are printable ASCII, or hexadecimal in a field named *_hex.
//  2. A line is bounded: of a byte string at most kPreviewBytes are shown.
//  3. After the sink asked to stop, nothing more is given to it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/slice.h"

namespace zkdb {

inline constexpr size_t kPreviewBytes = 64;

// Takes a line without its end; false to stop.
using InspectSink = std::function<bool(const std::string&)>;

class InspectLine {
 public:
  InspectLine(const char* type, bool as_json);

  InspectLine& Number(const char* name, uint64_t value);
  InspectLine& Flag(const char* name, bool value);
  // `ascii` is printable ASCII.
  InspectLine& Text(const char* name, std::string_view ascii);
  // All bytes in hexadecimal.
  InspectLine& Hex(const char* name, Slice bytes);
  InspectLine& Hex64(const char* name, uint64_t value);
  // The first kPreviewBytes: as `name` when they are printable, else in hexadecimal as `name`_hex.
  InspectLine& Bytes(const std::string& name, Slice bytes);

  std::string Finish() const { return as_json_ ? text_ + "}" : text_; }

 private:
  void Name(std::string_view name);
  void Quoted(std::string_view ascii);

  bool as_json_;
  std::string text_;
};

class InspectOutput {
 public:
  InspectOutput(bool as_json, InspectSink sink) : as_json_(as_json), sink_(std::move(sink)) {}

  InspectLine Line(const char* type) const { return InspectLine(type, as_json_); }
  void Emit(const InspectLine& line) {
    if (!stopped_) stopped_ = !sink_(line.Finish());
  }
  // A line for a person: something that is wrong, or that was guessed.
  void Note(std::string_view ascii) { Emit(Line("note").Text("text", ascii)); }
  bool stopped() const { return stopped_; }

 private:
  bool as_json_;
  InspectSink sink_;
  bool stopped_ = false;
};

}  // namespace zkdb
