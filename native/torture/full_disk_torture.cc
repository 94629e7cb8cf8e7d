// The files of a database may grow by so many pages and no further, for each number from none on: a change that finds
// no room, at whatever page of its, gives ZKDB_NO_SPACE and leaves nothing; reads go on; with room again writes do.
#include "core/format/layout.h"
#include "torture/damage_workloads.h"
#include "torture/fault_env.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

// An Env with room for a number of pages more in segment files.
class RoomEnv : public EnvWrapper {
 public:
  RoomEnv() : EnvWrapper(TheLeanEnv()) {}
  void SetRoom(uint64_t pages) { room_ = pages, refused_ = false; }
  bool refused() const { return refused_; }

  Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) override;
  Status Take(const std::string& path, uint64_t pages) {
    if (!path.ends_with(".zkd")) return Status::Ok();
    if (pages > room_) {
      refused_ = true;
      return Status::NoSpace(path + ": no room");
    }
    room_ -= pages;
    return Status::Ok();
  }

 private:
  std::atomic<uint64_t> room_{UINT64_MAX};
  std::atomic<bool> refused_{false};
};

class RoomFile : public FileWrapper {
 public:
  RoomFile(RoomEnv* env, std::unique_ptr<File> base) : FileWrapper(env, std::move(base)), env_(env) {}
  Status Allocate(uint64_t offset, uint64_t size) override {
    ZKDB_RETURN_IF_ERROR(env_->Take(path(), size / kMinPageSize));
    return FileWrapper::Allocate(offset, size);
  }

 private:
  RoomEnv* env_;
};

Status RoomEnv::Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) {
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(TheLeanEnv()->Open(path, mode, &file));
  *out = std::make_unique<RoomFile>(this, std::move(file));
  return Status::Ok();
}

// Returns whether all is well; *refused: the room was not enough.
bool RunOnce(const PreparedWorkload& prepared, const IoWorkload& workload, const std::string& base, uint64_t pages,
             bool* refused) {
  RoomEnv env;
  FaultRun run(&env, base + "/run", workload.shape);
  prepared.Begin(&run, base + "/run", workload.Name() + ", room for " + std::to_string(pages) + " pages");
  run.ExpectCodes({ZKDB_NO_SPACE});
  run.SetFired([&env] { return env.refused(); });
  env.SetRoom(pages);
  workload.run(&run);
  *refused = env.refused();
  env.SetRoom(UINT64_MAX);
  run.SetFired(nullptr);
  if (!run.is_open()) run.Open();
  run.ReadAll();
  run.ExpectWrites();
  run.Close();
  return run.ExpectReopens(TheLeanEnv(), base + "/run");
}

}  // namespace

TEST(files_that_cannot_grow_at_any_page_refuse_a_change_and_keep_what_is_there) {
  Torture t("files_that_cannot_grow_at_any_page_refuse_a_change_and_keep_what_is_there", 1);
  const FastDirectory base;
  while (t.Next()) {
    for (IoWorkload workload : DamageWorkloads()) {
      workload.segment_size = "1M";  // files that grow by single pages when there is no room for more
      const PreparedWorkload prepared(workload, base.path());
      if (!EXPECT(prepared.good())) return;
      bool refused = true;
      uint64_t pages = 0;
      for (; refused; ++pages) {
        if (!RunOnce(prepared, workload, base.path(), pages, &refused)) return;
        t.Figure(refused ? "refused" : "enough", 1);
      }
      t.Figure("workloads", 1);
    }
  }
}

}  // namespace zkdb::test
