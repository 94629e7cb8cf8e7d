// zkdb_inspect: describes a segment or log file of a zkdb database, read-only.
// Exit codes: 0 described, 1 the file cannot be read or is not one of ours, 2 wrong usage.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "include/zkdb.h"

namespace {

constexpr char kUsage[] =
    "usage: zkdb_inspect [--json] [--page N] FILE\n"
    "  FILE      a segment (000.zkd) or log file (zkdb-00000001.log)\n"
    "  --page N  page N of a segment in full, by its number in the partition\n"
    "  --json    one JSON object per line\n";

struct Arguments {
  const char* file = nullptr;
  int64_t page = -1;
  bool as_json = false;
};

bool ParsePage(const char* text, int64_t* page) {
  char* end = nullptr;
  const long long number = std::strtoll(text, &end, 10);
  *page = number;
  return *text >= '0' && *text <= '9' && *end == '\0' && number <= UINT32_MAX;
}

bool Parse(int argc, char** argv, Arguments* out) {
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      out->as_json = true;
    } else if (std::strcmp(argv[i], "--page") == 0) {
      if (++i == argc || !ParsePage(argv[i], &out->page)) return false;
    } else if (argv[i][0] == '-' || out->file != nullptr) {
      return false;
    } else {
      out->file = argv[i];
    }
  }
  return out->file != nullptr;
}

// Stops when the output is closed, as by `zkdb_inspect FILE | head`.
int Print(void*, const char* text, size_t size) {
  const bool written = std::fwrite(text, 1, size, stdout) == size && std::fputc('\n', stdout) != EOF;
  return written ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0)) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  zkdb_error error;
  const zkdb_code code =
      zkdb_inspect(arguments.file, arguments.page, arguments.as_json ? 1 : 0, &Print, nullptr, &error);
  if (code == ZKDB_OK) return 0;
  std::fprintf(stderr, "zkdb_inspect: %s: %s\n", zkdb_code_name(code), error.message);
  return 1;
}
