/**
 * The client side of the text protocol between nodes: encodes requests and parses answers. Sans I/O: bytes in, replies out. The
 * lines are exactly those of the C++ daemons, so either end can be one.
 */

import { concatBytes, EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { parseWholeNumber } from "../../base/whole_number.ts";
import { commandName } from "../command.ts";
import { type Request, SyncMode } from "../request.ts";

/** The shape of an answer. */
export const ReplyShape = {
  /** One line. */
  line: 0,
  /** `VALUE` blocks up to `END`, or one error line. */
  values: 1,
  /** Lines up to `END`, or one line that is OK or an error. */
  lines: 2,
  /** One `VALUE` block without `END` (Flare's gat), or one line. */
  value: 3,
  /** One line; after `VA <bytes> …` comes a value, which is the body. */
  meta: 4,
  /** `KEY` lines or `VALUE` blocks up to `END` or `NEXT <cursor>`, or one error line. */
  scan: 5,
} as const;
export type ReplyShape = (typeof ReplyShape)[keyof typeof ReplyShape];

export interface ClientReply {
  /** The only or last line, without its line end. */
  readonly line: string;
  /** All bytes before that line; for a meta reply the value after it. */
  readonly body: Uint8Array;
}

/** Malformed input from a peer: the connection can no longer be trusted. */
export const MALFORMED = "malformed reply";

const LF = 0x0a;
const CR = 0x0d;
const FINAL_WORDS = ["END", "OK", "ERROR", "CLIENT_ERROR", "SERVER_ERROR", "NOT_FOUND"];

/** Splits a stream of replies, by the expected shapes. */
export class ReplyParser {
  #held: Uint8Array = EMPTY_BYTES;
  #length = 0;
  /** Bytes of the first reply that are already parsed. */
  #at = 0;
  readonly #replyBytesMax: number;

  /** @param replyBytesMax longest single reply accepted, line ends and all values together, in bytes */
  constructor(replyBytesMax: number) {
    this.#replyBytesMax = replyBytesMax;
  }

  push(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.max(length, this.#held.length * 2));
      grown.set(this.#held.subarray(0, this.#length));
      this.#held = grown;
    }
    this.#held.set(chunk, this.#length);
    this.#length = length;
  }

  /** Bytes of replies that are incomplete or not requested yet. */
  get heldBytes(): number {
    return this.#length;
  }

  /** The next complete reply, undefined if there is none yet, or `MALFORMED`. */
  next(shape: ReplyShape): ClientReply | undefined | typeof MALFORMED {
    for (;;) {
      const lineFeed = this.#held.subarray(0, this.#length).indexOf(LF, this.#at);
      if ((lineFeed < 0 ? this.#length : lineFeed + 1) > this.#replyBytesMax) return MALFORMED;
      if (lineFeed < 0) return undefined;
      const lineStart = this.#at;
      const lineEnd = lineFeed > lineStart && this.#held[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
      const line = latin1(this.#held, lineStart, lineEnd);
      if (shape === ReplyShape.meta && line.startsWith("VA ")) {
        const valueStart = lineFeed + 1;
        const end = this.#blockEnd(valueStart, line.split(" ")[1]);
        if (end < 0) return MALFORMED;
        return end > this.#length ? undefined : this.#take(line, end - 2, end, valueStart);
      }
      if (shape === ReplyShape.line || shape === ReplyShape.meta) return this.#take(line, lineStart, lineFeed + 1);
      const space = line.indexOf(" ");
      const word = space < 0 ? line : line.slice(0, space);
      const holdsValues = shape === ReplyShape.values || shape === ReplyShape.value || shape === ReplyShape.scan;
      if (holdsValues && word === "VALUE") {
        const end = this.#blockEnd(lineFeed + 1, line.split(" ")[3]);
        if (end < 0) return MALFORMED;
        if (end > this.#length) return undefined;
        this.#at = end;
        if (shape === ReplyShape.value) return this.#take("", this.#at, this.#at);
        continue;
      }
      if (FINAL_WORDS.includes(word)) return this.#take(line, lineStart, lineFeed + 1);
      if (shape === ReplyShape.scan) {
        if (word === "NEXT") return this.#take(line, lineStart, lineFeed + 1);
        if (word !== "KEY") return MALFORMED;
      } else if (shape !== ReplyShape.lines) return MALFORMED;
      this.#at = lineFeed + 1;
    }
  }

  /** The end of a data block with its line end; -1 = `length` is not a number, or too large. */
  #blockEnd(start: number, length = ""): number {
    const dataBytes = parseWholeNumber(length, this.#replyBytesMax);
    const end = start + (dataBytes ?? 0) + 2;
    return dataBytes === undefined || end > this.#replyBytesMax ? -1 : end;
  }

  #take(line: string, bodyEnd: number, replyEnd: number, bodyStart = 0): ClientReply {
    const body = bodyEnd === bodyStart ? EMPTY_BYTES : this.#held.slice(bodyStart, bodyEnd);
    this.#held.copyWithin(0, replyEnd, this.#length);
    this.#length -= replyEnd;
    this.#at = 0;
    if (this.#length === 0 && this.#held.length > 65536) this.#held = EMPTY_BYTES;
    return { line, body };
  }
}

function options(request: Request, noreply: boolean): string {
  let text = noreply ? " noreply" : "";
  if (request.syncMode === SyncMode.sync) text += " sync";
  else if (request.syncMode === SyncMode.async) text += " async";
  return text;
}

/** Encodes a write for the node that owns its key; `prefix` with its brackets, `expire` absolute. */
export function encodeForwarded(request: Request, prefix: string, expire: number): Uint8Array {
  const mutation = request.mutation;
  const key = latin1(mutation.key.bytes, mutation.key.start, mutation.key.end);
  const name = commandName(request.command);
  switch (name) {
    case "incr":
    case "decr":
      return fromLatin1(`${prefix}${name} ${key} ${mutation.delta}${options(request, request.noreply)}\r\n`);
    case "delete": {
      const version = mutation.version === 0 ? "" : ` ${mutation.version}`;
      return fromLatin1(`${prefix}delete ${key} ${expire}${version}${options(request, request.noreply)}\r\n`);
    }
    case "touch":
      return encodeTouch(prefix, key, expire, request.noreply);
    case "gat":
      return fromLatin1(`${prefix}gat ${key} ${expire}\r\n`);
    default: {
      const version = name === "cas" || mutation.version !== 0 ? ` ${mutation.version}` : "";
      const length = mutation.valueEnd - mutation.valueStart;
      const tail = `${version}${options(request, request.noreply)}`;
      const head = `${prefix}${name} ${key} ${mutation.flags} ${expire} ${length}${tail}\r\n`;
      return withData(head, mutation.value.subarray(mutation.valueStart, mutation.valueEnd));
    }
  }
}

/** A `set` with the complete value and its version: what replicas get for every write that stores. */
export function encodeReplicatedSet(
  prefix: string,
  key: string,
  flags: number,
  expire: number,
  version: Uint64,
  value: Uint8Array,
  tail: string,
): Uint8Array {
  return withData(`${prefix}set ${key} ${flags} ${expire} ${value.length} ${version}${tail}\r\n`, value);
}

export function encodeReplicatedDelete(prefix: string, key: string, expire: number, version: Uint64, tail: string): Uint8Array {
  return fromLatin1(`${prefix}delete ${key} ${expire} ${version}${tail}\r\n`);
}

export function encodeTouch(prefix: string, key: string, expire: number, noreply: boolean): Uint8Array {
  return fromLatin1(`${prefix}touch ${key} ${expire}${noreply ? " noreply" : ""}\r\n`);
}

/** The options of a client's write as replication passes them on, with `noreply` instead of the client's. */
export function encodeOptions(request: Request, noreply: boolean): string {
  return options(request, noreply);
}

function withData(head: string, data: Uint8Array): Uint8Array {
  return concatBytes([fromLatin1(head), data, fromLatin1("\r\n")]);
}
