/**
 * The replies about one item that the meta and the binary protocol share: a hit, a miss, the outcome of a local write, or
 * another node's outcome. Extends the text protocol's replies, which provide error lines.
 */

import type { Uint64 } from "../base/uint64.ts";
import type { EntryView } from "../item/entry.ts";
import type { Request } from "./request.ts";
import type { ClientReply } from "./text/text_client.ts";
import type { TextReply } from "./text/text_reply.ts";

/** The state of an item before a read that changed it. */
export type ItemBefore = Pick<EntryView, "expire" | "marks" | "fetched" | "accessSeconds">;

/** Another node's outcome. */
export interface RemoteOutcome {
  /** The meta protocol's code: VA HD EN NF NS EX; empty = see `error`. */
  readonly status: string;
  /** 0 = unknown. */
  readonly version: Uint64;
  readonly flags: number;
  /** Sent only with VA; with HD it may be set for its length. */
  readonly value: Uint8Array;
  /** A line that begins with CLIENT_ERROR or SERVER_ERROR. */
  readonly error: string;
}

export interface ItemReply extends TextReply {
  /** Set before the reply of a read that may change its item; undefined = there was no item. */
  before: ItemBefore | undefined;
  hit(entry: EntryView): void;
  miss(): void;
  remote(outcome: RemoteOutcome): void;
  /** Passes on another node's answer to the same request in the same protocol. */
  passOn(answer: ClientReply): void;
  /** Makes the reply answer this copy of its request. */
  bind(request: Request): void;
}
