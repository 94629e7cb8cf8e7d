/**
 * What is kept of a password: a SCRAM-SHA-256 verifier (RFC 5802, RFC 7677), in the form of RFC 5803 that PostgreSQL
 * stores too: `SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY`. It tells whether a password is right, and does not
 * give it away.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * Rounds of PBKDF2 of a new verifier: what OWASP advises for PBKDF2 with SHA-256 (Password Storage Cheat Sheet). RFC
 * 7677 asks for 4,096, which a graphics card tries some million times per second.
 */
export const defaultIterations = 600_000
/** The least that RFC 7677 allows. */
export const minIterations = 4096
/** Beyond it a login takes seconds. */
export const maxIterations = 10_000_000
/** The longest password, in bytes. The session refuses longer ones too. */
export const maxPasswordSize = 4096

const keySize = 32
const saltSize = 16
const pbkdf2Async = promisify(pbkdf2)

/** A verifier. */
export interface Verifier {
  iterations: number
  salt: Buffer
  storedKey: Buffer
  serverKey: Buffer
}

/**
 * The bytes of a password that are hashed. SCRAM asks for SASLprep; like PostgreSQL, what is not UTF-8 is taken as it
 * is. Of SASLprep it is the normal form that matters: the same letters typed on two keyboards are one password.
 */
export function passwordBytes(password: Uint8Array): Buffer {
  const bytes = Buffer.from(password.buffer, password.byteOffset, password.byteLength)
  if (bytes.every((byte) => byte < 0x80)) return bytes
  const text = bytes.toString('utf8')
  return text.includes('\ufffd') ? bytes : Buffer.from(text.normalize('NFKC'))
}

async function keysOf(password: Uint8Array, salt: Buffer, iterations: number) {
  const salted = await pbkdf2Async(passwordBytes(password), salt, iterations, keySize, 'sha256')
  const clientKey = createHmac('sha256', salted).update('Client Key').digest()
  return {
    storedKey: createHash('sha256').update(clientKey).digest(),
    serverKey: createHmac('sha256', salted).update('Server Key').digest()
  }
}

/** Makes the verifier of a password, off the main thread. The salt is random unless it is given. */
export async function makeVerifier(
  password: Uint8Array,
  iterations = defaultIterations,
  salt: Buffer = randomBytes(saltSize)
): Promise<Verifier> {
  return { iterations, salt, ...(await keysOf(password, salt, iterations)) }
}

/** Whether the password is the verifier's; takes the same time for every password of one length. */
export async function verify(verifier: Verifier, password: Uint8Array): Promise<boolean> {
  const { storedKey } = await keysOf(password, verifier.salt, verifier.iterations)
  return timingSafeEqual(storedKey, verifier.storedKey)
}

/** A verifier as it is stored. */
export function formatVerifier({ iterations, salt, storedKey, serverKey }: Verifier): string {
  const [s, stored, server] = [salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'))
  return `SCRAM-SHA-256$${iterations}:${s}$${stored}:${server}`
}

/** Reads a stored verifier; a string is the reason why it is none. */
export function parseVerifier(text: string): Verifier | string {
  const match = /^SCRAM-SHA-256\$(\d+):([\w+/]+={0,2})\$([\w+/]+={0,2}):([\w+/]+={0,2})$/.exec(text)
  if (!match) return 'write SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY, as "zkdb user password" does'
  const [, count = '', salt = '', stored = '', server = ''] = match
  const iterations = Number(count)
  if (iterations < minIterations || iterations > maxIterations) {
    return `has ${count} iterations; ${minIterations} to ${maxIterations} are allowed`
  }
  const storedKey = Buffer.from(stored, 'base64')
  const serverKey = Buffer.from(server, 'base64')
  if (storedKey.length !== keySize || serverKey.length !== keySize) return `its keys do not have ${keySize} bytes each`
  return { iterations, salt: Buffer.from(salt, 'base64'), storedKey, serverKey }
}
