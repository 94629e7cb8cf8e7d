// What works without an open database: routing by a configuration alone, INI files, describing files, and salvage.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/job.h"

namespace zkdb::addon {
namespace {

struct CloseRouter {
  void operator()(zkdb_router* router) const { zkdb_router_close(router); }
};
using RouterPtr = std::unique_ptr<zkdb_router, CloseRouter>;

napi_value DescribePartitions(napi_env env, const zkdb_router* router, zkdb_error* error) {
  napi_value list = nullptr;
  const uint32_t count = zkdb_router_partition_count(router);
  if (napi_create_array_with_length(env, count, &list) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < count; ++i) {
    auto info = std::make_unique<zkdb_partition_info>();
    napi_value partition = nullptr;
    if (zkdb_router_describe(router, i, info.get(), error) != ZKDB_OK) return nullptr;
    if (napi_create_object(env, &partition) != napi_ok) return nullptr;
    SetPartition(env, partition, *info);
    napi_set_element(env, list, i, partition);
  }
  return list;
}

// The partition of each key of an array of Uint8Array; null when an element is something else.
napi_value RouteKeys(napi_env env, const zkdb_router* router, napi_value keys) {
  uint32_t count = 0;
  napi_value list = nullptr;
  if (napi_get_array_length(env, keys, &count) != napi_ok) return nullptr;
  if (napi_create_array_with_length(env, count, &list) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < count; ++i) {
    napi_value key = nullptr;
    napi_value index = nullptr;
    napi_typedarray_type type = napi_int8_array;
    void* data = nullptr;
    size_t size = 0;
    if (napi_get_element(env, keys, i, &key) != napi_ok) return nullptr;
    if (napi_get_typedarray_info(env, key, &type, &size, &data, nullptr, nullptr) != napi_ok) return nullptr;
    if (type != napi_uint8_array) return nullptr;
    napi_create_uint32(env, zkdb_router_partition_of(router, data, size), &index);
    napi_set_element(env, list, i, index);
  }
  return list;
}

// route(file: string, keys: Uint8Array[]): {code, name, message, urgent, partitions, indexes}
napi_value Route(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  zkdb_error& error = args.environment().error();
  std::string file;
  bool is_array = false;
  if (!args.String(0, &file) || napi_is_array(env, args[1], &is_array) != napi_ok || !is_array) {
    args.Invalid();
    return DescribeError(env, error.code, error);
  }
  zkdb_router* opened = nullptr;
  zkdb_code code = zkdb_router_open(file.c_str(), &opened, &error);
  if (code != ZKDB_OK) return DescribeError(env, code, error);
  const RouterPtr router(opened);
  napi_value partitions = DescribePartitions(env, opened, &error);
  napi_value indexes = RouteKeys(env, opened, args[1]);
  if (partitions == nullptr || indexes == nullptr) {
    args.Invalid();
    return DescribeError(env, error.code, error);
  }
  napi_value result = DescribeError(env, ZKDB_OK, error);
  napi_set_named_property(env, result, "partitions", partitions);
  napi_set_named_property(env, result, "indexes", indexes);
  return result;
}

struct LineSink {
  napi_env env;
  napi_value function;

  // Calls the JavaScript function; it stops the work by answering true or by throwing.
  static int Send(void* context, const char* text, size_t size) {
    const auto* sink = static_cast<LineSink*>(context);
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(sink->env, &scope) != napi_ok) return 1;
    const bool stop = sink->Call(text, size);
    napi_close_handle_scope(sink->env, scope);
    return stop ? 1 : 0;
  }

  bool Call(const char* text, size_t size) const {
    napi_value line = nullptr;
    napi_value receiver = nullptr;
    napi_value answer = nullptr;
    bool stop = false;
    if (napi_create_string_utf8(env, text, size, &line) != napi_ok) return true;
    if (napi_get_undefined(env, &receiver) != napi_ok) return true;
    if (napi_call_function(env, receiver, function, 1, &line, &answer) != napi_ok) return true;
    return napi_get_value_bool(env, answer, &stop) != napi_ok || stop;
  }
};

// inspect(file: string, page: number, asJson: number, sink: (text) => boolean): {code, name, message, urgent}
napi_value Inspect(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  zkdb_error& error = args.environment().error();
  std::string file;
  int64_t page = -1;
  uint32_t as_json = 0;
  napi_valuetype type = napi_undefined;
  if (!args.String(0, &file) || napi_get_value_int64(env, args[1], &page) != napi_ok || !args.Uint(2, &as_json) ||
      napi_typeof(env, args[3], &type) != napi_ok || type != napi_function) {
    args.Invalid();
    return DescribeError(env, error.code, error);
  }
  LineSink sink{env, args[3]};
  const zkdb_code code = zkdb_inspect(file.c_str(), page, as_json != 0, LineSink::Send, &sink, &error);
  return DescribeError(env, code, error);
}

class SalvageJob : public Job {
 public:
  SalvageJob(Environment* environment, std::string source, std::string destination)
      : Job(environment, nullptr), source_(std::move(source)), destination_(std::move(destination)) {
    number_ = environment->AddJob(this);
  }
  ~SalvageJob() override { environment_->RemoveJob(number_); }

