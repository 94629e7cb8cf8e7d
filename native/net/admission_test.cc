#include "net/admission.h"

#include <utility>

#include "core/base/test.h"

namespace zkdb::net {
namespace {

TEST(connections_are_counted_for_all_and_for_their_address_until_they_leave) {
  Admission admission(4, 2);
  for (int i = 0; i < 2; ++i) EXPECT(admission.Admit("10.0.0.1") == Verdict::kAdmitted);
  EXPECT(admission.Admit("10.0.0.1") == Verdict::kTooManyOfAddress);
  for (int i = 0; i < 2; ++i) EXPECT(admission.Admit("") == Verdict::kAdmitted);
  EXPECT(admission.Admit("10.0.0.2") == Verdict::kTooMany);
  EXPECT_EQ(admission.connections(), 4u);
  admission.Leave("10.0.0.1");
  EXPECT(admission.Admit("10.0.0.1") == Verdict::kAdmitted);
}

TEST(an_address_that_is_not_listed_does_not_come_in_and_counts_for_nothing) {
  Admission admission(4, 2);
  EXPECT(admission.Admit("10.0.0.1") == Verdict::kAdmitted);
  AddressList listed;
  EXPECT(AddressList::Parse("127.0.0.0/8", &listed));
  admission.SetListed(std::move(listed));
  EXPECT(admission.Admit("10.0.0.1") == Verdict::kNotListed);
  EXPECT(admission.Admit("127.1.2.3") == Verdict::kAdmitted);
  EXPECT(admission.Admit("") == Verdict::kAdmitted);
  EXPECT_EQ(admission.connections(), 3u);
  EXPECT(!admission.Lists("10.0.0.1"));
  EXPECT(admission.Lists("127.1.2.3"));
  EXPECT(admission.Lists(""));
  // Who was in before the list leaves as the others do.
  admission.Leave("10.0.0.1");
  EXPECT_EQ(admission.connections(), 2u);
}

}  // namespace
}  // namespace zkdb::net
