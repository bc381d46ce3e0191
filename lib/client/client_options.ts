/**
 * How a client behaves: how long it waits and how much it takes. Knows no protocol.
 */

import type { PeerOptions } from "../net/peer.ts";

/** What a client can be told; everything has a default. */
export interface ClientOptions {
  /** How long opening a connection may take, in milliseconds; default 5000. */
  readonly connectTimeoutMs?: number;
  /** How long an answer may take, in milliseconds; default 10000. */
  readonly replyTimeoutMs?: number;
  /** Bytes of requests that may wait to be sent; default 64 MiB. */
  readonly queueBytesMax?: number;
  /** The longest answer accepted, in bytes; default 1 GiB. */
  readonly replyBytesMax?: number;
}

const MIB = 1048576;

/** The options with their defaults filled in. */
export function completeClientOptions(options: ClientOptions): PeerOptions {
  return {
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    replyTimeoutMs: options.replyTimeoutMs ?? 10000,
    queueBytesMax: options.queueBytesMax ?? 64 * MIB,
    replyBytesMax: options.replyBytesMax ?? 1024 * MIB,
  };
}
