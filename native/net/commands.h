// The handlers of all commands (command_table.h: Handler), by the source that has them.
//
// Thread-safety: each works on its session alone.
#pragma once

#include "net/command_table.h"

namespace zkdb::net {

struct PendingLogin;

// commands_connection.cc
// What a HELLO does and replies when its user is logged in.
void FinishHello(Session* s, const PendingLogin& hello);
void Auth(Session* s, Arguments args);
void Client(Session* s, Arguments args);
void Echo(Session* s, Arguments args);
void Hello(Session* s, Arguments args);
void Ping(Session* s, Arguments args);
void Quit(Session* s, Arguments args);
void ResetCommand(Session* s, Arguments args);
void Select(Session* s, Arguments args);
void Time(Session* s, Arguments args);

// commands_cluster.cc
void Cluster(Session* s, Arguments args);

// commands_info.cc
void InfoCommand(Session* s, Arguments args);

// commands_introspection.cc
void CommandCommand(Session* s, Arguments args);

// commands_data.cc
void Append(Session* s, Arguments args);
void Decr(Session* s, Arguments args);
void DecrBy(Session* s, Arguments args);
void Del(Session* s, Arguments args);
void Exists(Session* s, Arguments args);
void Get(Session* s, Arguments args);
void GetDel(Session* s, Arguments args);
void GetEx(Session* s, Arguments args);
void Incr(Session* s, Arguments args);
void IncrBy(Session* s, Arguments args);
void MGet(Session* s, Arguments args);
void MSet(Session* s, Arguments args);
void Set(Session* s, Arguments args);
void SetNx(Session* s, Arguments args);
void StrLen(Session* s, Arguments args);
void Type(Session* s, Arguments args);
void ZkGet(Session* s, Arguments args);

// commands_pubsub.cc
void PSubscribe(Session* s, Arguments args);
void PUnsubscribe(Session* s, Arguments args);
void Publish(Session* s, Arguments args);
void PubSubCommand(Session* s, Arguments args);
void Subscribe(Session* s, Arguments args);
void Unsubscribe(Session* s, Arguments args);

// commands_expiry.cc
void Expire(Session* s, Arguments args);
void ExpireAt(Session* s, Arguments args);
void ExpireTime(Session* s, Arguments args);
void PExpire(Session* s, Arguments args);
void PExpireAt(Session* s, Arguments args);
void PExpireTime(Session* s, Arguments args);
void ZkPExpireTime(Session* s, Arguments args);
void Persist(Session* s, Arguments args);
void PSetEx(Session* s, Arguments args);
void PTtl(Session* s, Arguments args);
void SetEx(Session* s, Arguments args);
void Ttl(Session* s, Arguments args);

// commands_config.cc
void Config(Session* s, Arguments args);

// commands_transaction.cc
void Discard(Session* s, Arguments args);
void Exec(Session* s, Arguments args);
void Multi(Session* s, Arguments args);
void Unwatch(Session* s, Arguments args);
void Watch(Session* s, Arguments args);

// commands_ordered.cc
void DbSize(Session* s, Arguments args);
void FlushDb(Session* s, Arguments args);
void Keys(Session* s, Arguments args);
void Scan(Session* s, Arguments args);
void ZkClear(Session* s, Arguments args);
void ZkRange(Session* s, Arguments args);

// commands_server.cc
void BgSave(Session* s, Arguments args);
void LastSave(Session* s, Arguments args);
void Memory(Session* s, Arguments args);
void SlowLogCommand(Session* s, Arguments args);

// commands_snapshot.cc
void ZkSnapshot(Session* s, Arguments args);

// commands_zk.cc
void ZkBatch(Session* s, Arguments args);
void ZkCheck(Session* s, Arguments args);
void ZkEstimate(Session* s, Arguments args);
void ZkPartitions(Session* s, Arguments args);
void ZkStat(Session* s, Arguments args);
void ZkSync(Session* s, Arguments args);

}  // namespace zkdb::net
