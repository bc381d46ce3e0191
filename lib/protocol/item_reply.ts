/**
 * What the meta and the binary protocol answer about one item, whichever of the two it is: a hit, a miss, the outcome of
 * a write here, or the outcome another node has told. The text protocol's replies are the base: lines that refuse.
 */

import type { Uint64 } from "../base/uint64.ts";
import type { EntryView } from "../item/entry.ts";
import type { Request } from "./request.ts";
import type { ClientReply } from "./text/text_client.ts";
import type { TextReply } from "./text/text_reply.ts";

/** What an item was before a read that changed it. */
export type ItemBefore = Pick<EntryView, "expire" | "marks" | "fetched" | "accessSeconds">;

/** What another node has answered. */
export interface RemoteOutcome {
  /** As the meta protocol says it: VA HD EN NF NS EX; empty = `error` says what happened. */
  readonly status: string;
  /** 0 = not told. */
  readonly version: Uint64;
  readonly flags: number;
  /** Told with VA only; with HD it may be there for its length. */
  readonly value: Uint8Array;
  /** A line that begins with CLIENT_ERROR or SERVER_ERROR. */
  readonly error: string;
}

export interface ItemReply extends TextReply {
  /** Set before the reply of a read that may change its item; undefined = there was none. */
  before: ItemBefore | undefined;
  hit(entry: EntryView): void;
  miss(): void;
  remote(outcome: RemoteOutcome): void;
  /** Hands on what another node has answered to the same request in the same protocol. */
  passOn(answer: ClientReply): void;
  /** From now on the reply answers this copy of its request. */
  bind(request: Request): void;
}
