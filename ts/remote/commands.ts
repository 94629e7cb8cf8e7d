/**
 * Which commands a caller may send on a connection that many calls share, and which of them change nothing.
 */
import { ZkdbError } from '../errors.js'
import { typeName } from '../text.js'
import { type Argument, argumentProblem } from './encoder.js'

/** Commands that change nothing. Any other one counts as a write: its outcome may be unknown. */
const reads = new Set(
  `CLUSTER COMMAND DBSIZE ECHO EXISTS EXPIRETIME GET GETRANGE INFO KEYS LASTSAVE MEMORY MGET PEXPIRETIME PING PTTL
  PUBSUB RANDOMKEY SCAN STRLEN TIME TTL TYPE ZK.CHECK ZK.ESTIMATE ZK.GET ZK.PARTITIONS ZK.PEXPIRETIME ZK.RANGE
  ZK.STAT`.split(/\s+/)
)

/** Commands that change the connection, which is shared and may be replaced by a new one at any time. */
const stateful = new Set(
  `ASKING AUTH DISCARD EXEC HELLO MONITOR MULTI PSUBSCRIBE PSYNC PUNSUBSCRIBE QUIT READONLY READWRITE RESET SELECT
  SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE SYNC UNSUBSCRIBE UNWATCH WATCH`.split(/\s+/)
)

/** Whether a command changes nothing. */
export function isRead(name: string): boolean {
  return reads.has(name.toUpperCase())
}

/** Checks a command of a caller. @throws TypeError, LEVEL_NOT_SUPPORTED */
export function assertCommand(args: readonly Argument[]): asserts args is [string, ...Argument[]] {
  const [name, second] = args
  if (typeof name !== 'string' || name === '') {
    throw new TypeError(`The name of a command must be a string that is not empty, received ${typeName(name)}`)
  }
  args.forEach((data, index) => {
    const problem = argumentProblem(data)
    if (problem === undefined) return
    throw new TypeError(`Argument ${index} of ${name} must be a string, bytes or a number, received ${problem}`)
  })
  const upper = name.toUpperCase()
  const isReplySwitch = upper === 'CLIENT' && String(second).toUpperCase() === 'REPLY'
  if (!stateful.has(upper) && !isReplySwitch) return
  const advice = 'a database, a login and a name are options of connect, several writes at once are batch()'
  throw new ZkdbError(
    'LEVEL_NOT_SUPPORTED',
    `${upper} would change the connection that all calls of this client share: ${advice}`
  )
}
