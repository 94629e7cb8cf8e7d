// Turns a failed system call into a Status: the code by errno, the message with call, path, reason and advice.
//
// Thread-safety: pure functions.
#pragma once

#include <string>

#include "core/base/status.h"

namespace zkdb {

// `error` is the errno of `call` on `path`. ENOSPC and EDQUOT give ZKDB_NO_SPACE; EROFS, EACCES and EPERM give
// ZKDB_READ_ONLY; everything else ZKDB_IO.
Status PosixError(const char* call, const std::string& path, int error);

}  // namespace zkdb
