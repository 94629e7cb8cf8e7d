#include "core/engine/engine.h"
namespace zkdb { Status Engine::Backup(const std::string&, const Progress&) { return Status::Invalid("x"); } }
