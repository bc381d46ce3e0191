/**
 * One parsed request. A session owns a single object of this class and the parser refills it for every request, so a handler
 * that waits must not keep references into it: it makes copies first.
 */

import { EMPTY_BYTES } from "../base/bytes.ts";
import type { Uint64 } from "../base/uint64.ts";
import { emptyTerms, type Mutation, type MutationTerms, SyncMode } from "../item/mutation.ts";
import { Command } from "./command.ts";
import { MetaFlags } from "./meta/meta_flags.ts";
import type { MultiGet } from "./text/multi_get.ts";

/** The node that forwards its clients' requests on a connection. */
export interface ForwardedBy {
  readonly nodeKey: string;
  /** The version of the node map by which it does. */
  readonly mapVersion: Uint64;
}

export class Request {
  command: Command = Command.get;
  /** The node list between `<` and `>`, undefined without one (from an ordinary client, or forwarded as that). */
  prefix: string | undefined = undefined;
  /** Present: a client's request that a node of this Flare forwards. */
  forwardedBy: ForwardedBy | undefined = undefined;
  noreply = false;
  syncMode: SyncMode = SyncMode.byDefault;
  /** The key, value and numbers of a write, ready for the storage except `expire` (see `exptime`). */
  readonly mutation: Mutation = {
    kind: 0,
    key: { bytes: EMPTY_BYTES, start: 0, end: 0 },
    flags: 0,
    expire: 0,
    version: 0,
    value: EMPTY_BYTES,
    valueStart: 0,
    valueEnd: 0,
    delta: 0,
    terms: undefined,
    syncMode: SyncMode.byDefault,
  };
  /** mg ms md ma me, and binary requests; the words after the key are `bytes[keysStart, keysEnd)`. */
  readonly meta = new MetaFlags();
  /** Storage for `mutation.terms`, which points here if there are terms. */
  readonly terms: MutationTerms = emptyTerms();
  /** The binary opcode; -1 = a text request. */
  opcode = -1;
  /** Binary protocol: 32 bits that are returned with the answer. */
  opaque = 0;
  /** The time as given: 0 never, negative past, up to 30 days relative, above absolute seconds. */
  exptime = 0;
  /** get, gets, gat, gats: the keys are the space-separated words of `bytes[keysStart, keysEnd)`. */
  bytes: Uint8Array = EMPTY_BYTES;
  keysStart = 0;
  keysEnd = 0;
  /** For a get or gets that is longer than a line may be: the whole request, of which this is a part. */
  multiGet: MultiGet | undefined = undefined;
  /** This is the last part of it. */
  isLastPart = true;
  /** gat in Flare's order, `gat <key> <exptime>`: answers without END, a miss with NOT_FOUND. */
  flareOrder = false;
  /** Commands with free words: the words after the command. */
  words: readonly string[] = [];
  /** What it waits for, if it has to, for the log of slow requests: set by who makes it wait, taken by the session. */
  waitsFor: string | undefined = undefined;
  /** node sync: the NODE lines. */
  lines: readonly string[] = [];

  /** A copy with its own bytes, for a handler that waits. */
  clone(): Request {
    const copy = new Request();
    copy.command = this.command;
    copy.prefix = this.prefix;
    copy.forwardedBy = this.forwardedBy;
    copy.noreply = this.noreply;
    copy.syncMode = this.syncMode;
    copy.exptime = this.exptime;
    copy.flareOrder = this.flareOrder;
    copy.words = this.words;
    copy.lines = this.lines;
    copy.bytes = this.bytes.slice(this.keysStart, this.keysEnd);
    copy.keysEnd = copy.bytes.length;
    copy.opcode = this.opcode;
    copy.opaque = this.opaque;
    Object.assign(copy.meta, this.meta);
    Object.assign(copy.terms, this.terms);
    const { key, value, valueStart, valueEnd, terms, ...numbers } = this.mutation;
    const keyBytes = key.bytes.slice(key.start, key.end);
    Object.assign(copy.mutation, numbers, {
      key: { bytes: keyBytes, start: 0, end: keyBytes.length },
      value: value.slice(valueStart, valueEnd),
      valueStart: 0,
      valueEnd: valueEnd - valueStart,
      terms: terms === undefined ? undefined : copy.terms,
    });
    return copy;
  }
}
