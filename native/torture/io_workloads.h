// Small workloads, each in several shapes of a database, that between them make every kind of I/O call of the engine.
//
// Thread-safety: none.
#pragma once

#include <string>
#include <vector>

#include "torture/fault_run.h"

namespace zkdb::test {

struct IoWorkload {
  const char* what;
  FaultShape shape;
  OptionList options;
  void (*prepare)(FaultRun*);  // runs without faults; nullptr: an empty directory
  bool crashes;                // what prepare left was not closed
  void (*run)(FaultRun*);
  bool plain_directory;  // opened by directory: the configuration is made by the engine
  const char* segment_size = "64K";

  std::string Name() const;
};

const std::vector<IoWorkload>& IoWorkloads();

// A workload's prepared files and what they hold.
class PreparedWorkload {
 public:
  PreparedWorkload(const IoWorkload& workload, const std::string& base);
  // Makes `run` begin on a fresh copy of the files in `directory`.
  void Begin(FaultRun* run, const std::string& directory, const std::string& name) const;
  bool good() const { return good_; }

 private:
  const IoWorkload& workload_;
  std::string files_;
  std::vector<History> histories_;
  bool good_ = true;
};

}  // namespace zkdb::test
