/**
 * zkdb/remote: a database on a server, asynchronously. It needs no addon.
 */
export type { WriteResult } from './batch-writer.js'
export { type Urgency, ZkdbError } from './errors.js'
export type { Expiry } from './expiry.js'
export type { DatabaseStats, PartitionInfo, PartitionStats } from './operations.js'
export { connect, RemoteClient, type RemoteEvents } from './remote/client.js'
export type { CallOptions } from './remote/connection.js'
export type { Argument } from './remote/encoder.js'
export type {
  Bounds,
  EncodingOptions,
  RemoteBatchOperation,
  RemoteBatchOptions,
  RemoteClearOptions,
  RemoteDelOptions,
  RemoteGetOptions,
  RemotePutOptions
} from './remote/operations.js'
export { RangeIterator, type RangeOptions } from './remote/range.js'
export type { Reply } from './remote/reply.js'
export type { ReconnectOptions, RemoteOptions } from './remote/settings.js'
export { RemoteSnapshot } from './remote/snapshot.js'
export { type Message, type SubscribeOptions, Subscription } from './remote/subscription.js'
export type { DelConditions, Durability, PutConditions, WriteOptions } from './write-options.js'
