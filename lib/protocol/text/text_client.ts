/**
 * The client side of the text protocol between nodes: encodes requests and parses answers. Sans I/O: bytes in, replies out. The
 * lines are exactly those of the C++ daemons, so either end can be one.
 */

import { concatBytes, EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { parseWholeNumber } from "../../base/whole_number.ts";
import { SyncMode } from "../../item/mutation.ts";
import type { Request } from "../request.ts";
import { RequestBuffer } from "./request_buffer.ts";

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
const SPACE = 0x20;
const VALUE = fromLatin1("VALUE ");
const VA = fromLatin1("VA ");
/** Up to here the loop for a line end is faster than the built-in search. */
const LOOP_BYTES = 96;
/** A larger buffer is not kept once its replies are read. */
const KEPT_BYTES = 262144;
const FINAL_WORDS = ["END", "OK", "ERROR", "CLIENT_ERROR", "SERVER_ERROR", "NOT_FOUND", "MOVED"];

/** Splits a stream of replies, by the expected shapes. */
export class ReplyParser {
  /** All that `find` has found is the reply `bytes[start, end)`, valid until the next `push` … */
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  /** … with its only or last line, without the line end … */
  lineStart = 0;
  lineEnd = 0;
  /** … and what comes before it; in a meta reply the value after it. */
  #bodyStart = 0;
  #bodyEnd = 0;
  /** The end of the bytes received. */
  #length = 0;
  /** The lines and values of the next reply before this are complete. */
  #at = 0;
  readonly #replyBytesMax: number;

  /** @param replyBytesMax longest single reply accepted, line ends and all values together, in bytes */
  constructor(replyBytesMax: number) {
    this.#replyBytesMax = replyBytesMax;
  }

  push(chunk: Uint8Array): void {
    if (this.#length + chunk.length > this.bytes.length) this.#makeRoom(chunk.length);
    this.bytes.set(chunk, this.#length);
    this.#length += chunk.length;
  }

  /** Bytes of replies that are incomplete or not requested yet. */
  get heldBytes(): number {
    return this.#length - this.end;
  }

  /** The next complete reply in its own memory, undefined if there is none yet, or `MALFORMED`. */
  next(shape: ReplyShape): ClientReply | undefined | typeof MALFORMED {
    const found = this.find(shape);
    return found === true ? this.reply() : found;
  }

  /** What `find` has found, in its own memory. */
  reply(): ClientReply {
    const body = this.#bodyEnd === this.#bodyStart ? EMPTY_BYTES : this.bytes.slice(this.#bodyStart, this.#bodyEnd);
    return { line: latin1(this.bytes, this.lineStart, this.lineEnd), body };
  }

  /** Whether the next reply is complete; undefined = not yet. */
  find(shape: ReplyShape): true | undefined | typeof MALFORMED {
    this.start = this.end;
    for (;;) {
      const lineFeed = this.#findLineFeed();
      if ((lineFeed < 0 ? this.#length : lineFeed + 1) - this.start > this.#replyBytesMax) return MALFORMED;
      if (lineFeed < 0) return undefined;
      const lineStart = this.#at;
      const lineEnd = lineFeed > lineStart && this.bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
      if (shape === ReplyShape.meta && this.#beginsWith(VA, lineStart)) {
        const end = this.#blockEnd(lineFeed + 1, this.#word(1, lineStart, lineEnd));
        if (end < 0) return MALFORMED;
        return end > this.#length ? undefined : this.#found(lineStart, lineEnd, end, lineFeed + 1, end - 2);
      }
      if (shape === ReplyShape.line || shape === ReplyShape.meta) return this.#foundAt(lineStart, lineEnd, lineFeed + 1);
      const holdsValues = shape === ReplyShape.values || shape === ReplyShape.value || shape === ReplyShape.scan;
      if (holdsValues && this.#beginsWith(VALUE, lineStart)) {
        const end = this.#blockEnd(lineFeed + 1, this.#word(3, lineStart, lineEnd));
        if (end < 0) return MALFORMED;
        if (end > this.#length) return undefined;
        if (shape === ReplyShape.value) return this.#foundAt(end, end, end);
        this.#at = end;
        continue;
      }
      const word = this.#word(0, lineStart, lineEnd);
      if (FINAL_WORDS.includes(word)) return this.#foundAt(lineStart, lineEnd, lineFeed + 1);
      if (shape === ReplyShape.scan) {
        if (word === "NEXT") return this.#foundAt(lineStart, lineEnd, lineFeed + 1);
        if (word !== "KEY") return MALFORMED;
      } else if (shape !== ReplyShape.lines) return MALFORMED;
      this.#at = lineFeed + 1;
    }
  }

  /** Drops a large buffer that is not needed any more; the last reply is not valid after it. */
  release(): void {
    if (this.heldBytes > 0 || this.bytes.length <= KEPT_BYTES) return;
    this.bytes = EMPTY_BYTES;
    this.#length = 0;
    this.#at = 0;
    this.end = 0;
  }

  #makeRoom(count: number): void {
    const { bytes, end } = this;
    const length = this.#length - end;
    if (length + count > bytes.length) {
      this.bytes = new Uint8Array(Math.max(length + count, bytes.length * 2));
      this.bytes.set(bytes.subarray(end, this.#length));
    } else bytes.copyWithin(0, end, this.#length);
    this.#length = length;
    this.#at -= end;
    this.end = 0;
  }

  #findLineFeed(): number {
    const { bytes } = this;
    const loopEnd = Math.min(this.#length, this.#at + LOOP_BYTES);
    for (let i = this.#at; i < loopEnd; i++) if (bytes[i] === LF) return i;
    return loopEnd === this.#length ? -1 : bytes.subarray(0, this.#length).indexOf(LF, loopEnd);
  }

  #beginsWith(word: Uint8Array, at: number): boolean {
    for (let i = 0; i < word.length; i++) if (this.bytes[at + i] !== word[i]) return false;
    return true;
  }

  /** The word of a line after this number of spaces; empty if there is none. */
  #word(spaces: number, lineStart: number, lineEnd: number): string {
    let from = lineStart;
    for (let left = spaces; left > 0 && from <= lineEnd; from++) if (from < lineEnd && this.bytes[from] === SPACE) left--;
    let to = from;
    while (to < lineEnd && this.bytes[to] !== SPACE) to++;
    return from > lineEnd ? "" : latin1(this.bytes, from, to);
  }

  /** The end of a data block with its line end; -1 = `length` is not a number, or too large. */
  #blockEnd(start: number, length: string): number {
    const dataBytes = parseWholeNumber(length, this.#replyBytesMax);
    const end = start + (dataBytes ?? 0) + 2;
    return dataBytes === undefined || end - this.start > this.#replyBytesMax ? -1 : end;
  }

  #foundAt(lineStart: number, lineEnd: number, end: number): true {
    return this.#found(lineStart, lineEnd, end, this.start, lineStart);
  }

  #found(lineStart: number, lineEnd: number, end: number, bodyStart: number, bodyEnd: number): true {
    this.lineStart = lineStart;
    this.lineEnd = lineEnd;
    this.#bodyStart = bodyStart;
    this.#bodyEnd = bodyEnd;
    this.end = end;
    this.#at = end;
    return true;
  }
}

/** Encodes a write for the node that owns its key; `prefix` with its brackets, `expire` absolute. */
export function encodeForwarded(request: Request, prefix: string, expire: number): Uint8Array {
  const buffer = new RequestBuffer(0);
  buffer.writeForwarded(request, prefix, expire, request.noreply);
  return buffer.bytes.subarray(buffer.start, buffer.end);
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

/** @param version only for a node that takes it: an item with another one is not touched; 0 = whichever it has */
export function encodeTouch(prefix: string, key: string, expire: number, noreply: boolean, version: Uint64 = 0): Uint8Array {
  const item = version === 0 ? "" : ` ${version}`;
  return fromLatin1(`${prefix}touch ${key} ${expire}${item}${noreply ? " noreply" : ""}\r\n`);
}

/** The options of a client's write as replication passes them on, with `noreply` instead of the client's. */
export function encodeOptions({ syncMode }: { readonly syncMode: SyncMode }, noreply: boolean): string {
  const text = noreply ? " noreply" : "";
  if (syncMode === SyncMode.sync) return `${text} sync`;
  return syncMode === SyncMode.async ? `${text} async` : text;
}

function withData(head: string, data: Uint8Array): Uint8Array {
  return concatBytes([fromLatin1(head), data, fromLatin1("\r\n")]);
}
