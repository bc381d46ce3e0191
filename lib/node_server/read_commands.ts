/**
 * get, gets and keys. What lies here and in memory is answered at once; what has to be fetched from the disk or from
 * another node is gathered in the order of the keys. A key whose partition nobody serves is a miss, as in Flare.
 */

import { concatBytes, fromLatin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { ClusterNode } from "../cluster/node.ts";
import { LOCAL } from "../cluster/routing.ts";
import { keysOf } from "../net/outstanding.ts";
import type { Session } from "../net/session.ts";
import { BufferPool } from "../protocol/buffer_pool.ts";
import { Command } from "../protocol/command.ts";
import type { Request } from "../protocol/request.ts";
import { Segment } from "../protocol/segment.ts";
import { type ClientReply, ReplyShape } from "../protocol/text_client.ts";
import { TextReply } from "../protocol/text_reply.ts";
import type { EntryView, KeySlice } from "../storage/entry.ts";
import { type NodeContext, nowSeconds } from "./node_context.ts";

const SPACE = 0x20;
/** Keys of one request that are fetched side by side. */
const FETCHES_MAX = 64;
const BAD_LINE = "CLIENT_ERROR bad command line format";
const CORRUPT = "SERVER_ERROR corrupt record";
const NO_FETCH: Uint8Array = new Uint8Array(0);

export class ReadCommands {
  readonly #context: NodeContext;
  readonly #key: KeySlice = { bytes: NO_FETCH, start: 0, end: 0 };

  constructor(context: NodeContext) {
    this.#context = context;
  }

  retrieve(request: Request, reply: TextReply, session: Session): void | Promise<void> {
    const { storage, routing, stats, options } = this.#context;
    const withVersion = request.command === Command.gets;
    const now = nowSeconds(this.#context);
    const start = reply.segment.length;
    const { bytes, keysEnd } = request;
    const key = this.#key;
    key.bytes = bytes;
    let at = request.keysStart;
    for (;;) {
      while (at < keysEnd && bytes[at] === SPACE) at++;
      if (at >= keysEnd) break;
      key.start = at;
      while (at < keysEnd && bytes[at] !== SPACE) at++;
      key.end = at;
      if (key.end - key.start > options.keyBytesMax) {
        if (reply.segment.length >= start) reply.segment.truncate(start);
        return reply.line(BAD_LINE);
      }
      const hash = routing.partitionCount > 1 ? this.#context.keyHash(bytes, key.start, key.end) : 0;
      if (routing.routeRead(hash, 0) !== LOCAL) return this.#gather(request, key.start, reply, session);
      let entry: EntryView | undefined | Promise<EntryView | undefined>;
      try {
        entry = storage.get(key, now);
      } catch (error) {
        return this.#failed(error, reply);
      }
      if (entry instanceof Promise || !session.makeRoom()) return this.#gather(request, key.start, reply, session);
      stats.cmdGet++;
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
  async keys(words: readonly string[], reply: TextReply, session: Session): Promise<void> {
    const limit = Number(words[words.length - 1]);
    const { routing, storage, runtime, peers, stats } = this.#context;
    for (const prefix of words.slice(0, -1)) {
      stats.cmdGet++;
      const bytes = fromLatin1(prefix);
      const route = routing.routeRead(this.#context.keyHash(bytes, 0, bytes.length), runtime.random.uint32());
      if (route === LOCAL) {
        const cursor = storage.openCursor({ prefix: bytes });
        let left = limit;
        while (left > 0 && !session.gone) {
          const items = await cursor.next(Math.min(left, 1000), 1 << 20);
          if (items.length === 0) break;
          left -= items.length;
          for (const item of items) reply.raw(concatBytes([KEY_WORD, item.key, CRLF]));
          await session.roomInOutput();
        }
        await cursor.close();
      } else if (typeof route === "object") {
        const lane = peers.lane(route, bytes, 0, bytes.length);
        const answer = await lane.request(fromLatin1(`keys ${prefix} ${limit}\r\n`), ReplyShape.lines).catch(noAnswer);
        if (answer?.line === "END") reply.raw(answer.body);
      }
    }
    reply.end();
  }

  /** Answers the keys from `keysStart` on, side by side where they have to be fetched. */
  async #gather(request: Request, keysStart: number, reply: TextReply, session: Session): Promise<void> {
    const withVersion = request.command === Command.gets;
    request.keysStart = keysStart;
    const keys = keysOf(request).map(fromLatin1);
    if (keys.some((key) => key.length > this.#context.options.keyBytesMax)) return reply.line(BAD_LINE);
    for (let from = 0; from < keys.length && !session.gone; from += FETCHES_MAX) {
      // Every promise is looked at below, one after the other: a failure must not count as unhandled meanwhile.
      const fetches = keys.slice(from, from + FETCHES_MAX).map((key) => {
        const fetch = this.#fetch(key, withVersion);
        fetch.catch(() => undefined);
        return fetch;
      });
      for (const fetch of fetches) {
        try {
          reply.raw(await fetch);
        } catch (error) {
          return this.#failed(error, reply);
        }
        await session.roomInOutput();
      }
    }
    reply.end();
  }

  /** The VALUE block of a key, empty for a miss. */
  async #fetch(key: Uint8Array, withVersion: boolean): Promise<Uint8Array> {
    const { storage, routing, runtime, stats, keyHash } = this.#context;
    stats.cmdGet++;
    const route = routing.routeRead(keyHash(key, 0, key.length), runtime.random.uint32());
    let block = NO_FETCH;
    if (route === LOCAL) {
      const entry = await storage.get({ bytes: key, start: 0, end: key.length }, nowSeconds(this.#context));
      if (entry !== undefined) block = encodeValue(entry, withVersion);
    } else if (typeof route === "object") {
      block = await this.#fetchFrom(route, key, withVersion);
    }
    if (block.length > 0) stats.getHits++;
    else stats.getMisses++;
    return block;
  }

  async #fetchFrom(node: ClusterNode, key: Uint8Array, withVersion: boolean): Promise<Uint8Array> {
    const line = concatBytes([withVersion ? GETS_WORD : GET_WORD, key, CRLF]);
    const lane = this.#context.peers.lane(node, key, 0, key.length);
    let answer: ClientReply;
    try {
      answer = await lane.request(line, ReplyShape.values);
    } catch (error) {
      this.#context.runtime.log.write("info", `read from "${node.key}" failed: ${(error as Error).message}`);
      return NO_FETCH;
    }
    return answer.line === "END" ? answer.body : NO_FETCH;
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

function noAnswer(): undefined {
  return undefined;
}

/** A VALUE block in memory of its own. */
export function encodeValue(entry: EntryView, withVersion: boolean): Uint8Array {
  const segment = new Segment(new BufferPool());
  new TextReply(segment).value({ ...entry, stable: false }, withVersion);
  return segment.bytes.slice(0, segment.length);
}
