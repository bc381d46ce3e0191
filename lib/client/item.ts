/** The arguments and results of a client. Types only. */

import type { Uint64 } from "../base/uint64.ts";

/** Bytes, or a string, which means its UTF-8 bytes. */
export type Bytes = Uint8Array | string;

/** An item as a server returns it; the bytes belong to the caller. */
export interface Item {
  /** 1 … 8191 bytes. */
  readonly key: Uint8Array;
  /** Any bytes. */
  readonly value: Uint8Array;
  /** 0 … 2^32-1. */
  readonly flags: number;
  /** Flare's version, memcached's cas unique; undefined if not requested. */
  readonly version: Uint64 | undefined;
}
