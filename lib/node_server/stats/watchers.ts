/**
 * `watch`: connections that receive a line for each event of this node, in memcached's format. While nobody watches no lines
 * are built, and a slow watcher loses lines instead of delaying anybody. The counts of `stats detail` use the same events and
 * are kept here, so that a request checks only once for both.
 */

import { latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { uriCode, uriEncoded } from "../../base/uri_bytes.ts";
import type { EntryView, KeySlice } from "../../item/entry.ts";
import { type Applied, type Mutation, MutationKind, MutationResult } from "../../item/mutation.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import type { Session } from "../../net/connection/session.ts";
import type { Server } from "../../net/server.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { Clock } from "../../runtime/runtime.ts";
import type { Storage } from "../../storage/storage.ts";
import { PrefixStats } from "./prefix_stats.ts";

/** The kinds of events, one bit each. */
export const WatchKind = {
  fetchers: 1,
  mutations: 2,
  /** Items evicted from memory; they stay stored. */
  evictions: 4,
  connevents: 8,
  rawcmds: 16,
  sysevents: 32,
  deletions: 64,
} as const;

/** Not a kind of event: counts the prefixes of keys. */
const DETAIL = 1 << 20;
const WATCHERS_MAX = 20;
/** Longest part of a line that is shown. */
const RAW_BYTES_MAX = 500;

interface Watcher {
  readonly kinds: number;
  readonly reply: TextReply;
  readonly session: ClientSession;
  readonly end: () => void;
}

export class Watchers {
  /** The kinds that anybody watches: checked before an event is reported. */
  kinds = 0;
  /** Lines built, lines sent (summed over the watchers), and lines that watchers have lost. */
  told = 0;
  sent = 0;
  skipped = 0;
  readonly prefixes = new PrefixStats();
  readonly #clock: Clock;
  #server: Server | undefined;
  #storage: Storage | undefined;
  #watchers: Watcher[] = [];
  #lastId = 0;
  #flushing = false;
  #counting = false;
  /** The connection of the current request, 0 = unknown. */
  #connection = 0;
  /** The size of the item that the current deletion finds. */
  #deletedBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Connects the sources of connection and eviction events. */
  attach(server: Server, storage: Storage): void {
    this.#server = server;
    this.#storage = storage;
  }

  get count(): number {
    return this.#watchers.length;
  }

  /** Whether `stats detail` counts. */
  get counting(): boolean {
    return this.#counting;
  }

  set counting(counting: boolean) {
    this.#counting = counting;
    this.#listen();
  }

  /** `watch [<kind>…]`; the promise ends with the connection. */
  watch(words: readonly string[], reply: TextReply, session: ClientSession): void | Promise<void> {
    const named = words.map((word) => (Object.hasOwn(WatchKind, word) ? WatchKind[word as keyof typeof WatchKind] : undefined));
    if (named.includes(undefined)) return reply.line("ERROR");
    this.#prune();
    if (this.#watchers.length >= WATCHERS_MAX) return reply.line("WATCHER_TOO_MANY log watcher limit reached");
    const kinds = named.reduce<number>((bits, bit) => bits | (bit ?? 0), 0) || WatchKind.fetchers;
    reply.line("OK");
    return new Promise((end) => {
      const watcher = { kinds, reply, session, end };
      session.watch(() => {
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
        this.#listen();
        end();
      });
      this.#watchers.push(watcher);
      this.#listen();
    });
  }

  /** A request runs until `leave`: events in between belong to this connection. */
  enter(connection: number): void {
    this.#connection = connection;
    this.#deletedBytes = 0;
  }

  /** Records the size of the item that the next deletion finds. */
  beforeDeletion(key: KeySlice): void {
    if ((this.kinds & WatchKind.deletions) === 0 || this.#storage === undefined) return;
    try {
      const entry = this.#storage.get(key, Math.floor(this.#clock.nowMs() / 1000), true);
      if (entry instanceof Promise) entry.catch(() => undefined);
      else if (entry !== undefined) this.#deletedBytes = sizeOf(entry);
    } catch (error) {
      // The deletion itself reports it.
      if (!(error instanceof FlareError)) throw error;
    }
  }

  leave(): void {
    this.#connection = 0;
  }

  /** A read of an item on this node. */
  fetched(key: KeySlice, entry: EntryView | undefined): void {
    if (this.#counting) this.prefixes.countGet(key, entry !== undefined);
    if ((this.kinds & WatchKind.fetchers) === 0) return;
    const [status, clsid, size] = entry === undefined ? ["not_found", 0, 0] : ["found", 1, sizeOf(entry)];
    const where = `clsid=${clsid} cfd=${this.#connection}`;
    this.#tell(WatchKind.fetchers, `type=item_get key=${keyWord(key)} status=${status} ${where} size=${size}`);
  }

  /** A write that was executed on this node. */
  mutated(mutation: Mutation, { result, entry }: Applied): void {
    const { key, kind, expire } = mutation;
    if (kind === MutationKind.delete) return this.#deleted(mutation, result);
    const isTouch = kind === MutationKind.touch || kind === MutationKind.fetch;
    if (this.#counting && !isTouch && kind !== MutationKind.incr && kind !== MutationKind.decr) this.prefixes.countSet(key);
    if (this.#counting && isTouch) this.prefixes.countGet(key, result !== MutationResult.notFound);
    if ((this.kinds & WatchKind.mutations) === 0) return;
    const status = RESULTS[result] ?? "not_stored";
    const ttl = expire === 0 ? 0 : Math.max(0, expire - Math.floor(this.#clock.nowMs() / 1000));
    const size = status === "stored" ? sizeOf(entry) : mutation.valueEnd - mutation.valueStart;
    const what = `key=${keyWord(key)} status=${status} cmd=${KINDS[kind]}`;
    this.#tell(WatchKind.mutations, `type=item_store ${what} ttl=${ttl} clsid=1 cfd=${this.#connection} size=${size}`);
  }

  /** Something about this node itself, `type=<what> …`. */
  happened(text: string): void {
    if ((this.kinds & WatchKind.sysevents) !== 0) this.#tell(WatchKind.sysevents, text);
  }

  /** Ends all watches. */
  close(): void {
    for (const { end } of this.#watchers) end();
    this.#watchers = [];
    this.#counting = false;
    this.#listen();
  }

  #deleted({ key, terms }: Mutation, result: MutationResult): void {
    if (this.#counting) this.prefixes.countDelete(key);
    if ((this.kinds & WatchKind.deletions) === 0 || result !== MutationResult.deleted) return;
    const what = `key=${keyWord(key)} cmd=${terms === undefined ? "delete" : "md"}`;
    this.#tell(WatchKind.deletions, `type=deleted ${what} clsid=1 size=${this.#deletedBytes}`);
  }

  #evicted(entry: EntryView): void {
    const { bytes, keyStart, keyEnd, expire, accessSeconds } = entry;
    const now = Math.floor(this.#clock.nowMs() / 1000);
    const ttl = expire === 0 ? -1 : expire - now;
    const what = `key=${uriEncoded(bytes, keyStart, keyEnd)} fetch=${entry.fetched ? "yes" : "no"}`;
    const la = Math.max(0, now - accessSeconds);
    this.#tell(WatchKind.evictions, `type=eviction ${what} ttl=${ttl} la=${la} clsid=1 size=${sizeOf(entry)}`);
  }

  #connected({ id, peer, listenAddress, closeReason }: Session, isOpen: boolean): void {
    const colon = peer.lastIndexOf(":");
    const isLocal = listenAddress.startsWith("unix:");
    const where = isLocal
      ? "rip=unix rport=0 transport=local"
      : `rip=${peer.slice(0, colon)} rport=${peer.slice(colon + 1)} transport=tcp`;
    const text = isOpen ? `type=conn_new ${where} cfd=${id}` : `type=conn_close ${where} reason=${closeReason} cfd=${id}`;
    this.#tell(WatchKind.connevents, text);
  }

  /** Subscribes to the sources' events, or unsubscribes, depending on the watchers. */
  #listen(): void {
    this.kinds = this.#watchers.reduce((bits, { kinds }) => bits | kinds, this.#counting ? DETAIL : 0);
    const server = this.#server;
    const storage = this.#storage;
    if (server === undefined || storage === undefined) return;
    server.connectionListener =
      this.kinds & WatchKind.connevents ? (session, isOpen) => this.#connected(session, isOpen) : undefined;
    server.rawListener =
      this.kinds & WatchKind.rawcmds
        ? ({ id }, bytes, start, end) => {
            const line = latin1(bytes, start, Math.min(end, start + RAW_BYTES_MAX));
            this.#tell(WatchKind.rawcmds, `<${id} ${line.replace(/[^ -~\x80-\xff]/g, uriCode)}`);
          }
        : undefined;
    storage.evictionListener = this.kinds & WatchKind.evictions ? (entry) => this.#evicted(entry) : undefined;
  }

  #tell(kind: number, text: string): void {
    const nowMs = this.#clock.nowMs();
    const micros = String(Math.floor((nowMs % 1000) * 1000)).padStart(6, "0");
    const line = `ts=${Math.floor(nowMs / 1000)}.${micros} gid=${++this.#lastId} ${text}\n`;
    this.told++;
    for (const { kinds, session, reply } of this.#watchers) {
      if ((kinds & kind) === 0 || session.gone) continue;
      if (session.makeRoom(reply.segment)) {
        reply.segment.putText(line);
        this.sent++;
      } else this.skipped++;
    }
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.defer(() => {
      this.#flushing = false;
      this.#prune();
      for (const { session } of this.#watchers) session.flush();
    });
  }

  /** Removes watchers whose connections are gone. */
  #prune(): void {
    if (!this.#watchers.some(({ session }) => session.gone)) return;
    for (const { session, end } of this.#watchers) if (session.gone) end();
    this.#watchers = this.#watchers.filter(({ session }) => !session.gone);
    this.#listen();
  }
}

const RESULTS: Readonly<Record<number, string>> = {
  [MutationResult.stored]: "stored",
  [MutationResult.number]: "stored",
  [MutationResult.touched]: "stored",
  [MutationResult.won]: "stored",
  [MutationResult.exists]: "exists",
  [MutationResult.notFound]: "not_found",
  [MutationResult.tooLarge]: "too_large",
  [MutationResult.failed]: "no_memory",
};

const KINDS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(MutationKind).map(([name, kind]) => [kind, name]),
);

function keyWord({ bytes, start, end }: KeySlice): string {
  return uriEncoded(bytes, start, end);
}

function sizeOf(entry: EntryView): number {
  return entry.valueEnd - entry.valueStart;
}