  uint32_t number() const { return number_; }

 protected:
  void Execute() override {
    code_ = zkdb_salvage(source_.c_str(), destination_.c_str(), OnFinding, this, OnProgress, this, &result_, &error_);
  }

  void Describe(napi_env env, napi_value result) override {
    Set(env, result, "records", result_.records);
    Set(env, result, "unsureRecords", result_.unsure_records);
    Set(env, result, "lostRecords", result_.lost_records);
    Set(env, result, "pages", result_.pages);
    Set(env, result, "lostPages", result_.lost_pages);
    Set(env, result, "logCommits", result_.log_commits);
    Set(env, result, "logGaps", result_.log_gaps);
    Set(env, result, "count", result_.findings);
    napi_value list = nullptr;
    if (napi_create_array_with_length(env, findings_.size(), &list) != napi_ok) return;
    for (uint32_t i = 0; i < findings_.size(); ++i) {
      napi_value text = nullptr;
      if (napi_create_string_utf8(env, findings_[i].data(), findings_[i].size(), &text) != napi_ok) return;
      napi_set_element(env, list, i, text);
    }
    napi_set_named_property(env, result, "findings", list);
  }

 private:
  static constexpr size_t kMaxFindings = 1000;

  static void Set(napi_env env, napi_value object, const char* name, uint64_t value) {
    SetNumber(env, object, name, static_cast<double>(value));
  }

  static int OnFinding(void* context, const char* text, size_t size) {
    auto* job = static_cast<SalvageJob*>(context);
    job->findings_.emplace_back(text, size);
    return job->findings_.size() < kMaxFindings ? 0 : 1;
  }

  std::string source_;
  std::string destination_;
  uint32_t number_;
  zkdb_salvage_result result_ = {};
  std::vector<std::string> findings_;
};

// salvage(source: string, destination: string): {job, promise}, or a negative number
napi_value StartSalvage(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  std::string source;
  std::string destination;
  if (!args.String(0, &source) || !args.String(1, &destination)) return args.Invalid();
  napi_value result = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  auto* job = new SalvageJob(&args.environment(), std::move(source), std::move(destination));
  SetNumber(env, result, "job", job->number());
  napi_value promise = Job::Start(env, job);
  if (promise == nullptr) return args.Closed();
  napi_set_named_property(env, result, "promise", promise);
  return result;
}

struct IniEntries {
  napi_env env;
  napi_value list;
  uint32_t count = 0;

  void Add(napi_value value) { napi_set_element(env, list, count++, value); }
  void AddText(const char* text) {
    napi_value value = nullptr;
    const bool made = text != nullptr && napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok;
    if (!made) napi_get_null(env, &value);
    Add(value);
  }
  static void Take(void* context, uint32_t line, const char* section, const char* key, const char* value) {
    auto* entries = static_cast<IniEntries*>(context);
    napi_value number = nullptr;
    napi_create_uint32(entries->env, line, &number);
    entries->Add(number);
    for (const char* text : {section, key, value}) entries->AddText(text);
  }
};

// parseIni(text: Uint8Array, file: string): {code, name, message, urgent, entries}; entries is a flat list of line,
// section, key and value, the last two null for the section itself.
napi_value ParseIni(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  zkdb_error& error = args.environment().error();
  uint8_t* text = nullptr;
  size_t size = 0;
  std::string file;
  IniEntries entries{env, nullptr};
  if (!args.Bytes(0, &text, &size) || !args.String(1, &file) || napi_create_array(env, &entries.list) != napi_ok) {
    args.Invalid();
    return DescribeError(env, error.code, error);
  }
  const zkdb_code code = zkdb_ini_parse(text, size, file.c_str(), IniEntries::Take, &entries, &error);
  napi_value result = DescribeError(env, code, error);
  napi_set_named_property(env, result, "entries", entries.list);
  return result;
}

constexpr FunctionEntry kFunctions[] = {
    {"parseIni", ParseIni},
    {"route", Route},
    {"inspect", Inspect},
    {"salvage", StartSalvage},
};

}  // namespace

void ExportToolFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
