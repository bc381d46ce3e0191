/** The limits and timeouts of all real transports, so that the adapters behave the same. */

/** One read takes at most this many bytes. */
export const READ_BUFFER_BYTES = 65_536;

/** Length of the kernel's queue of connections that are not accepted yet. */
export const SOCKET_BACKLOG = 1024;

/**
 * Deno (2.9.5) accepts a whole backlog before the first connection can be closed, and never accepts again once that takes the
 * last descriptor. Where a process may have fewer descriptors than this …
 */
export const DENO_DESCRIPTORS_FEW = 16_384;
/** … the backlog is no longer than this, which fits into what a server keeps for itself. */
export const DENO_BACKLOG_MAX = 64;

/** Permission bits of a UNIX socket file. */
export const SOCKET_MODE = 0o777;

/** Idle time after which the kernel sends keep-alive probes. */
export const KEEP_ALIVE_MS = 60_000;

/** How long a closing connection may take to send its remaining bytes. */
export const CLOSE_MS = 30_000;

/** How long a closed connection, with everything sent, waits for the peer to close its side. */
export const LINGER_MS = 2_000;

/** Timeout of a TLS handshake. */
export const HANDSHAKE_MS = 10_000;

/** Above this many bytes waiting in TLS a write returns false. */
export const TLS_QUEUE_BYTES_MAX = 65_536;
