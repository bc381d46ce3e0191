/**
 * `watch`: connections that are told what this node does with items, a line for each event, in memcached's form. Nothing
 * is put together while nobody watches, and a watcher that does not keep up misses lines instead of holding anybody up.
 */

import { latin1 } from "../base/bytes.ts";
import type { Session } from "../net/session.ts";
import type { TextReply } from "../protocol/text_reply.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { EntryView, KeySlice } from "../storage/entry.ts";
import { type Applied, type Mutation, MutationKind, MutationResult } from "../storage/mutation.ts";

/** What can be watched, a bit each. Nothing is ever evicted: what leaves the memory is on the disk. */
export const WatchKind = { fetchers: 1, mutations: 2, evictions: 4 } as const;

const WATCHERS_MAX = 20;

interface Watcher {
  readonly kinds: number;
  readonly reply: TextReply;
  readonly session: Session;
  readonly end: () => void;
}

export class Watchers {
  /** Bits of `WatchKind` anybody is interested in: asked before an event is told. */
  kinds = 0;
  /** Lines that watchers have missed. */
  skipped = 0;
  readonly #clock: Clock;
  #watchers: Watcher[] = [];
  #lastId = 0;
  #flushing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `watch [<kind>…]`; the promise ends with the connection. */
  watch(words: readonly string[], reply: TextReply, session: Session): void | Promise<void> {
    const named = words.map((word) => (Object.hasOwn(WatchKind, word) ? WatchKind[word as keyof typeof WatchKind] : undefined));
    if (named.includes(undefined)) return reply.line("ERROR");
    this.#prune();
    if (this.#watchers.length >= WATCHERS_MAX) return reply.line("WATCHER_TOO_MANY log watcher limit reached");
    const kinds = named.reduce<number>((bits, bit) => bits | (bit ?? 0), 0) || WatchKind.fetchers;
    reply.line("OK");
    return new Promise((end) => {
      this.#watchers.push({ kinds, reply, session, end });
      this.kinds |= kinds;
    });
  }

  /** A read of an item on this node. */
  fetched(key: KeySlice, entry: EntryView | undefined): void {
    const found =
      entry === undefined ? "status=not_found clsid=0 cfd=0 size=0" : `status=found clsid=1 cfd=0 size=${sizeOf(entry)}`;
    this.#tell(WatchKind.fetchers, `type=item_get key=${uriEncoded(key)} ${found}`);
  }

  /** A write that was executed on this node. */
  mutated({ key, kind, expire }: Mutation, { result, entry }: Applied): void {
    const status = RESULTS[result] ?? "not_stored";
    const ttl = expire === 0 ? 0 : Math.max(0, expire - Math.floor(this.#clock.nowMs() / 1000));
    const size = status === "stored" && result !== MutationResult.deleted ? sizeOf(entry) : 0;
    const what = `key=${uriEncoded(key)} status=${status} cmd=${KINDS[kind]}`;
    this.#tell(WatchKind.mutations, `type=item_store ${what} ttl=${ttl} clsid=1 cfd=0 size=${size}`);
  }

  /** Ends all watching. */
  close(): void {
    for (const { end } of this.#watchers) end();
    this.#watchers = [];
    this.kinds = 0;
  }

  #tell(kind: number, text: string): void {
    const nowMs = this.#clock.nowMs();
    const micros = String(Math.floor((nowMs % 1000) * 1000)).padStart(6, "0");
    const line = `ts=${Math.floor(nowMs / 1000)}.${micros} gid=${++this.#lastId} ${text}`;
    for (const watcher of this.#watchers) {
      if ((watcher.kinds & kind) === 0 || watcher.session.gone) continue;
      if (watcher.session.makeRoom()) watcher.reply.line(line);
      else this.skipped++;
    }
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.defer(() => {
      this.#flushing = false;
      this.#prune();
      for (const { session } of this.#watchers) session.flush();
    });
  }

  /** Lets those go whose connections are gone. */
  #prune(): void {
    if (!this.#watchers.some(({ session }) => session.gone)) return;
    for (const { session, end } of this.#watchers) if (session.gone) end();
    this.#watchers = this.#watchers.filter(({ session }) => !session.gone);
    this.kinds = this.#watchers.reduce((bits, { kinds }) => bits | kinds, 0);
  }
}

const RESULTS: Readonly<Record<number, string>> = {
  [MutationResult.stored]: "stored",
  [MutationResult.number]: "stored",
  [MutationResult.touched]: "stored",
  [MutationResult.won]: "stored",
  [MutationResult.deleted]: "stored",
  [MutationResult.exists]: "exists",
  [MutationResult.notFound]: "not_found",
  [MutationResult.tooLarge]: "too_large",
};

const KINDS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(MutationKind).map(([name, kind]) => [kind, name]),
);

/** The key with everything but letters, digits and `-._~` as `%NN`. */
export function uriEncoded({ bytes, start, end }: KeySlice): string {
  return latin1(bytes, start, end).replace(
    /[^A-Za-z0-9\-._~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

function sizeOf(entry: EntryView): number {
  return entry.valueEnd - entry.valueStart;
}
