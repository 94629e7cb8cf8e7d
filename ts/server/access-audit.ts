/**
 * What an audit log keeps: logins, denied commands and commands of admins. It never has a key, a value or a password:
 * the session does not tell them.
 */

/** What happened. */
export type AuditKind = 'login' | 'login-refused' | 'denied' | 'admin'

/** An event of the audit log. */
export interface AuditEvent {
  event: AuditKind
  /** The number of the connection, as in CLIENT LIST; 0 when it did not become one. */
  client: number
  /** `host:port` of the client, or the path of the Unix socket. */
  address: string
  /** Who logged in, or tried to; else the user of the connection. */
  user: string
  /** Of logins by certificate: `ok`, or why it is not taken. */
  certificate?: string
  /** Of `denied` and `admin`: its name. */
  command?: string
  /** Of `denied`: what was missing. */
  reason?: 'command' | 'database' | 'key'
  /** Of `denied`: how many were denied since the login. Told are the first 100, then each power of two. */
  count?: number
  /** Events before this one that were lost, because more came than could be taken. */
  dropped?: number
}
