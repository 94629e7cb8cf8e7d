// zkdb.h: records of a damaged database into a new one.
#include "tool/salvage.h"

#include "capi/handles.h"

using zkdb::Status;
using zkdb::capi::Guarded;
using zkdb::capi::ProgressOf;
using zkdb::capi::Report;

extern "C" {

zkdb_code zkdb_salvage(const char* source, const char* destination, zkdb_sink sink, void* sink_context,
                       zkdb_progress progress, void* progress_context, zkdb_salvage_result* result, zkdb_error* err) {
  return Guarded(err, [&] {
    if (source == nullptr || destination == nullptr)
      return Report(Status::Invalid("zkdb_salvage needs a source and a destination"), err);
    bool quiet = sink == nullptr;
    const auto finding = [&](const std::string& text) {
      if (!quiet) quiet = sink(sink_context, text.data(), text.size()) != 0;
    };
    zkdb_salvage_result figures{};
    const Status status = zkdb::Salvage(zkdb::Env::Posix(), source, destination, finding,
                                        ProgressOf(progress, progress_context), &figures);
    if (result != nullptr) *result = figures;
    return Report(status, err);
  });
}

}  // extern "C"
