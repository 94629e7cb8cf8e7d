// Codes and the Status that carries them.
#include "core/base/status.h"

#include <set>

#include "core/base/test.h"

namespace zkdb::test {

TEST(every_code_has_its_name_and_no_other_number_has_one) {
  const std::vector<int> codes = {0,  1,  2,  10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 30, 31, 32,
                                  33, 34, 40, 41, 42, 43, 50, 51, 52, 53, 60, 61, 62, 63, 64, 65};
  std::set<std::string> names;
  for (const int code : codes) {
    const std::string name = zkdb_code_name(static_cast<zkdb_code>(code));
    EXPECT_EQ(name.substr(0, 5), "ZKDB_");
    EXPECT(name != "ZKDB_UNKNOWN");
    EXPECT(names.insert(name).second);
  }
  EXPECT_EQ(std::string(zkdb_code_name(ZKDB_CORRUPT)), "ZKDB_CORRUPT");
  for (const int other : {3, 9, 16, 54, 66}) {
    EXPECT_EQ(std::string(zkdb_code_name(static_cast<zkdb_code>(other))), "ZKDB_UNKNOWN");
  }
}

TEST(a_status_is_copied_with_its_message) {
  const Status failed = Status::Corrupt("page 7 is damaged");
  Status copy = Status::Ok();
  EXPECT(copy.ok() && copy.message().empty());
  copy = failed;
  EXPECT_CODE(copy, ZKDB_CORRUPT);
  EXPECT_EQ(copy.message(), failed.message());
  const Status& same = copy;
  copy = same;
  EXPECT_EQ(copy.message(), "page 7 is damaged");
  copy = Status::Ok();
  EXPECT(copy.ok());
  const Status success;
  copy = success;
  EXPECT(copy.ok());
}

}  // namespace zkdb::test
