#include "core/partition/config.h"

#include "core/base/test.h"
#include "core/os/posix_env.h"
#include "core/partition/config_paths.h"
#include "core/partition/selector.h"

namespace zkdb {
namespace {

constexpr const char* kTextExample =
    "Partitions = part_1;part_2;part_3;\n"
    "[part_1]\nMaxLimit = k\nLimitStartPos = 3\n"
    "[part_2]\nMinLimit = l\nMaxLimit = p\nLimitStartPos = 3\n"
    "[part_3]\nMinLimit = q\nLimitStartPos = 3\n";

constexpr const char* kMain = "Partitions = a;b\n";

DatabaseConfig Parse(const std::string& text, const std::string& file = "/etc/app.conf",
                     const ConfigOverrides& overrides = {}) {
  DatabaseConfig config;
  EXPECT_OK(ParseConfig(text, file, overrides, &config));
  return config;
}

// Two text partitions `a` and `b` at m/n, with more lines in each section.
std::string Two(const std::string& main, const std::string& a = "", const std::string& b = "") {
  return main + kMain + "[a]\nMaxLimit = m\n" + a + "[b]\nMinLimit = n\n" + b;
}

void ExpectRefusedAt(int line, const std::string& text, const std::string& message) {
  DatabaseConfig config;
  const Status status = ParseConfig(text, "app.conf", {}, &config);
  if (!test::HasCode(status, ZKDB_CONFIG, message.c_str(), __FILE__, line)) return;
  if (status.message().find(message) != std::string::npos) return;
  test::Fail(__FILE__, line, "'" + status.message() + "' does not hold '" + message + "'");
}

#define EXPECT_REFUSED(text, message) ExpectRefusedAt(__LINE__, (text), (message))

// An Env of which only one file can be read.
class OneFileEnv : public Env {
 public:
  Status Open(const std::string&, OpenMode, std::unique_ptr<File>*) override { return No(); }
  void Unmap(const uint8_t*, uint64_t) override {}
  Status Lock(const std::string&, std::unique_ptr<FileLock>*) override { return No(); }
  bool Exists(const std::string&) override { return false; }
  Status CreateDirectory(const std::string&) override { return No(); }
  Status List(const std::string&, std::vector<std::string>*) override { return No(); }
  Status Remove(const std::string&) override { return No(); }
  Status Rename(const std::string&, const std::string&) override { return No(); }
  Status SyncDirectory(const std::string&) override { return No(); }
  Status RealPath(const std::string& path, std::string* out) override {
    *out = "/srv/" + path;
    return Status::Ok();
  }
  Status ReadFile(const std::string& path, uint64_t, std::string* out) override {
    if (path != "/srv/app.conf") return Status::Io("open " + path + ": no such file");
    *out = kTextExample;
    return Status::Ok();
  }
  uint8_t* AllocateMemory(uint64_t) override { return nullptr; }
  void FreeMemory(uint8_t*, uint64_t) override {}
  uint64_t MonotonicMs() override { return 0; }
  uint64_t WallClockMs() override { return 0; }
  void Random(void*, size_t) override {}

