/**
 * get, gets and keys. Items in local memory are answered at once; items from disk or from another node are collected in key
 * order. A key that cannot be read ends the reply with an error; in the original it would be a miss.
 */

import { MIB } from "../../base/byte_units.ts";
import { concatBytes, EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { parseWholeNumber } from "../../base/whole_number.ts";
import { LOCAL } from "../../cluster/routing.ts";
import type { EntryView, KeySlice } from "../../item/entry.ts";
import type { ClientSession } from "../../net/connection/client_session.ts";
import { WaitedFor } from "../../net/connection/slow_requests.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { Command } from "../../protocol/command.ts";
import { type ForwardedBy, Request } from "../../protocol/request.ts";
import { BAD_LINE } from "../../protocol/text/refusal_lines.ts";
import { faultLine } from "../../protocol/text/server_error.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";
import { hasLongKey, isTextKey, keysOf } from "../../protocol/text/text_key.ts";
import { encodeValue, type TextReply } from "../../protocol/text/text_reply.ts";
import { askNode } from "../forward/ask_node.ts";
import { type GetOwner, PassedGet } from "../forward/passed_get.ts";
import type { Answer, ReadForward } from "../forward/read_forward.ts";
import { PROXY_FAILURE_TEXT } from "../forward/refusals.ts";
import { type NodeComponents, nowSeconds } from "../node_components.ts";

const SPACE = 0x20;
/** A line of this length has several keys. */
const WARM_BYTES_MIN = 256;
/** Keys of one request that are fetched in parallel: at first, and at most, if they turn out to be small. */
const FETCHES_FIRST = 16;
const FETCHES_MAX = 64;
const FETCHED_BYTES_MAX = MIB;
/** `keys` reads at most this many keys at a time, and this many bytes. */
const KEYS_PER_SLICE = 1000;
const KEYS_SLICE_BYTES = MIB;

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "options" | "runtime" | "stats" | "storage" | "watchers">;

export class ReadCommands implements GetOwner {
  readonly #parts: Parts;
  readonly #forward: ReadForward;
  readonly #key: KeySlice = { bytes: EMPTY_BYTES, start: 0, end: 0 };

  constructor(parts: Parts, forward: ReadForward) {
    this.#parts = parts;
    this.#forward = forward;
  }

  retrieve(request: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    const { storage, stats, options, watchers } = this.#parts;
    const withVersion = request.command === Command.gets;
    const now = nowSeconds(this.#parts);
    const { bytes, keysEnd } = request;
    const key = this.#key;
    key.bytes = bytes;
    let at = request.keysStart;
    // Checked before anything is answered: sent data cannot be taken back.
    if (hasLongKey(request, options.keyBytesMax)) return reply.line(BAD_LINE);
    if (keysEnd - at > WARM_BYTES_MIN) storage.warm(bytes, at, keysEnd);
    for (;;) {
      while (at < keysEnd && bytes[at] === SPACE) at++;
      if (at >= keysEnd) break;
      key.start = at;
      while (at < keysEnd && bytes[at] !== SPACE) at++;
      key.end = at;
      if (!this.#forward.isHere(key)) {
        if (this.#isPassedOn(request, reply, session)) return;
        request.waitsFor = this.#forward.waitOf(key);
        return this.#gather(request, key.start, reply, session);
      }
      let entry: EntryView | undefined | Promise<EntryView | undefined>;
      try {
        entry = storage.get(key, now);
      } catch (error) {
        return reply.line(faultLine(error));
      }
      // It is read again there, and a failure must not count as unhandled here.
      if (entry instanceof Promise) entry.catch(() => undefined);
      if (entry instanceof Promise || !session.makeRoom()) {
        request.waitsFor = entry instanceof Promise ? WaitedFor.storage : WaitedFor.client;
        return this.#gather(request, key.start, reply, session);
      }
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

  /**
   * `keys <prefix>… <limit>`: up to `limit` keys for each prefix, in key order; runs on the node that would own a key of that
   * name.
   */
  keys({ words, forwardedBy }: Request, reply: TextReply, session: ClientSession): void | Promise<void> {
    return isKeysRequest(words) ? this.#keys(words, forwardedBy, reply, session) : reply.line("ERROR");
  }

  async #keys(
    words: readonly string[],
    forwardedBy: ForwardedBy | undefined,
    reply: TextReply,
    session: ClientSession,
  ): Promise<void> {
    const limit = Number(words[words.length - 1]);
    for (const prefix of words.slice(0, -1)) {
      this.#parts.stats.cmdGet++;
      const bytes = fromLatin1(prefix);
      const key = { bytes, start: 0, end: bytes.length };
      const line = fromLatin1(`keys ${prefix} ${limit}\r\n`);
      const reading = await this.#forward.read(key, (lane) => askForKeys(lane, line), forwardedBy);
      if (reading === LOCAL) {
        try {
          await this.#keysHere(bytes, limit, reply, session);
        } catch (error) {
          return reply.line(faultLine(error));
        }
      } else if ("error" in reading) return reply.line(reading.error);
      else if (reading.value.line !== "END") return reply.line(errorLine(reading.value.line));
      else reply.raw(reading.value.body);
    }
    reply.end();
  }

  /** @throws FlareError if the storage cannot be read */
  async #keysHere(prefix: Uint8Array, limit: number, reply: TextReply, session: ClientSession): Promise<void> {
    const cursor = this.#parts.storage.openCursor({ prefix });
    try {
      for (let left = limit; left > 0 && !session.gone; ) {
        const items = await cursor.next(Math.min(left, KEYS_PER_SLICE), KEYS_SLICE_BYTES);
        if (items.length === 0) return;
        left -= items.length;
        for (const { key } of items) {
          if (isTextKey(key)) reply.raw(concatBytes([KEY_WORD, key, CRLF]));
        }
        await session.roomInOutput(reply.segment);
      }
    } finally {
      await cursor.close();
    }
  }

  /** Passes a get of one key, `#key`, on to another node. */
  #isPassedOn(request: Request, reply: TextReply, session: ClientSession): boolean {
    const key = this.#key;
    if (request.multiGet !== undefined || !isOnlyKey(request, key)) return false;
    const lane = this.#forward.laneFor(key, request.forwardedBy);
    if (lane === undefined) return false;
    request.waitsFor = lane.peer;
    const late = session.answerLater(request, reply);
    if (late === undefined) return false;
    lane.outbox.writeGet(request.command, key);
    lane.pass(new PassedGet(request, session, late, this));
    return true;
  }

  gotElsewhere(isHit: boolean): void {
    const { stats } = this.#parts;
    stats.cmdGet++;
    if (isHit) stats.getHits++;
    else stats.getMisses++;
  }

  getAgain({ command, forwardedBy, session, late, bytes, keyStart, keyEnd }: PassedGet): Promise<void> {
    const request = new Request();
    Object.assign(request, { command, forwardedBy, bytes, keysEnd: keyEnd });
    return this.#gather(request, keyStart, late.reply, session);
  }

  /** Answers the keys from `keysStart` on, fetching in parallel. */
  async #gather(request: Request, keysStart: number, reply: TextReply, session: ClientSession): Promise<void> {
    const withVersion = request.command === Command.gets;
    const { forwardedBy } = request;
    request.keysStart = keysStart;
    const keys = keysOf(request);
    let count = FETCHES_FIRST;
    for (let from = 0; from < keys.length && !session.gone; ) {
      // The promises are awaited one after the other below: a failure must not count as unhandled in the meantime.
      const fetches = keys.slice(from, from + count).map((key) => {
        const fetch = this.#fetch(fromLatin1(key), withVersion, forwardedBy);
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
          return reply.line(faultLine(error));
        }
        await session.roomInOutput(reply.segment);
      }
      // Prefetched values stay in memory while the client does not read: large values are fetched one by one.
      count = Math.max(1, Math.min(FETCHES_MAX, Math.floor((FETCHED_BYTES_MAX * fetches.length) / bytes)));
    }
    reply.end();
  }

  /** The VALUE block of a key, empty for a miss; or an error line. */
  async #fetch(key: Uint8Array, withVersion: boolean, forwardedBy: ForwardedBy | undefined): Promise<Uint8Array | string> {
    const { stats, watchers } = this.#parts;
    stats.cmdGet++;
    const slice = { bytes: key, start: 0, end: key.length };
    const line = concatBytes([withVersion ? GETS_WORD : GET_WORD, key, CRLF]);
    const reading = await this.#forward.readItem(slice, (lane) => askForItem(lane, line), forwardedBy);
    if ("error" in reading) return reading.error;
    let block = EMPTY_BYTES;
    if ("entry" in reading) {
      const { entry } = reading;
      if (entry !== undefined) block = encodeValue(entry, withVersion);
      if (watchers.kinds !== 0) watchers.fetched(slice, entry);
    } else block = reading.value;
    if (block.length > 0) stats.getHits++;
    else stats.getMisses++;
    return block;
  }
}

