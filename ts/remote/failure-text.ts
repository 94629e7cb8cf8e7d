/**
 * What is said of a connection that could not be made, the same by the client and by remote partitions over TLS.
 */

const advice: readonly (readonly [codes: RegExp, what: string])[] = [
  [/^CERT_HAS_EXPIRED$/, "the server's certificate has expired: renew it"],
  [/^CERT_NOT_YET_VALID$/, "the server's certificate is not valid yet: check the clocks of both machines"],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    "the server's certificate is for another name: use that name in the address, or say that it is expected " +
      '(servername; TlsServerName of a partition)'
  ],
  [
    /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_\w+|CERT_UNTRUSTED)$/,
    "the authority of the server's certificate is not known here: give its certificate (ca; TlsCa of a partition)"
  ],
  [
    /^ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED$/,
    'the server asks for a certificate: give one (cert and key; TlsCertificate and TlsKey of a partition)'
  ],
  [/^ERR_SSL_(TLSV1_ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL)$/, 'the server does not speak TLS 1.3'],
  [/^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/, 'the server does not speak TLS at this address'],
  [/^ECONNREFUSED$/, 'nothing listens there']
]

/** Numbers of threads and lines of sources, around what OpenSSL says. */
const ofOpenssl = /^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):.*$/s

/** A code, what Node says of it, and what to do. */
export function failureText(error: Error & { code?: string }): string {
  const code = error.code ?? error.name
  // Node tries several addresses of a host, and says nothing of all together.
  const first = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined
  const said = (error.message || first?.message || '').trim().replace(ofOpenssl, '$1')
  const found = advice.find(([codes]) => codes.test(code))
  return `${code}: ${said}${found ? `; ${found[1]}` : ''}`
}