 private:
  static Status No() { return Status::Io("a configuration touches no other file"); }
};

}  // namespace

TEST(config_defaults_are_those_of_the_documentation) {
  const DatabaseConfig c = Parse(kTextExample);
  EXPECT_EQ(c.name, "app");
  ASSERT_EQ(c.partitions.size(), 3u);
  EXPECT_EQ(c.partitions[1].name, "part_2");
  EXPECT_EQ(c.partitions[1].min_limit.value_or(""), "l");
  EXPECT_EQ(c.partitions[1].max_limit.value_or(""), "p");
  EXPECT_EQ(c.partitions[1].limit_start_pos, 3u);
  EXPECT(!c.partitions[0].min_limit.has_value());
  EXPECT(!c.isolated && c.checkpoints && !c.verify_all);
  EXPECT_EQ(c.page_size, 4096u);
  EXPECT_EQ(c.segment_size, uint64_t{2} << 30);
  EXPECT_EQ(c.log_file_size, 64u << 20);
  EXPECT_EQ(c.min_checkpoint_size, 256u << 20);
  EXPECT_EQ(c.min_checkpoint_time_s, 60u);
  EXPECT_EQ(c.durability, ZKDB_DURABILITY_COMMIT);
  EXPECT_EQ(c.sync_interval_ms, 100u);
  EXPECT_EQ(c.snapshot_limit, 0u);
  EXPECT_EQ(c.partitions[2].page_size, 4096u);
}

TEST(config_directories_start_in_the_folder_of_the_file) {
  DatabaseConfig c = Parse(kTextExample);
  EXPECT_EQ(c.home_directory, "/etc");
  EXPECT_EQ(c.partitions[0].directory, "/etc/part_1");
  EXPECT_EQ(c.log_directory, "/etc/log");
  EXPECT_EQ(c.partitions[0].log_directory, "/etc/log");
  c = Parse(Two("DefaultHomeDir = ../data/\n", "HomeDir = x/./y\n", "HomeDir = /mnt/b/\n"));
  EXPECT_EQ(c.home_directory, "/data");
  EXPECT_EQ(c.partitions[0].directory, "/etc/x/y");
  EXPECT_EQ(c.partitions[1].directory, "/mnt/b");
  EXPECT_EQ(c.log_directory, "/data/log");
  c = Parse(Two("DefaultTransactLogDir = /fast\n"), "app.conf");
  EXPECT_EQ(c.partitions[0].directory, "a");
  EXPECT_EQ(c.log_directory, "/fast");
}

TEST(config_isolated_partitions_have_logs_of_their_own) {
  DatabaseConfig c = Parse(Two("Isolated_Partitions = Yes\n", "TransactLogDir = /fast/a\n"));
  EXPECT(c.isolated);
  EXPECT_EQ(c.partitions[0].log_directory, "/fast/a");
  EXPECT_EQ(c.partitions[1].log_directory, "/etc/b/log");
  c = Parse(Two("Isolated_Partitions = Yes\nDefaultTransactLogDir = /fast\n"));
  EXPECT_EQ(c.partitions[1].log_directory, "/fast/b");
}

TEST(config_reads_every_tuning_key_and_partitions_inherit_it) {
  const DatabaseConfig c =
      Parse(Two("database = Books\nPageSize = 8K\nSegmentSize=1M\nLogFileSize=100000\n"
                "MinCheckpointSize = 4M\nMinCheckPointTime = 5\nCheckPoints = No\n"
                "Durability = Interval\nSyncInterval = 20\nSnapshotLimit = 1G\nVerifyAll = yes\n"
                "CacheSize = 10M\nMaxTransactions = 20\n",
                "PageSize = 16K\nPartitionType = hash\nCacheSize = 1M\nMaxTransactions = 4\n",
                "MinCheckpointTime = 7\nMinCheckpointSize = 1M\n"));
  EXPECT_EQ(c.name, "Books");
  EXPECT_EQ(c.segment_size, 1u << 20);
  EXPECT_EQ(c.log_file_size, 102400u);
  EXPECT(!c.checkpoints && c.verify_all);
  EXPECT_EQ(c.durability, ZKDB_DURABILITY_INTERVAL);
  EXPECT_EQ(c.sync_interval_ms, 20u);
  EXPECT_EQ(c.snapshot_limit, 1u << 30);
  EXPECT_EQ(c.partitions[0].page_size, 16384u);
  EXPECT_EQ(c.partitions[1].page_size, 8192u);
  EXPECT_EQ(c.partitions[0].min_checkpoint_size, 4u << 20);
  EXPECT_EQ(c.partitions[0].min_checkpoint_time_s, 5u);
  EXPECT_EQ(c.partitions[1].min_checkpoint_time_s, 7u);
  EXPECT(c.partitions[0].partition_type == PartitionType::kHash);
}

TEST(config_mixes_local_and_remote_partitions) {
  const DatabaseConfig c =
      Parse(Two("", "", "IsRemote = Yes\nAddressPath = db1.example:6380\nDatabase = books\nAuthKey = s;ecret\n"));
  EXPECT(!c.partitions[0].is_remote && c.partitions[1].is_remote);
  EXPECT_EQ(c.partitions[1].address, "db1.example:6380");
  EXPECT_EQ(c.partitions[1].database, "books");
  EXPECT_EQ(c.partitions[1].auth, "s;ecret");
  EXPECT_EQ(c.partitions[1].directory, "");
  const DatabaseConfig socket = Parse(Two("", "", "IsRemote = Yes\nAddress = /run/zkdb:1.sock\n"));
  EXPECT_EQ(socket.partitions[1].address, "/run/zkdb:1.sock");
}

TEST(config_takes_addresses_as_urls_and_shows_no_password) {
  const auto parse = [](const std::string& keys) {
    return Parse(Two("", "", "IsRemote = Yes\n" + keys + "\n")).partitions[1];
  };
  const PartitionConfig tcp = parse("AddressPath = zkdb://ann:se%3acret@[::1]:7000/books");
  EXPECT_EQ(tcp.address, "[::1]:7000");
  EXPECT_EQ(tcp.server.host, "::1");
  EXPECT_EQ(tcp.login.user, "ann");
  EXPECT_EQ(tcp.login.password, "se:cret");
  EXPECT_EQ(tcp.database, "books");
  EXPECT_EQ(parse("AddressPath = zkdb://db1").server.port, 6379);
  EXPECT_EQ(parse("AddressPath = unix:/run/a b.sock").server.path, "/run/a b.sock");
  EXPECT_EQ(parse("AddressPath = zkdb+unix://ann:x@/run/s?db=2").database, "2");
  EXPECT_EQ(parse("AddressPath = unix:///run/s").address, "/run/s");
  const PartitionConfig key = parse("AddressPath = zkdb://bob@h/2\nAuthKey = ann:a:b\nDatabase = 2");
  EXPECT_EQ(key.login.user, "ann");
  EXPECT_EQ(key.login.password, "a:b");
  EXPECT_EQ(parse("AddressPath = h:1\nAuthKey = secret").login.user, "default");
  EXPECT_REFUSED(Two("", "AddressPath = zkdb://ann:secret@h:0/\n"), "[a] AddressPath = (not shown): has no port");
  EXPECT_REFUSED(Two("", "AddressPath = zkdb://ann:%zz@h/\n"), "has a user or password with a %");
  EXPECT_REFUSED(Two("", "AddressPath = unix:run/s\n"), "has no absolute path");
  EXPECT_REFUSED(Two("", "AddressPath = unix:/s?x=1\n"), "behind '?'");
  EXPECT_REFUSED(Two("", "AddressPath = [::1\n"), "has no ']'");
  EXPECT_REFUSED(Two("", "", "IsRemote = Yes\nAddressPath = zkdb://h/one\nDatabase = two\n"),
                 "[b] Database = two: the address in AddressPath names another database");
}

TEST(config_takes_tls_with_its_files_and_refuses_them_without) {
  const std::string remote = "IsRemote = Yes\nAddressPath = ";
  const PartitionConfig p = Parse(Two("", "",
                                      remote + "zkdbs://ann@[::1]/2\nTlsCa = ca.pem\nTlsCertificate = ../me.pem\n" +
                                          "tlskey = /keys/me.key\nTlsServerName = db.example\n"))
                                .partitions[1];
  EXPECT(p.server.tls);
  EXPECT_EQ(p.address, "zkdbs://[::1]:6379");
  EXPECT_EQ(p.tls.authority, "/etc/ca.pem");
  EXPECT_EQ(p.tls.certificate, "/me.pem");
  EXPECT_EQ(p.tls.key, "/keys/me.key");
  EXPECT_EQ(p.tls.server_name, "db.example");
  EXPECT_EQ(p.login.user, "ann");
  EXPECT(!Parse(Two("", "", remote + "zkdb://h\n")).partitions[1].server.tls);
  EXPECT(Parse(Two("", "", remote + "zkdbs://h\n")).partitions[1].tls.empty());
  EXPECT_REFUSED(Two("", "", remote + "h:1\nTlsCa = x\n"), "[b] TlsCa = x: the address in AddressPath is not zkdbs://");
  EXPECT_REFUSED(Two("", "", remote + "zkdbs://h\nTlsKey = x\n"), "[b] TlsCertificate (not given): TlsCertificate and");
  EXPECT_REFUSED(Two("", "", remote + "zkdbs://ann:secret@h:0/\n"), "[b] AddressPath = (not shown): has no port");
}

TEST(config_takes_both_kinds_of_partition) {
  const DatabaseConfig c = Parse(Two("", "PartitionType = hash\n", "PartitionType = Btree\n"));
  EXPECT(c.partitions[0].partition_type == PartitionType::kHash);
  EXPECT(c.partitions[1].partition_type == PartitionType::kBtree);
}

TEST(config_of_a_copy_has_no_directories) {
  Env* env = Env::Posix();
  const std::string directory = test::TempDirectory();
  const std::string text = Two("DefaultHomeDir = /srv\n DEFAULTTRANSACTLOGDIR=/fast\nPageSize = 8K\n",
                               "HomeDir = /mnt/a\n", "TransactLogDir = l\n; HomeDir of b") +
                           "\n";
  std::unique_ptr<File> file;
  ASSERT_OK(env->Open(directory + "/from.conf", OpenMode::kCreate, &file));
  ASSERT_OK(file->Write(0, Slice(text)));
  ASSERT_OK(CopyConfigWithoutDirectories(env, directory + "/from.conf", directory + "/to.conf"));
  std::string copy;
  ASSERT_OK(env->ReadFile(directory + "/to.conf", 10000, &copy));
  EXPECT_EQ(copy, Two("PageSize = 8K\n", "", "; HomeDir of b\n"));
  // It is never written over another file.
  EXPECT_CODE(CopyConfigWithoutDirectories(env, directory + "/from.conf", directory + "/to.conf"), ZKDB_IO);
}

TEST(config_keeps_the_keys_of_the_server_and_of_ndbutil) {
  const DatabaseConfig c = Parse(Two("Operation = recovery\nRECOVERY.fatal = Yes\nLogFile = both.log\nVerbose = 3\n") +
                                 "[server]\nLogFile = server.log\nAddressPath = :7000\n[ ndbutil ]\nPrompt = No\n");
  EXPECT_EQ(c.ndbutil_keys.at("Operation"), "recovery");
  EXPECT_EQ(c.ndbutil_keys.at("recovery.Fatal"), "Yes");
  EXPECT_EQ(c.ndbutil_keys.at("LogFile"), "both.log");
  EXPECT_EQ(c.ndbutil_keys.at("Prompt"), "No");
  EXPECT_EQ(c.server_keys.at("LogFile"), "server.log");
  EXPECT_EQ(c.server_keys.at("AddressPath"), ":7000");
  EXPECT_EQ(c.server_keys.at("Verbose"), "3");
}

TEST(config_overrides_win_over_main_and_the_last_one_counts) {
  const ConfigOverrides overrides = {{"pagesize", "16K"},  {"PageSize", " 32K "}, {"Durability", "none"},
                                     {"Partitions", "16"}, {"ReadOnly", "Yes"},   {"DefaultHomeDir", "d"}};
  const DatabaseConfig c = Parse(Two("PageSize = 8K\n"), "/etc/app.conf", overrides);
  EXPECT_EQ(c.page_size, 32768u);
  EXPECT_EQ(c.partitions[0].page_size, 32768u);
  EXPECT_EQ(c.durability, ZKDB_DURABILITY_NONE);
  EXPECT_EQ(c.partitions.size(), 2u);
  EXPECT_EQ(c.partitions[0].directory, "/etc/d/a");
}

TEST(config_refuses_a_bad_option_with_its_name_and_value) {
  const auto message = [](const char* name, const char* value) { return CheckOption(name, value).message(); };
  EXPECT_EQ(message("PageSize", "3000"), "option PageSize = 3000: is not a power of two from 4096 to 65536");
  EXPECT_EQ(message("Pagesise", "1"), "option Pagesise = 1: unknown option; did you mean PageSize?");
  EXPECT_EQ(message("Partitions", "257"), "option Partitions = 257: is not a number of partitions from 1 to 256");
  EXPECT_EQ(message("ReadOnly", "1"), "option ReadOnly = 1: is neither Yes nor No");
  EXPECT_EQ(message("MinLimit", "1"), "option MinLimit = 1: unknown option");
  EXPECT_EQ(CheckOption("Database", std::string("a\0b", 3)).message(), "option Database = a\\x00b: holds a NUL byte");
  EXPECT_OK(CheckOption("createifmissing", "no"));
  EXPECT_OK(CheckOption("SegmentSize", "64K"));
  DatabaseConfig config;
  EXPECT_CODE(ParseConfig(kTextExample, "app.conf", {{"Durability", "maybe"}}, &config), ZKDB_CONFIG);
}

TEST(config_refuses_bad_values_with_file_line_section_key_and_value) {
  EXPECT_REFUSED(Two("PageSize = 2K\n"), "app.conf:1: [main] PageSize = 2K: is not a power of two");
  EXPECT_REFUSED(Two("SegmentSize = 4G\n"), "[main] SegmentSize = 4G: is not a power of two from 65536 to 2147483648");
  EXPECT_REFUSED(Two("LogFileSize = 1K\n"), "[main] LogFileSize = 1K: is outside 65536..2147483648 bytes");
  EXPECT_REFUSED(Two("MinCheckpointSize = many\n"), "[main] MinCheckpointSize = many: is not a size");
  EXPECT_REFUSED(Two("MinCheckpointSize = 4095\n"), "MinCheckpointSize = 4095: is outside 4096..1099511627776 bytes");
  EXPECT_REFUSED(Two("", "MinCheckpointSize = 1025G\n"), "[a] MinCheckpointSize = 1025G: is outside 4096..");
  EXPECT_REFUSED(Two("MinCheckpointTime = 0\n"), "[main] MinCheckpointTime = 0: is outside 1..");
  EXPECT_REFUSED(Two("CheckPoints = on\n"), "[main] CheckPoints = on: is neither Yes nor No");
  EXPECT_REFUSED(Two("Durability = fsync\n"), "Durability = fsync: is none of commit, interval, none");
  EXPECT_REFUSED(Two("SyncInterval = -1\n"), "SyncInterval = -1: is not a whole number");
  EXPECT_REFUSED(Two("Database =\n"), "[main] Database = : the value is empty");
  EXPECT_REFUSED(Two("", "IsRemote = maybe\n"), "app.conf:4: [a] IsRemote = maybe: is neither Yes nor No");
  EXPECT_REFUSED(Two("", "PartitionType = LIST\n"), "[a] PartitionType = LIST: is neither BTREE nor HASH");
  EXPECT_REFUSED(Two("", "LimitStartPos = 65535\n"), "[a] LimitStartPos = 65535: is outside 0..65534");
  EXPECT_REFUSED(Two("", "AddressPath = nowhere\n"),
                 "[a] AddressPath = nowhere: has no port of 1..65535; an address is host:port");
  EXPECT_REFUSED(Two("", "AddressPath = h:70000\n"), "[a] AddressPath = h:70000: has no port");
  EXPECT_REFUSED(Two("", "AddressPath = :7000\n"), "has no host");
  EXPECT_REFUSED(Two("", "AddressPath = h:0\n"), "[a] AddressPath = h:0: has no port");
  EXPECT_REFUSED(Two("", "AddressPath = h:\n"), "[a] AddressPath = h:: has no port");
  EXPECT_REFUSED(Two("", "AddressPath = h:x\n"), "[a] AddressPath = h:x: has no port");
  EXPECT_REFUSED(Two("", "Address =\n"), "[a] Address = : has no host");
  EXPECT_REFUSED("Partitions = a\n[a]\nMaxLimit =\n", "app.conf:3: [a] MaxLimit = : an empty limit; remove the key");
}

TEST(config_refuses_unknown_keys_and_suggests_the_nearest) {
  EXPECT_REFUSED(Two("", "MaxLimits = k\n"), "app.conf:4: [a] MaxLimits = k: unknown key; did you mean MaxLimit?");
  EXPECT_REFUSED(Two("Partition = a\n"), "app.conf:1: [main] Partition = a: unknown key; did you mean Partitions?");
  EXPECT_REFUSED(Two("Colour = red\n"), "[main] Colour = red: unknown key");
  EXPECT_REFUSED(Two("MinLimit = a\n"), "[main] MinLimit = a: this key belongs to the section of a partition");
  EXPECT_REFUSED(Two("", "SegmentSize = 1M\n"), "[a] SegmentSize = 1M: this key belongs to [main]");
  EXPECT_REFUSED(Two("# x = y\n"), "a comment begins with ';', not '#'");
  EXPECT_REFUSED(Two("", "# x = y\n"), "[a] # x = y: unknown key; a comment begins with ';', not '#'");
  EXPECT_REFUSED(Two("", "Partitions = a\n"), "[a] Partitions = a: this key belongs to [main]");
  EXPECT_REFUSED(Two("") + "[ndbutil]\nPromt = No\n", "[ndbutil] Promt = No: unknown key; did you mean Prompt?");
  EXPECT_REFUSED(Two("") + "[server]\nPort = 1\n", "[server] Port = 1: unknown key");
  EXPECT_REFUSED(Two("MaxTransactions = 1\nMaxConcurrentTransactions = 2\n"), "the key is repeated: MaxTransactions");
}

TEST(config_refuses_wrong_lists_of_partitions) {
  EXPECT_REFUSED("", "app.conf: [main] Partitions (not given): name the partitions, for example: Partitions =");
  EXPECT_REFUSED("[main]\n[a]\n", "app.conf:1: [main] Partitions (not given)");
  EXPECT_REFUSED("Partitions =\n", "app.conf:1: [main] Partitions = : names no partition");
  EXPECT_REFUSED("Partitions = ;\n", "an empty name between two separators");
  EXPECT_REFUSED("Partitions = a;;b\n", "Partitions = a;;b: an empty name between two separators");
  EXPECT_REFUSED("Partitions = a;A\n[a]\n", "Partitions = a;A: names A twice");
  EXPECT_REFUSED("Partitions = a;part_2\n[a]\n[part2]\n", "there is no section [part_2]; did you mean part2?");
  EXPECT_REFUSED(Two("") + "[c]\nMaxLimit = z\n",
                 "app.conf:6: [c]: unknown section: Partitions = a;b does not name it");
  EXPECT_REFUSED("Partitions = a/b\n", "the name \"a/b\" holds a '/'");
  EXPECT_REFUSED("Partitions = ..\n", "the name \"..\" is not allowed");
  EXPECT_REFUSED("Partitions = .\n", "the name \".\" is not allowed");
  EXPECT_REFUSED("Partitions = a\x7F\n", "the name \"a\\x7f\" holds a control character");
  EXPECT_REFUSED("Partitions = server\n[server]\n", "[server] has its own meaning");
  EXPECT_REFUSED("Partitions = a\tb\n", "holds a control character");
  EXPECT_REFUSED("Partitions = " + std::string(256, 'x') + "\n", "has more than 255 bytes");
  std::string many = "Partitions = ";
  for (int i = 0; i < 257; ++i) many += "p" + std::to_string(i) + ",";
  EXPECT_REFUSED(many + "\n", "names 257 partitions; a database has at most 256");
}

TEST(config_refuses_two_uses_of_one_directory) {
  EXPECT_REFUSED(Two("", "HomeDir = x/../d\n", "HomeDir = d/.\n"),
                 "app.conf:7: [b] HomeDir = d/.: the directory d is already used by partition [a]");
  EXPECT_REFUSED(Two("", "", "HomeDir = a\n"), "[b] HomeDir = a: the directory a is already used by partition [a]");
  EXPECT_REFUSED(Two("", "HomeDir = b\n"), "[b] HomeDir (not given): the directory b is already used by partition [a]");
  EXPECT_REFUSED(Two("", "HomeDir = log\n"), "[a] HomeDir = log: the directory log is already used by the transaction");
  EXPECT_REFUSED(Two("Isolated_Partitions = Yes\n", "TransactLogDir = l\n", "TransactLogDir = l\n"),
                 "[b] TransactLogDir = l: the directory l is already used by the log of partition [a]");
  EXPECT_REFUSED(Two("", "TransactLogDir = l\n"), "[a] TransactLogDir = l: a partition has its own log only with");
  EXPECT_REFUSED(Two("", "", "IsRemote = Yes\n"), "[b] AddressPath (not given): a partition with IsRemote = Yes needs");
}

TEST(config_is_loaded_through_the_env_by_its_real_path) {
  OneFileEnv env;
  DatabaseConfig config;
  ASSERT_OK(LoadConfig(&env, "app.conf", {}, &config));
  EXPECT_EQ(config.file, "/srv/app.conf");
  EXPECT_EQ(config.partitions[2].directory, "/srv/part_3");
  const Status status = LoadConfig(&env, "none.conf", {}, &config);
  EXPECT_CODE(status, ZKDB_CONFIG);
  EXPECT_EQ(status.message(), "cannot read the configuration file none.conf: open /srv/none.conf: no such file");
}

TEST(config_made_for_a_new_directory_is_valid_for_every_partition_count) {
  for (uint32_t count = 1; count <= kMaxPartitions; ++count) {
    const DatabaseConfig c = Parse(MakeHashedConfig(count), "/data/zkdb.conf");
    ASSERT_EQ(c.partitions.size(), count);
    EXPECT_EQ(c.partitions[0].directory, "/data/p000");
    EXPECT(c.partitions[0].do_hashing);
    Selector selector;
    ASSERT_OK(Selector::Build(c, &selector));
    EXPECT_EQ(selector.partition_count(), count);
  }
  EXPECT_EQ(Parse(MakeHashedConfig(256), "/data/zkdb.conf").partitions[255].name, "p255");
}

}  // namespace zkdb
