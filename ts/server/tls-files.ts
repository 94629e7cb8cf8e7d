/**
 * Certificates of a server, and of a client of one: read and checked before they are used, so that what is wrong is
 * told by file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { fileError, readPrivateFile } from './private-file.js'

/** Paths of PEM files. */
export interface TlsFiles {
  /** The server's certificate, and behind it those that lead to its authority. */
  certificate: string
  /** Its key, not encrypted. */
  key: string
  /** Certificates of the authorities whose clients are known by a certificate. */
  clientCa?: string | undefined
}

/** What is in them. */
export interface TlsCredentials {
  cert: Buffer
  key: Buffer
  ca?: Buffer
}

function read(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw fileError(file, `cannot be read: ${(cause as Error).message}`, cause)
  }
}

function readCertificate(file: string): { bytes: Buffer; first: X509Certificate } {
  const bytes = read(file)
  try {
    return { bytes, first: new X509Certificate(bytes) }
  } catch (cause) {
    throw fileError(file, 'is not a certificate in PEM (-----BEGIN CERTIFICATE-----)', cause)
  }
}

function readKey(file: string, whose: string): { bytes: Buffer; key: KeyObject } {
  const { bytes } = readPrivateFile(file, `the key of the ${whose}`)
  try {
    return { bytes, key: createPrivateKey(bytes) }
  } catch (cause) {
    throw fileError(file, 'is not a key in PEM (-----BEGIN PRIVATE KEY-----), or asks for a passphrase', cause)
  }
}

/** A certificate and its key. */
function readPair(certificate: string, key: string, whose: string): { cert: Buffer; key: Buffer } {
  const own = readCertificate(certificate)
  const secret = readKey(key, whose)
  if (!own.first.checkPrivateKey(secret.key)) {
    throw fileError(key, `is not the key of the certificate in ${certificate}`)
  }
  return { cert: own.bytes, key: secret.bytes }
}

/**
 * Reads the files of a client; '' stands for none.
 *
 * @throws ZkdbError as {@link readTlsFiles}
 */
export function readClientFiles(files: {
  authority: string
  certificate: string
  key: string
}): Partial<TlsCredentials> {
  return {
    ...(files.authority !== '' && { ca: readCertificate(files.authority).bytes }),
    ...(files.certificate !== '' && readPair(files.certificate, files.key, 'client'))
  }
}

/**
 * Reads the files.
 *
 * @throws ZkdbError `ZKDB_CONFIG`: one cannot be read, is not what it should be, or the key is others' to read
 */
export function readTlsFiles({ certificate, key, clientCa }: TlsFiles): TlsCredentials {
  const credentials: TlsCredentials = readPair(certificate, key, 'server')
  if (clientCa !== undefined) credentials.ca = readCertificate(clientCa).bytes
  try {
    createSecureContext(credentials)
  } catch (cause) {
    throw fileError(certificate, `cannot be used: ${(cause as Error).message}`, cause)
  }
  return credentials
}
