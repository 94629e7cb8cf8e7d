#include "net/address_list.h"

#include "core/base/test.h"

namespace zkdb::net {
namespace {

AddressList ListOf(std::string_view text) {
  AddressList list;
  EXPECT(AddressList::Parse(text, &list));
  return list;
}

TEST(an_address_list_that_names_nothing_has_everybody) {
  for (const char* address : {"127.0.0.1", "10.1.2.3", "::1", "2001:db8::1"}) EXPECT(AddressList().Has(address));
  EXPECT(ListOf("").Has("8.8.8.8"));
}

TEST(an_address_list_has_its_addresses_and_what_lies_in_its_networks) {
  const AddressList list = ListOf("127.0.0.1,10.1.0.0/16,192.168.4.0/22,::1,2001:db8::/33");
  for (const char* address :
       {"127.0.0.1", "::ffff:127.0.0.1", "10.1.0.0", "10.1.255.255", "192.168.7.255", "::1", "2001:db8:7fff::1"}) {
    EXPECT(list.Has(address));
  }
  for (const char* address : {"127.0.0.2", "10.2.0.0", "10.0.255.255", "192.168.8.0", "192.168.3.255", "::2",
                              "2001:db8:8000::", "::ffff:10.2.0.0", "", "localhost", "127.0.0.1:80"}) {
    EXPECT(!list.Has(address));
  }
}

TEST(a_network_of_no_bits_has_every_address_of_its_kind_alone) {
  EXPECT(ListOf("0.0.0.0/0").Has("255.255.255.255"));
  EXPECT(!ListOf("0.0.0.0/0").Has("::1"));
  EXPECT(ListOf("::/0").Has("::1"));
}

TEST(what_is_no_list_of_addresses_is_refused_and_leaves_the_list_as_it_was) {
  AddressList list = ListOf("10.0.0.0/8");
  for (const char* text : {"localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8 ", ",",
                           "10.0.0.0/8,,::1", "1.2.3", "10.0.0.0/-1"}) {
    EXPECT(!AddressList::Parse(text, &list));
  }
  EXPECT(list.Has("10.9.9.9"));
  EXPECT(!list.Has("11.0.0.0"));
}

}  // namespace
}  // namespace zkdb::net
