/**
 * The limits and times of every real transport, so that the adapters behave alike.
 */

/** One read takes at most this many bytes. */
export const READ_BUFFER_BYTES = 65_536;

/** Connections the kernel keeps that are not accepted yet. */
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

/** Silence after which the kernel begins to ask whether the peer is still there. */
export const KEEP_ALIVE_MS = 60_000;

/** How long a closing connection may take to send what is left to send. */
export const CLOSE_MS = 30_000;

/** How long a closed connection, all sent, waits for the peer to close its side too. */
export const LINGER_MS = 2_000;

/** How long a peer may take to agree on TLS with us. */
export const HANDSHAKE_MS = 10_000;

/** Bytes handed to TLS that may wait before a write is answered with false. */
export const TLS_QUEUE_BYTES_MAX = 65_536;
