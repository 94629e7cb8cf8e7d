#include "net/command_table.h"

#include <algorithm>

#include "core/base/test.h"
#include "net/scan_cursors.h"

namespace zkdb::net {
namespace {

TEST(a_command_is_found_by_its_name_in_any_case) {
  for (const Command& command : AllCommands()) {
    std::string lower(command.name);
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    EXPECT(FindCommand(command.name) == &command);
    EXPECT(FindCommand(lower) == &command);
    EXPECT(FindCommand(lower + "x") == nullptr);
  }
  EXPECT(FindCommand("") == nullptr);
  EXPECT(FindCommand("a\xff") == nullptr);
  EXPECT(FindCommand(std::string(1000, 'G')) == nullptr);
}

TEST(commands_stand_in_the_order_of_their_names) {
  const auto all = AllCommands();
  EXPECT(std::is_sorted(all.begin(), all.end(), [](const Command& a, const Command& b) { return a.name < b.name; }));
}

TEST(a_command_that_names_keys_reads_or_writes) {
  for (const Command& command : AllCommands()) {
    const bool data = (command.flags & (kRead | kWrite)) != 0;
    EXPECT(command.first_key == 0 || data || command.name == "WATCH");
    EXPECT(command.first_key == 0 || (command.key_step > 0 && std::abs(command.arity) > command.first_key));
  }
}

TEST(arity_is_exact_or_at_least) {
  const Command* get = FindCommand("get");
  const Command* del = FindCommand("del");
  EXPECT(ArityFits(*get, 2) && !ArityFits(*get, 1) && !ArityFits(*get, 3));
  EXPECT(ArityFits(*del, 2) && ArityFits(*del, 200) && !ArityFits(*del, 1));
}

TEST(a_scan_cursor_means_its_key_until_it_is_forgotten) {
  ScanCursors cursors(41, 3, 102);
  const uint64_t a = cursors.Save(0, "u", "a");
  const uint64_t b = cursors.Save(1, "u", "b");
  std::string key;
  EXPECT(a != 0 && b != a);
  EXPECT(cursors.Find(a, 0, "u", &key) && key == "a" && cursors.Find(a, 0, "u", &key));
  EXPECT(cursors.Find(b, 1, "u", &key) && key == "b" && !cursors.Find(b, 0, "u", &key));
  EXPECT(!cursors.Find(a, 0, "v", &key) && !cursors.Find(a, 0, "", &key));
  EXPECT(!cursors.Find(0, 0, "u", &key) && !cursors.Find(UINT64_MAX, 0, "u", &key));
  cursors.Save(0, "u", "c");
  const uint64_t d = cursors.Save(0, "u", "d");
  EXPECT(!cursors.Find(a, 0, "u", &key) && cursors.Find(d, 0, "u", &key) && key == "d");
  const uint64_t large = cursors.Save(0, "u", std::string(99, 'x'));
  EXPECT(cursors.Find(large, 0, "u", &key) && key.size() == 99 && cursors.Find(d, 0, "u", &key));
  cursors.Save(0, "u", "e");
  EXPECT(!cursors.Find(d, 0, "u", &key));
}

TEST(scan_cursors_stay_numbers_that_javascript_can_hold) {
  ScanCursors cursors((uint64_t{1} << 53) - 3);
  std::string key;
  for (int i = 0; i < 10; ++i) {
    const uint64_t number = cursors.Save(0, "u", std::to_string(i));
    EXPECT(number > 0 && number < uint64_t{1} << 53);
    EXPECT(cursors.Find(number, 0, "u", &key) && key == std::to_string(i));
  }
}

}  // namespace
}  // namespace zkdb::net
