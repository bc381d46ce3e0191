/** The fields of a record in the arena besides key and value. Reused for each append, so that nothing is allocated. */

import type { Uint64 } from "../../base/uint64.ts";

export class RecordFields {
  /** Bits of `RecordState`. */
  state = 0;
  /** For a tombstone, the second of the deletion. */
  flags = 0;
  /** For a tombstone, until when the key is blocked. */
  expire = 0;
  version: Uint64 = 0;

  set(state: number, flags: number, expire: number, version: Uint64): this {
    this.state = state;
    this.flags = flags;
    this.expire = expire;
    this.version = version;
    return this;
  }
}
