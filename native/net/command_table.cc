#include "net/command_table.h"

#include <array>

#include "net/commands.h"
#include "net/numbers.h"
#include "net/permission.h"

namespace zkdb::net {

namespace {

constexpr uint32_t kFastRead = kRead | kFast;
constexpr uint32_t kFastWrite = kWrite | kFast;
constexpr uint32_t kLink = kConnection | kFast;

constexpr uint32_t kReadWrite = kVerbRead | kVerbWrite;
constexpr uint32_t kReadScan = kVerbRead | kVerbScan;
constexpr uint32_t kWriteScan = kVerbWrite | kVerbScan;
constexpr uint32_t kReadAdmin = kVerbRead | kVerbAdmin;
using enum Reach;

// By name. Name, handler, arity, flags, verbs, reach, first key, last key, step, summary,
// and what arguments add to the verbs.
constexpr Command kCommands[] = {
    {"APPEND", Append, 3, kFastWrite, kReadWrite, kKeys, 1, 1, 1, "Appends to a value; makes it when it is not there."},
    {"AUTH", Auth, -2, kLink | kNoLogin | kNoMulti, 0, kNothing, 0, 0, 0, "Logs in."},
    {"BGSAVE", BgSave, -1, kAdmin | kNoMulti, kReadAdmin, kEverything, 0, 0, 0,
     "Copies the database into the server's directory for backups."},
    {"CLIENT", Client, -2, kConnection, 0, kNothing, 0, 0, 0, "Asks for and changes what is known of connections.",
     ClientVerbs},
    {"CLUSTER", Cluster, -2, kConnection, 0, kNothing, 0, 0, 0, "Which server holds which hash slots."},
    {"COMMAND", CommandCommand, -1, kConnection, 0, kNothing, 0, 0, 0, "Describes the commands."},
    {"CONFIG", Config, -2, kConnection, 0, kNothing, 0, 0, 0, "GET: settings of the server."},
    {"DBSIZE", DbSize, 1, kRead, kVerbScan, kEverything, 0, 0, 0, "The number of keys."},
    {"DECR", Decr, 2, kFastWrite, kReadWrite, kKeys, 1, 1, 1, "Takes one from an integer."},
    {"DECRBY", DecrBy, 3, kFastWrite, kReadWrite, kKeys, 1, 1, 1, "Takes a number from an integer."},
    {"DEL", Del, -2, kWrite, kVerbWrite, kKeys, 1, -1, 1, "Deletes keys."},
    {"DISCARD", Discard, 1, kLink | kAtOnce, 0, kNothing, 0, 0, 0, "Drops the commands behind MULTI."},
    {"ECHO", Echo, 2, kLink, 0, kNothing, 0, 0, 0, "Gives its argument back."},
    {"EXEC", Exec, 1, kConnection | kAtOnce, 0, kNothing, 0, 0, 0,
     "Carries out the commands behind MULTI as one transaction."},
    {"EXISTS", Exists, -2, kFastRead, kVerbRead, kKeys, 1, -1, 1, "Counts which of the keys are there."},
    {"EXPIRE", Expire, -3, kFastWrite, kVerbWrite, kKeys, 1, 1, 1, "Lets a key end after seconds."},
    {"EXPIREAT", ExpireAt, -3, kFastWrite, kVerbWrite, kKeys, 1, 1, 1, "Lets a key end at a time in seconds."},
    {"EXPIRETIME", ExpireTime, 2, kFastRead, kVerbRead, kKeys, 1, 1, 1, "When a key ends, in seconds since 1970."},
    {"FLUSHDB", FlushDb, -1, kWrite, kWriteScan, kEverything, 0, 0, 0, "Deletes all keys."},
    {"GET", Get, 2, kFastRead, kVerbRead, kKeys, 1, 1, 1, "The value of a key."},
    {"GETDEL", GetDel, 2, kFastWrite, kReadWrite, kKeys, 1, 1, 1, "The value of a key, which is deleted."},
    {"GETEX", GetEx, -2, kFastWrite, kReadWrite, kKeys, 1, 1, 1, "The value of a key, and another time for it to end."},
    {"HELLO", Hello, -1, kLink | kNoLogin | kNoMulti, 0, kNothing, 0, 0, 0,
     "Chooses the protocol; logs in and names the client."},
    {"INCR", Incr, 2, kFastWrite, kReadWrite, kKeys, 1, 1, 1, "Adds one to an integer."},
    {"INCRBY", IncrBy, 3, kFastWrite, kReadWrite, kKeys, 1, 1, 1, "Adds a number to an integer."},
    {"INFO", InfoCommand, -1, kConnection, 0, kNothing, 0, 0, 0, "Figures of the server and its databases."},
    {"KEYS", Keys, 2, kRead, kVerbScan, kVisible, 0, 0, 0, "All keys that match a pattern."},
    {"LASTSAVE", LastSave, 1, kAdmin | kFast, kVerbAdmin, kDatabase, 0, 0, 0, "When the last good backup ended."},
    {"MEMORY", Memory, -3, kRead, kVerbRead, kKeys, 2, 2, 1, "The bytes that a record takes."},
    {"MGET", MGet, -2, kFastRead, kVerbRead, kKeys, 1, -1, 1, "The values of keys, all of one state."},
    {"MSET", MSet, -3, kWrite, kVerbWrite, kKeys, 1, -1, 2, "Sets keys, all or none."},
    {"MULTI", Multi, 1, kLink | kAtOnce, 0, kNothing, 0, 0, 0, "Queues the commands that follow, up to EXEC."},
    {"PERSIST", Persist, 2, kFastWrite, kVerbWrite, kKeys, 1, 1, 1, "Lets a key never end."},
    {"PEXPIRE", PExpire, -3, kFastWrite, kVerbWrite, kKeys, 1, 1, 1, "Lets a key end after milliseconds."},
    {"PEXPIREAT", PExpireAt, -3, kFastWrite, kVerbWrite, kKeys, 1, 1, 1, "Lets a key end at a time in milliseconds."},
    {"PEXPIRETIME", PExpireTime, 2, kFastRead, kVerbRead, kKeys, 1, 1, 1,
     "When a key ends, in milliseconds since 1970."},
    {"PING", Ping, -1, kLink | kSubscribed, 0, kNothing, 0, 0, 0, "Answers PONG, or its argument."},
    {"PSETEX", PSetEx, 4, kWrite, kVerbWrite, kKeys, 1, 1, 1, "Sets a key that ends after milliseconds."},
    {"PSUBSCRIBE", PSubscribe, -2, kPubSub | kSubscribed | kNoMulti, kReadScan, kPatterns, 0, 0, 0,
     "Asks for the messages of channels that match patterns."},
    {"PTTL", PTtl, 2, kFastRead, kVerbRead, kKeys, 1, 1, 1, "The milliseconds after which a key ends."},
    {"PUBLISH", Publish, 3, kPubSub | kFast, kVerbWrite, kChannels, 0, 0, 0, "Sends a message to a channel."},
    {"PUBSUB", PubSubCommand, -2, kPubSub, kVerbScan, kVisible, 0, 0, 0, "Channels, and how many listen to them."},
    {"PUNSUBSCRIBE", PUnsubscribe, -1, kLink | kPubSub | kSubscribed | kNoMulti, 0, kNothing, 0, 0, 0,
     "Ends what PSUBSCRIBE began."},
    {"QUIT", Quit, -1, kLink | kNoLogin | kAtOnce | kSubscribed, 0, kNothing, 0, 0, 0, "Closes the connection."},
    {"RESET", ResetCommand, 1, kLink | kNoLogin | kAtOnce | kSubscribed, 0, kNothing, 0, 0, 0,
     "Makes the connection what it was at its start."},
    {"SCAN", Scan, -2, kRead, kVerbScan, kVisible, 0, 0, 0, "Goes through the keys in steps."},
    {"SELECT", Select, 2, kLink | kNoMulti, 0, kSelect, 0, 0, 0, "Chooses the database."},
    {"SET", Set, -3, kWrite, kVerbWrite, kKeys, 1, 1, 1, "Sets a key: always, or when it is or is not there.",
     SetVerbs},
    {"SETEX", SetEx, 4, kWrite, kVerbWrite, kKeys, 1, 1, 1, "Sets a key that ends after seconds."},
    {"SETNX", SetNx, 3, kFastWrite, kVerbWrite, kKeys, 1, 1, 1, "Sets a key that is not there."},
    {"SLOWLOG", SlowLogCommand, -2, kAdmin, kVerbAdmin, kServer, 0, 0, 0, "The commands that took long."},
    {"STRLEN", StrLen, 2, kFastRead, kVerbRead, kKeys, 1, 1, 1, "The size of a value in bytes."},
    {"SUBSCRIBE", Subscribe, -2, kPubSub | kSubscribed | kNoMulti, kVerbRead, kChannels, 0, 0, 0,
     "Asks for the messages of channels.", SubscribeVerbs},
    {"TIME", Time, 1, kLink, 0, kNothing, 0, 0, 0, "The server's clock: seconds and microseconds."},
    {"TTL", Ttl, 2, kFastRead, kVerbRead, kKeys, 1, 1, 1, "The seconds after which a key ends."},
    {"TYPE", Type, 2, kFastRead, kVerbRead, kKeys, 1, 1, 1, "string, or none for a key that is not there."},
    {"UNLINK", Del, -2, kWrite | kFast, kVerbWrite, kKeys, 1, -1, 1, "Deletes keys."},
    {"UNSUBSCRIBE", Unsubscribe, -1, kLink | kPubSub | kSubscribed | kNoMulti, 0, kNothing, 0, 0, 0,
     "Ends what SUBSCRIBE began."},
    {"UNWATCH", Unwatch, 1, kLink, 0, kNothing, 0, 0, 0, "Forgets the watched keys."},
    {"WATCH", Watch, -2, kFast | kAtOnce, kVerbRead, kKeys, 1, -1, 1,
     "EXEC does nothing when one of the keys changes before it."},
    {"ZK.BATCH", ZkBatch, -2, kWrite, kVerbWrite, kOperations, 0, 0, 0,
     "Puts and deletes, with conditions, all or none.", ZkBatchVerbs},
    {"ZK.CHECK", ZkCheck, 1, kRead | kAdmin | kNoMulti, kReadAdmin, kEverything, 0, 0, 0,
     "Reads and checks every page of the database."},
    {"ZK.CLEAR", ZkClear, -1, kWrite, kWriteScan, kRange, 0, 0, 0, "Deletes a range of keys."},
    {"ZK.ESTIMATE", ZkEstimate, -1, kRead, kVerbScan, kRange, 0, 0, 0,
     "About how many records a range has: a few page reads."},
    {"ZK.GET", ZkGet, -3, kRead | kFast | kNoMulti, kVerbRead, kKeys, 2, -1, 1,
     "The values of keys in the state of a snapshot."},
    {"ZK.PARTITIONS", ZkPartitions, 1, kRead, kVerbRead, kDatabase, 0, 0, 0, "The partitions of the database."},
    {"ZK.PEXPIRETIME", ZkPExpireTime, 3, kRead | kFast | kNoMulti, kVerbRead, kKeys, 2, 2, 1,
     "When a key ends, in milliseconds since 1970, in the state of a snapshot."},
    {"ZK.RANGE", ZkRange, -1, kRead, kReadScan, kRange, 0, 0, 0, "Records of a range in order."},
    {"ZK.SNAPSHOT", ZkSnapshot, -2, kRead | kFast | kNoMulti, kVerbRead, kDatabase, 0, 0, 0,
     "Keeps a state of the database for later reads, or lets go of it."},
    {"ZK.STAT", ZkStat, -1, kRead, kVerbScan, kEverything, 0, 0, 0, "Figures of the database, or of a partition."},
    {"ZK.SYNC", ZkSync, 1, kWrite | kNoMulti, kVerbWrite, kDatabase, 0, 0, 0, "Makes every commit so far durable."},
};

// A command without a verb is one of the connection: a new one cannot be forgotten.
constexpr bool EachHasItsVerb() {
  for (const Command& command : kCommands) {
    const bool connection = command.reach == kNothing || command.reach == kSelect;
    if (connection != (command.verbs == 0) || connection != ((command.flags & kConnection) != 0)) return false;
  }
  return true;
}
static_assert(EachHasItsVerb());

constexpr size_t kLongestName = 16;
constexpr size_t kSlots = 512;  // a power of two, several times the number of commands
static_assert(std::size(kCommands) * 4 < kSlots);

constexpr uint32_t HashName(const char* name, size_t size) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<uint8_t>(name[i])) * 16777619u;
  return hash ^ hash >> 15;
}

// Places in kCommands plus one, 0 for an empty slot; a taken slot moves a name to the next one.
constexpr std::array<uint8_t, kSlots> MakeSlots() {
  std::array<uint8_t, kSlots> slots{};
  for (size_t i = 0; i < std::size(kCommands); ++i) {
    uint32_t at = HashName(kCommands[i].name.data(), kCommands[i].name.size());
    while (slots[at % kSlots] != 0) ++at;
    slots[at % kSlots] = static_cast<uint8_t>(i + 1);
  }
  return slots;
}

constexpr std::array<uint8_t, kSlots> kSlotOf = MakeSlots();

}  // namespace

const Command* FindCommand(Slice name) {
  if (name.size > kLongestName) return nullptr;
  char capitals[kLongestName];
  for (size_t i = 0; i < name.size; ++i) capitals[i] = UpperAscii(name.data[i]);
  const std::string_view wanted(capitals, name.size);
  for (uint32_t at = HashName(capitals, name.size); kSlotOf[at % kSlots] != 0; ++at) {
    const Command& command = kCommands[kSlotOf[at % kSlots] - 1];
    if (command.name == wanted) return &command;
  }
  return nullptr;
}

std::span<const Command> AllCommands() { return kCommands; }

}  // namespace zkdb::net