const CRLF = fromLatin1("\r\n");
const KEY_WORD = fromLatin1("KEY ");
const GET_WORD = fromLatin1("get ");
const GETS_WORD = fromLatin1("gets ");

/** @throws PeerError, Moved */
async function askForKeys(lane: Peer, line: Uint8Array): Promise<Answer<ClientReply>> {
  return { value: await askNode(lane, "", line, ReplyShape.lines) };
}

/** The VALUE block from another node, empty for a miss. @throws PeerError, Moved */
async function askForItem(lane: Peer, line: Uint8Array): Promise<Answer<Uint8Array>> {
  const answer = await askNode(lane, "", line, ReplyShape.values);
  return answer.line === "END" ? { value: answer.body } : { error: errorLine(answer.line) };
}

/** A client's answer for an error of another node. */
function errorLine(line: string): string {
  return /^(SERVER|CLIENT)_ERROR /.test(line) ? line : PROXY_FAILURE_TEXT;
}

/** Whether a get or gets asks for nothing but this one of its keys. */
function isOnlyKey({ bytes, keysStart, keysEnd }: Request, { start, end }: KeySlice): boolean {
  for (let at = keysStart; at < start; at++) if (bytes[at] !== SPACE) return false;
  for (let at = end; at < keysEnd; at++) if (bytes[at] !== SPACE) return false;
  return true;
}

/** What `keys` may ask for at most. */
const KEYS_LIMIT_MAX = 999_999_999;

function isKeysRequest(words: readonly string[]): boolean {
  return words.length >= 2 && (parseWholeNumber(words.at(-1), KEYS_LIMIT_MAX) ?? 0) > 0;
}
