// zkdb.h: the description of segment and log files.
#include "tool/inspect.h"

#include "capi/handles.h"

using zkdb::Status;
using zkdb::capi::Guarded;
using zkdb::capi::Report;

extern "C" {

zkdb_code zkdb_inspect(const char* file, int64_t page, int as_json, zkdb_sink sink, void* context, zkdb_error* err) {
  return Guarded(err, [&] {
    if (file == nullptr || sink == nullptr) return Report(Status::Invalid("zkdb_inspect needs a file and a sink"), err);
    const auto line = [&](const std::string& text) { return sink(context, text.data(), text.size()) == 0; };
    return Report(zkdb::Inspect(zkdb::Env::Posix(), file, page, as_json != 0, line), err);
  });
}

}  // extern "C"
