// The databases that this process has open: every open of one configuration file shares one engine.
//
// Thread-safety: all functions from any thread. Openings are serialized within the process; an opening of a database
// that is being closed waits for that.
//
// Invariants:
//  1. An engine is in the registry from its successful open until its files are closed.
#pragma once

#include <memory>
#include <string>

#include "core/engine/engine.h"

namespace zkdb {

// Opens `path`: a configuration file, or a directory (its zkdb.conf, written when the directory is new).
// Errors: those of Engine::Open, ZKDB_MISSING, ZKDB_EXISTS, ZKDB_CONFIG, ZKDB_IO.
Status OpenDatabase(Env* env, const std::string& path, const EngineOptions& options, std::shared_ptr<Engine>* out);

// Gives one handle back; the last one closes the engine: a transaction of this thread is aborted, one of another thread
// is waited for.
Status CloseDatabase(const std::shared_ptr<Engine>& engine);

}  // namespace zkdb
