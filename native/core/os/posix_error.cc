#include "core/os/posix_error.h"

#include <cerrno>
#include <system_error>

namespace zkdb {
namespace {

zkdb_code CodeOf(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return ZKDB_NO_SPACE;
    case EROFS:
    case EACCES:
    case EPERM: return ZKDB_READ_ONLY;
    default: return ZKDB_IO;
  }
}

const char* AdviceFor(zkdb_code code) {
  switch (code) {
    case ZKDB_NO_SPACE: return "; free some space on this file system or raise the quota";
    case ZKDB_READ_ONLY: return "; give this user the right to write there";
    default: return "";
  }
}

}  // namespace

Status PosixError(const char* call, const std::string& path, int error) {
  const zkdb_code code = CodeOf(error);
  return {code,
          std::string(call) + " of '" + path + "' failed: " + std::generic_category().message(error) + AdviceFor(code)};
}

}  // namespace zkdb
