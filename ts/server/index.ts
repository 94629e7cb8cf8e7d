/**
 * `zkdb/server`: a database for programs on the other side of a socket.
 */
export type { AuditEvent, AuditKind } from './access-audit.js'
export type { ListenAddress } from './address.js'
export type { ServerStats } from './native.js'
export { type CloseOptions, type Server, serve } from './server.js'
export type { ServeOptions } from './settings.js'
