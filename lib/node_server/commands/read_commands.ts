/**
 * get, gets and keys. What lies here and in memory is answered at once; what has to be fetched from the disk or from
 * another node is gathered in the order of the keys. A key that cannot be read ends the reply with an error: in Flare it
 * would be a miss.
 */

import { concatBytes, fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { LOCAL } from "../../cluster/routing.ts";
import type { EntryView, KeySlice } from "../../item/entry.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import { keysOf } from "../../net/connection/outstanding.ts";
import { BufferPool } from "../../protocol/buffer_pool.ts";
import { Command } from "../../protocol/command.ts";
import { isSayable } from "../../protocol/meta/meta_client.ts";
import type { Request } from "../../protocol/request.ts";
import { Segment } from "../../protocol/segment.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import { TextReply } from "../../protocol/text/text_reply.ts";
import { type Answer, readElsewhere } from "../forward/read_elsewhere.ts";
import { PROXY_FAILURE_TEXT } from "../forward/refusals.ts";
import { type NodeContext, nowSeconds } from "../node_context.ts";

const SPACE = 0x20;
/** A line of keys as long as this names several. */
const WARM_BYTES_MIN = 256;
/** Keys of one request that are fetched side by side: at first, and at most when they turn out to be small. */
const FETCHES_FIRST = 16;
const FETCHES_MAX = 64;
const FETCHED_BYTES_MAX = 1048576;
/** `keys` reads so many keys at a time, and so many bytes of them. */
const KEYS_PER_SLICE = 1000;
const KEYS_SLICE_BYTES = 1048576;
/** Requests on one connection above which reads are not added: two nodes may take each other for the owner of a key. */
export const FORWARDED_MAX = 65536;
const BAD_LINE = "CLIENT_ERROR bad command line format";
const CORRUPT = "SERVER_ERROR corrupt record";
const NO_FETCH: Uint8Array = new Uint8Array(0);

export class ReadCommands {
  readonly #context: NodeContext;
  readonly #key: KeySlice = { bytes: NO_FETCH, start: 0, end: 0 };

  constructor(context: NodeContext) {
    this.#context = context;
  }

  retrieve(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { storage, routing, stats, options, otherCluster, watchers } = this.#context;
    const withVersion = request.command === Command.gets;
    const now = nowSeconds(this.#context);
    const { bytes, keysEnd } = request;
    const key = this.#key;
    key.bytes = bytes;
    let at = request.keysStart;
    // Looked for before anything is answered: what has left cannot be taken back.
    if (keysEnd - at > options.keyBytesMax && hasLongKey(request, options.keyBytesMax)) return reply.line(BAD_LINE);
    if (keysEnd - at > WARM_BYTES_MIN) storage.warm(bytes, at, keysEnd);
    for (;;) {
      while (at < keysEnd && bytes[at] === SPACE) at++;
      if (at >= keysEnd) break;
      key.start = at;
      while (at < keysEnd && bytes[at] !== SPACE) at++;
      key.end = at;
      const hash = routing.partitionCount > 1 ? this.#context.keyHash(bytes, key.start, key.end) : 0;
      if (otherCluster.node !== undefined || routing.routeRead(hash, 0) !== LOCAL) {
        return this.#gather(request, key.start, reply, session);
      }
      let entry: EntryView | undefined | Promise<EntryView | undefined>;
      try {
        entry = storage.get(key, now);
      } catch (error) {
        return this.#failed(error, reply);
      }
      if (entry instanceof Promise || !session.makeRoom()) return this.#gather(request, key.start, reply, session);
      stats.cmdGet++;
      if (watchers.kinds !== 0) watchers.fetched(key, entry);
      if (entry === undefined) {
        stats.getMisses++;
      } else {
        stats.getHits++;
        reply.value(entry, withVersion);
      }
    }
    reply.end();
  }

  /** `keys <prefix>… <limit>`: up to `limit` keys for each prefix, in key order; asked where a key of that name would lie. */
  keys(words: readonly string[], reply: TextReply, session: ClientSession): void | Promise<void> {
    return isKeysRequest(words) ? this.#keys(words, reply, session) : reply.line("ERROR");
  }

  async #keys(words: readonly string[], reply: TextReply, session: ClientSession): Promise<void> {
    const limit = Number(words[words.length - 1]);
    for (const prefix of words.slice(0, -1)) {
      this.#context.stats.cmdGet++;
      const bytes = fromLatin1(prefix);
      const hash = this.#context.keyHash(bytes, 0, bytes.length);
      const reading = await readElsewhere(this.#context, hash, (node) => this.#keysFrom(node, bytes, limit));
      if (reading === LOCAL) {
        try {
          await this.#keysHere(bytes, limit, reply, session);
        } catch (error) {
          if (!(error instanceof FlareError)) throw error;
          return reply.line(`SERVER_ERROR ${error.message}`);
        }
      } else if ("error" in reading) return reply.line(reading.error);
      else if (reading.value.line !== "END") return reply.line(errorLine(reading.value.line));
      else reply.raw(reading.value.body);
    }
    reply.end();
  }

  /** @throws PeerError */
  async #keysFrom(node: ClusterNode, prefix: Uint8Array, limit: number): Promise<Answer<ClientReply>> {
    const lane = this.#context.peers.lane(node, prefix, 0, prefix.length);
    return { value: await lane.request(fromLatin1(`keys ${latin1(prefix)} ${limit}\r\n`), ReplyShape.lines) };
  }

  /** @throws FlareError when the storage cannot be read */
  async #keysHere(prefix: Uint8Array, limit: number, reply: TextReply, session: ClientSession): Promise<void> {
    const cursor = this.#context.storage.openCursor({ prefix });
    try {
      for (let left = limit; left > 0 && !session.gone; ) {
        const items = await cursor.next(Math.min(left, KEYS_PER_SLICE), KEYS_SLICE_BYTES);
        if (items.length === 0) return;
        left -= items.length;
        for (const { key } of items) {
          if (isSayable({ bytes: key, start: 0, end: key.length })) reply.raw(concatBytes([KEY_WORD, key, CRLF]));
        }
        await session.roomInOutput(reply.segment);
      }
    } finally {
      await cursor.close();
    }
  }

  /** Answers the keys from `keysStart` on, side by side where they have to be fetched. */
  async #gather(request: Request, keysStart: number, reply: TextReply, session: ClientSession): Promise<void> {
    const withVersion = request.command === Command.gets;
    request.keysStart = keysStart;
    const keys = keysOf(request);
    let count = FETCHES_FIRST;
    for (let from = 0; from < keys.length && !session.gone; ) {
      // Every promise is looked at below, one after the other: a failure must not count as unhandled meanwhile.
      const fetches = keys.slice(from, from + count).map((key) => {
        const fetch = this.#fetch(fromLatin1(key), withVersion);
        fetch.catch(() => undefined);
        return fetch;
      });
      from += fetches.length;
      let bytes = 1;
      for (const fetch of fetches) {
        try {
          const block = await fetch;
          if (typeof block === "string") return reply.line(block);
          bytes += block.length;
          reply.raw(block);
        } catch (error) {
          return this.#failed(error, reply);
        }
        await session.roomInOutput(reply.segment);
      }
      // What is fetched ahead stays in memory for as long as the client does not read: large values come one by one.
      count = Math.max(1, Math.min(FETCHES_MAX, Math.floor((FETCHED_BYTES_MAX * fetches.length) / bytes)));
    }
    reply.end();
  }

  /** The VALUE block of a key, empty for a miss; a line that says why it cannot be read. */
  async #fetch(key: Uint8Array, withVersion: boolean): Promise<Uint8Array | string> {
    const { storage, stats, keyHash, watchers } = this.#context;
    stats.cmdGet++;
    const reading = await readElsewhere(this.#context, keyHash(key, 0, key.length), (node) =>
      this.#fetchFrom(node, key, withVersion),
    );
    if (reading !== LOCAL && "error" in reading) return reading.error;
    let block = NO_FETCH;
    if (reading === LOCAL) {
      // The view is gone with the next call: what came at once is copied at once.
      const found = storage.get({ bytes: key, start: 0, end: key.length }, nowSeconds(this.#context));
      const entry = found instanceof Promise ? await found : found;
      if (entry !== undefined) block = encodeValue(entry, withVersion);
      if (watchers.kinds !== 0) watchers.fetched({ bytes: key, start: 0, end: key.length }, entry);
    } else block = reading.value;
    if (block.length > 0) stats.getHits++;
    else stats.getMisses++;
    return block;
  }

  /** The VALUE block from another node, empty for a miss. @throws PeerError */
  async #fetchFrom(node: ClusterNode, key: Uint8Array, withVersion: boolean): Promise<Answer<Uint8Array>> {
    const line = concatBytes([withVersion ? GETS_WORD : GET_WORD, key, CRLF]);
    const lane = this.#context.peers.lane(node, key, 0, key.length);
    if (lane.queue >= FORWARDED_MAX) {
      this.#context.runtime.log.write("warning", `read from "${node.key}" given up: "${FORWARDED_MAX}" requests wait already`);
      return undefined;
    }
    const answer = await lane.request(line, ReplyShape.values);
    return answer.line === "END" ? { value: answer.body } : { error: errorLine(answer.line) };
  }

  #failed(error: unknown, reply: TextReply): void {
    if (!(error instanceof FlareError)) throw error;
    reply.line(error.code === "CORRUPT" ? CORRUPT : `SERVER_ERROR ${error.message}`);
  }
}

const CRLF = fromLatin1("\r\n");
const KEY_WORD = fromLatin1("KEY ");
const GET_WORD = fromLatin1("get ");
const GETS_WORD = fromLatin1("gets ");

/** What a client hears of an answer that is none. */
function errorLine(line: string): string {
  return /^(SERVER|CLIENT)_ERROR /.test(line) ? line : PROXY_FAILURE_TEXT;
}

function isKeysRequest(words: readonly string[]): boolean {
  const limit = words[words.length - 1];
  return words.length >= 2 && limit !== undefined && /^\d{1,9}$/.test(limit) && Number(limit) > 0;
}

function hasLongKey({ bytes, keysStart, keysEnd }: Request, keyBytesMax: number): boolean {
  let start = keysStart;
  for (let at = keysStart; at < keysEnd; at++) {
    if (bytes[at] === SPACE) start = at + 1;
    else if (at - start >= keyBytesMax) return true;
  }
  return false;
}

/** A VALUE block in memory of its own. */
export function encodeValue(entry: EntryView, withVersion: boolean): Uint8Array {
  const segment = new Segment(new BufferPool());
  new TextReply(segment).value({ ...entry, stable: false }, withVersion);
  return segment.bytes.slice(0, segment.length);
}
