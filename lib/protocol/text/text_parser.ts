/**
 * Parses the text protocol: a pure function over the contiguous bytes of a connection. It never waits and keeps no half-parsed
 * state: an incomplete request is parsed again once there are more bytes, and the parser says how many it needs. Answers to
 * malformed lines are memcached's (docs/compatibility.md lists where Flare differs).
 */

import { decodeBase64 } from "../../base/base64.ts";
import { MIB } from "../../base/byte_units.ts";
import { latin1 } from "../../base/bytes.ts";
import { parseUint64, type Uint64 } from "../../base/uint64.ts";
import { isKeyTooLong } from "../../item/key_length.ts";
import { MutationKind, SyncMode } from "../../item/mutation.ts";
import { BLOCK_WORDS, Command, CommandShape, type CommandTable, shapeOf, wordsOfShape } from "../command.ts";
import { MetaFlag } from "../meta/meta_flags.ts";
import { parseMetaFlags } from "../meta/meta_parser.ts";
import { parseFlags, parseInteger } from "../numbers.ts";
import type { ForwardedBy, Request } from "../request.ts";
import { announcedLength, DATA_BYTES_MAX, parseLength } from "./data_block.ts";
import { beginsAsHttp, isHttpLine, mayBeHttp } from "./http_line.ts";
import { MultiGet, PART_BYTES } from "./multi_get.ts";
import { BAD_EXPTIME, BAD_FLAG, BAD_LINE, BAD_NODE_MAP, TOO_LARGE } from "./refusal_lines.ts";

export interface TextLimits {
  /** Longest request line in bytes. */
  readonly lineBytesMax: number;
  /** Longest key in bytes. */
  readonly keyBytesMax: number;
  /** Longest value in bytes. */
  readonly valueBytesMax: number;
}

export const ParseStatus = {
  /** The request is incomplete; `needed` is its minimal length. */
  more: 0,
  /** `request` is filled. */
  request: 1,
  /** `reject` is the answer (empty = none); `swallow` bytes of data follow that must be skipped. */
  reject: 2,
  /** `reject` is the answer, and the connection must be closed after it. */
  fatal: 3,
  /** This is HTTP: the connection must be closed without an answer. */
  http: 4,
} as const;
export type ParseStatus = (typeof ParseStatus)[keyof typeof ParseStatus];

const BAD_DELTA = "CLIENT_ERROR invalid numeric delta argument";
const BAD_DELETE = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
const BAD_CHUNK = "CLIENT_ERROR bad data chunk";
/** The answer to a value beyond `valueBytesMax`. */
const LINE_TOO_LONG = "CLIENT_ERROR line too long";

/** The longest push of a node map, in bytes: some ten thousand nodes. */
const NODE_MAP_BYTES_MAX = MIB;

/** What a block may have beyond one item of the largest size. */
const BLOCK_BYTES_FURTHER = 2 * MIB;

/** For memcached a shorter line, with its line end, is malformed, not unknown. */
const REQUEST_BYTES_MIN = 4;

const SPACE = 0x20;
const PLUS = 0x2b;
const LF = 0x0a;
const CR = 0x0d;
const LESS = 0x3c;
const GREATER = 0x3e;
/** From this many bytes on the built-in search is faster than a loop. */
const SCAN_LOOP_BYTES = 96;

export class TextParser {
  /** The end of the request or rejected line, as an index into the given bytes. */
  position = 0;
  /** With `more`: the length of the request in bytes, 0 = not known yet. */
  needed = 0;
  /** With `more`: bytes from the request's start without a line end, to be passed to the next call. */
  scanned = 0;
  reject = "";
  swallow = 0;
  /** With `reject`: the value is beyond `valueBytesMax`, and nothing else is wrong. */
  isTooLarge = false;

  /** The multi-get whose line continues after an executed part; set by the caller that executes it. */
  multiGet: MultiGet | undefined = undefined;

  /** The node that forwards the requests without a node list. */
  forwardedBy: ForwardedBy | undefined = undefined;

  readonly #limits: TextLimits;
  readonly #commands: CommandTable;
  #tokenStart = 0;
  #tokenEnd = 0;

  constructor(limits: TextLimits, commands: CommandTable) {
    this.#limits = limits;
    this.#commands = commands;
  }

  /**
   * Parses one request at `bytes[start, end)`. The first `scanned` bytes contain no line end. The request's slices point into
   * `bytes`.
   */
  parse(request: Request, bytes: Uint8Array, start: number, end: number, scanned: number): ParseStatus {
    this.swallow = 0;
    this.isTooLarge = false;
    this.needed = 0;
    this.scanned = 0;
    request.multiGet = undefined;
    const lineFeed = findLineFeed(bytes, start + scanned, end);
    if (this.multiGet !== undefined || lineFeed < 0) return this.#incomplete(request, bytes, start, end, lineFeed);
    this.position = lineFeed + 1;
    if (lineFeed - start > this.#limits.lineBytesMax && this.#multiGetCommand(bytes, start) < 0) {
      return this.#lineTooLong(bytes, start, lineFeed);
    }
    const lineEnd = lineFeed > start && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
    if (mayBeHttp(bytes, lineEnd) && isHttpLine(bytes, start, lineEnd)) return ParseStatus.http;
    let at = start;
    request.prefix = undefined;
    request.forwardedBy = this.forwardedBy;
    if (bytes[at] === LESS) {
      const close = bytes.subarray(at, lineEnd).indexOf(GREATER);
      if (close < 0) return this.#rejected("ERROR");
      request.prefix = latin1(bytes, at + 1, at + close);
      request.forwardedBy = undefined;
      at += close + 1;
    }
    if (!this.#token(bytes, at, lineEnd)) return this.#unknown(bytes, start, at, lineEnd);
    const command = this.#commands.find(bytes, this.#tokenStart, this.#tokenEnd);
    if (command < 0) return this.#unknown(bytes, start, at, lineEnd);
    request.command = command as Command;
    request.noreply = false;
    request.syncMode = SyncMode.byDefault;
    request.opcode = -1;
    request.mutation.terms = undefined;
    at = this.#tokenEnd;
    switch (shapeOf(request.command)) {
      case CommandShape.retrieval:
        request.bytes = bytes;
        request.keysStart = at;
        request.keysEnd = cutAtNul(bytes, at, lineEnd);
        return this.#token(bytes, at, lineEnd) ? ParseStatus.request : this.#rejected(BAD_LINE);
      case CommandShape.storage:
        return this.#storage(request, bytes, start, end, at, lineEnd);
      case CommandShape.arithmetic:
        return this.#arithmetic(request, bytes, at, lineEnd);
      case CommandShape.deletion:
        return this.#deletion(request, bytes, at, lineEnd);
      case CommandShape.touch:
        return this.#touch(request, bytes, at, lineEnd);
      case CommandShape.key:
        return this.#key(request, bytes, at, lineEnd);
      case CommandShape.touchRetrieval:
        return this.#touchRetrieval(request, bytes, at, lineEnd);
      case CommandShape.meta:
      case CommandShape.metaStorage:
        return this.#meta(request, bytes, start, end, at, lineEnd);
      case CommandShape.block:
        return this.#block(request, bytes, start, end, at, lineEnd);
      default:
        request.words = this.#words(bytes, at, lineEnd);
        if (request.command === Command.node && request.words[0] === "sync" && this.#commands.takesNodeMaps) {
          return this.#nodeSync(request, bytes, start, end);
        }
        return ParseStatus.request;
    }
  }

  /** An incomplete line, or the end of one whose first parts were already executed. */
  #incomplete(request: Request, bytes: Uint8Array, start: number, end: number, lineFeed: number): ParseStatus {
    if (this.multiGet !== undefined && lineFeed >= 0) {
      this.position = lineFeed + 1;
      const lineEnd = lineFeed > start && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed;
      return partOf(request, this.multiGet, bytes, start, lineEnd, true);
    }
    const { lineBytesMax, keyBytesMax } = this.#limits;
    if (end - start > Math.min(lineBytesMax, PART_BYTES)) {
      const command = this.multiGet?.command ?? this.#multiGetCommand(bytes, start);
      const from = this.multiGet === undefined ? this.#tokenEnd : start;
      const searched = Math.max(from + 1, end - keyBytesMax - 1);
      const blank = bytes.subarray(searched, end).lastIndexOf(SPACE);
      // The word after the last space may be incomplete. If it is already too long it is included, and refused.
      if (command >= 0 && (blank >= 0 || isKeyTooLong(end - from - 1, keyBytesMax))) {
        const wordEnd = bytes[end - 1] === CR ? end - 1 : end;
        this.position = blank < 0 ? wordEnd : searched + blank;
        return partOf(request, this.multiGet ?? new MultiGet(command as Command), bytes, from, this.position, false);
      }
      if (command < 0 && end - start > lineBytesMax) return this.#lineTooLong(bytes, start, end);
    }
    this.scanned = end - start;
    return ParseStatus.more;
  }

  /**
   * get or gets, if the long line at `start` is one, has a key in its first bytes and is supported here, else -1; the token is
   * the word.
   */
  #multiGetCommand(bytes: Uint8Array, start: number): Command | -1 {
    const end = start + Math.min(this.#limits.lineBytesMax, PART_BYTES) + 1;
    if (!this.#token(bytes, start, end)) return -1;
    const wordEnd = this.#tokenEnd;
    const command = this.#commands.find(bytes, this.#tokenStart, wordEnd);
    if (command < 0 || shapeOf(command as Command) !== CommandShape.retrieval) return -1;
    const hasKeys = this.#token(bytes, wordEnd, end);
    this.#tokenEnd = wordEnd;
    return hasKeys ? command : -1;
  }

  /** `node sync [<version>]` and the NODE lines after it up to END. */
  #nodeSync(request: Request, bytes: Uint8Array, start: number, end: number): ParseStatus {
    const version = request.words[1] ?? "0";
    if (request.words.length > 2 || !/^\d{1,20}$/.test(version)) return this.#rejected("ERROR");
    const lines: string[] = [];
    for (;;) {
      const from = this.position;
      const lineFeed = findLineFeed(bytes, from, end);
      if ((lineFeed < 0 ? end : lineFeed) - start > NODE_MAP_BYTES_MAX) {
        this.reject = LINE_TOO_LONG;
        return ParseStatus.fatal;
      }
      if (lineFeed < 0) return ParseStatus.more;
      this.position = lineFeed + 1;
      const line = latin1(bytes, from, lineFeed > from && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed);
      if (line === "END") break;
      if (!NODE_LINE.test(line)) return this.#rejected(BAD_NODE_MAP);
      lines.push(line);
    }
    request.lines = lines;
    return ParseStatus.request;
  }

  #storage(request: Request, bytes: Uint8Array, start: number, end: number, from: number, lineEnd: number): ParseStatus {
    const mutation = request.mutation;
    if (!this.#token(bytes, from, lineEnd)) return this.#rejected(BAD_LINE);
    mutation.key.bytes = bytes;
    mutation.key.start = this.#tokenStart;
    mutation.key.end = this.#tokenEnd;
    if (!this.#token(bytes, this.#tokenEnd, lineEnd)) return this.#rejected(BAD_LINE);
    const flagsStart = this.#tokenStart;
    const flagsEnd = this.#tokenEnd;
    if (!this.#token(bytes, flagsEnd, lineEnd)) return this.#rejected(BAD_LINE);
    const exptimeStart = this.#tokenStart;
    const exptimeEnd = this.#tokenEnd;
    if (!this.#token(bytes, exptimeEnd, lineEnd)) return this.#rejected(BAD_LINE);
    const lengthStart = this.#tokenStart;
    const lengthEnd = this.#tokenEnd;
    const length = parseLength(bytes, lengthStart, lengthEnd);
    let isValid = !this.#keyTooLong(request);
    let at = lengthEnd;
    mutation.version = 0;
    if (request.command === Command.cas) {
      if (!this.#casVersion(request, bytes, at, lineEnd)) isValid = false;
    } else if (this.#token(bytes, at, lineEnd)) {
      const version = parseUint64(bytes, this.#tokenStart, this.#tokenEnd);
      if (version !== undefined) {
        mutation.version = version;
        at = this.#tokenEnd;
      }
      this.#options(request, bytes, at, lineEnd);
    }
    const flags = parseFlags(bytes, flagsStart, flagsEnd);
    const exptime = parseInteger(bytes, exptimeStart, exptimeEnd);
    if (Number.isNaN(length)) this.#misplacedOption(request, bytes, lengthStart, lengthEnd, lineEnd);
    if (Number.isNaN(flags) || Number.isNaN(exptime)) isValid = false;
    if (!isValid || !(length <= this.#limits.valueBytesMax)) return this.#refusedBlock(request, length, isValid);
    mutation.kind = MUTATION_KINDS[request.command] as MutationKind;
    mutation.flags = flags;
    request.exptime = exptime;
    return this.#data(request, bytes, start, end, length);
  }

  /** Parses the version of a cas, and the options after it; false if there is none. */
  #casVersion(request: Request, bytes: Uint8Array, from: number, lineEnd: number): boolean {
    if (!this.#token(bytes, from, lineEnd)) return false;
    const version = parseUint64(bytes, this.#tokenStart, this.#tokenEnd);
    const versionEnd = this.#tokenEnd;
    if (version === undefined) this.#misplacedOption(request, bytes, this.#tokenStart, versionEnd, lineEnd);
    else request.mutation.version = version;
    this.#options(request, bytes, versionEnd, lineEnd);
    return version !== undefined;
  }

  /** A refused storage line with its block; `isValid`: only the length is wrong. */
  #refusedBlock(request: Request, length: number, isValid: boolean): ParseStatus {
    const status = this.#takeBlock(length);
    if (status === ParseStatus.fatal) return status;
    this.isTooLarge = isValid && this.swallow > 0;
    return this.#refused(request, this.isTooLarge ? TOO_LARGE : BAD_LINE);
  }

  /** Skips the block of a refused line. An oversized one closes the connection. */
  #takeBlock(length: number): ParseStatus {
    if (length > DATA_BYTES_MAX) {
      this.reject = BAD_LINE;
      return ParseStatus.fatal;
    }
    if (!Number.isNaN(length)) this.swallow = length + 2;
    return ParseStatus.reject;
  }

  /** The data block of `length` bytes after the parsed line. */
  #data(request: Request, bytes: Uint8Array, start: number, end: number, length: number): ParseStatus {
    const { mutation } = request;
    const dataEnd = this.position + length;
    if (dataEnd + 2 > end) {
      this.needed = dataEnd + 2 - start;
      return ParseStatus.more;
    }
    mutation.value = bytes;
    mutation.valueStart = this.position;
    mutation.valueEnd = dataEnd;
    this.position = dataEnd + 2;
    if (bytes[dataEnd] !== CR || bytes[dataEnd + 1] !== LF) return this.#refused(request, BAD_CHUNK);
    return ParseStatus.request;
  }

  #arithmetic(request: Request, bytes: Uint8Array, from: number, lineEnd: number): ParseStatus {
    const mutation = request.mutation;
    if (!this.#keyToken(request, bytes, from, lineEnd)) return this.#rejected(BAD_LINE);
    if (!this.#token(bytes, this.#tokenEnd, lineEnd)) return this.#rejected(BAD_LINE);
    const digits = bytes[this.#tokenStart] === PLUS ? this.#tokenStart + 1 : this.#tokenStart;
    const delta = parseUint64(bytes, digits, this.#tokenEnd);
    const deltaEnd = this.#tokenEnd;
    if (delta === undefined) this.#misplacedOption(request, bytes, this.#tokenStart, deltaEnd, lineEnd);
    this.#options(request, bytes, deltaEnd, lineEnd);
    if (this.#keyTooLong(request)) return this.#badLine(request);
    if (delta === undefined) return this.#refused(request, BAD_DELTA);
    mutation.kind = request.command === Command.incr ? MutationKind.incr : MutationKind.decr;
    mutation.delta = delta;
    mutation.version = 0;
    request.exptime = 0;
    return ParseStatus.request;
  }

  #deletion(request: Request, bytes: Uint8Array, from: number, lineEnd: number): ParseStatus {
    const mutation = request.mutation;
    if (!this.#keyToken(request, bytes, from, lineEnd)) return this.#rejected(BAD_LINE);
    mutation.kind = MutationKind.delete;
    mutation.version = 0;
    request.exptime = 0;
    let numbers = 0;
    let isValid = true;
    while (this.#token(bytes, this.#tokenEnd, lineEnd)) {
      if (this.#option(request, bytes)) continue;
      const number = parseUint64(bytes, this.#tokenStart, this.#tokenEnd);
      numbers++;
      if (number === undefined || numbers > 2) isValid = false;
      else if (numbers === 1) request.exptime = Number(number);
      else mutation.version = number;
    }
    // An invalid version must not become an unconditional deletion.
    if (!isValid) return this.#refused(request, BAD_DELETE);
    return this.#keyTooLong(request) ? this.#badLine(request) : ParseStatus.request;
  }

  #touch(request: Request, bytes: Uint8Array, from: number, lineEnd: number): ParseStatus {
    if (!this.#keyToken(request, bytes, from, lineEnd)) return this.#rejected(BAD_LINE);
    if (!this.#token(bytes, this.#tokenEnd, lineEnd)) return this.#rejected(BAD_LINE);
    const exptime = parseInteger(bytes, this.#tokenStart, this.#tokenEnd);
    const exptimeEnd = this.#tokenEnd;
    if (Number.isNaN(exptime)) this.#misplacedOption(request, bytes, this.#tokenStart, exptimeEnd, lineEnd);
    this.#options(request, bytes, exptimeEnd, lineEnd);
    if (this.#keyTooLong(request)) return this.#badLine(request);
    if (Number.isNaN(exptime)) return this.#refused(request, BAD_EXPTIME);
    request.mutation.kind = MutationKind.touch;
    request.mutation.version = request.prefix === undefined ? 0 : this.#touchedVersion(bytes, exptimeEnd, lineEnd);
    request.exptime = exptime;
    return ParseStatus.request;
  }

  /** Which version of an item another node has touched; 0 = it does not say. */
  #touchedVersion(bytes: Uint8Array, from: number, lineEnd: number): Uint64 {
    if (!this.#token(bytes, from, lineEnd)) return 0;
    return parseUint64(bytes, this.#tokenStart, this.#tokenEnd) ?? 0;
  }

  /** One key, and nothing after it. */
  #key(request: Request, bytes: Uint8Array, from: number, lineEnd: number): ParseStatus {
    const { mutation } = request;
    if (!this.#keyToken(request, bytes, from, lineEnd)) return this.#rejected(BAD_LINE);
    if (this.#token(bytes, this.#tokenEnd, lineEnd) || this.#keyTooLong(request)) return this.#rejected(BAD_LINE);
    mutation.value = bytes;
    mutation.valueStart = 0;
    mutation.valueEnd = 0;
    return ParseStatus.request;
  }

  /**
   * memcached's `gat <exptime> <key>…`, distinguished from Flare's `gat <key> <exptime>` by which word is a number. A node
   * always uses Flare's, because a key can be a number, too.
   */
  #touchRetrieval(request: Request, bytes: Uint8Array, from: number, lineEnd: number): ParseStatus {
    if (!this.#token(bytes, from, lineEnd)) return this.#rejected(BAD_LINE);
    const firstStart = this.#tokenStart;
    const firstEnd = this.#tokenEnd;
    const comesFromNode = request.prefix !== undefined || request.forwardedBy !== undefined;
    const isFromNode = comesFromNode && request.command === Command.gat;
    const first = isFromNode ? Number.NaN : parseInteger(bytes, firstStart, firstEnd);
    const more = this.#token(bytes, firstEnd, lineEnd);
    request.mutation.kind = MutationKind.touch;
    request.mutation.version = 0;
    request.bytes = bytes;
    if (!Number.isNaN(first)) {
      if (!more) return this.#rejected(BAD_LINE);
      request.flareOrder = false;
      request.exptime = first;
      request.keysStart = this.#tokenStart;
      request.keysEnd = cutAtNul(bytes, this.#tokenStart, lineEnd);
      return ParseStatus.request;
    }
    if (!more) return this.#rejected(BAD_LINE);
    const second = parseInteger(bytes, this.#tokenStart, this.#tokenEnd);
    if (request.command !== Command.gat || Number.isNaN(second)) return this.#rejected(BAD_EXPTIME);
    request.flareOrder = true;
    request.exptime = second;
    request.keysStart = firstStart;
    request.keysEnd = firstEnd;
    while (this.#token(bytes, this.#tokenEnd, lineEnd)) {
      if (!this.#option(request, bytes)) return this.#rejected(BAD_EXPTIME);
    }
    return ParseStatus.request;
  }

  /** `<key> [<bytes>] <flag>…`, with a data block if there is `<bytes>`. */
  #meta(request: Request, bytes: Uint8Array, start: number, end: number, from: number, lineEnd: number): ParseStatus {
    const { mutation, meta, command } = request;
    if (!this.#keyToken(request, bytes, from, lineEnd)) return this.#rejected(BAD_LINE);
    let length = -1;
    if (shapeOf(command) === CommandShape.metaStorage) {
      if (!this.#token(bytes, mutation.key.end, lineEnd)) return this.#rejected(BAD_LINE);
      length = parseLength(bytes, this.#tokenStart, this.#tokenEnd);
      if (Number.isNaN(length)) return this.#rejected(BAD_LINE);
    }
    request.bytes = bytes;
    request.keysStart = this.#tokenEnd;
    request.keysEnd = cutAtNul(bytes, this.#tokenEnd, lineEnd);
    let error = parseMetaFlags(request, bytes, request.keysStart, request.keysEnd);
    if (error === "" && (meta.flags & MetaFlag.b) !== 0) error = this.#decodeKey(request);
    if (error === "" && this.#keyTooLong(request)) error = BAD_LINE;
    mutation.version = 0;
    mutation.value = bytes;
    mutation.valueStart = 0;
    mutation.valueEnd = 0;
    if (length < 0) return error === "" ? ParseStatus.request : this.#rejected(error);
    if (error === "" && length > this.#limits.valueBytesMax) {
      this.isTooLarge = length <= DATA_BYTES_MAX;
      error = TOO_LARGE;
    }
    if (error === "") return this.#data(request, bytes, start, end, length);
    const status = this.#takeBlock(length);
    return status === ParseStatus.fatal ? status : this.#rejected(error);
  }

  /** Words, the last of which is the length of the data that follows. Only nodes send it. */
  #block(request: Request, bytes: Uint8Array, start: number, end: number, from: number, lineEnd: number): ParseStatus {
    const words = this.#words(bytes, from, lineEnd);
    const length = words.length === BLOCK_WORDS ? parseLength(bytes, this.#tokenStart, this.#tokenEnd) : Number.NaN;
    request.words = words;
    if (Number.isNaN(length)) {
      // Where its data ends is unknown, and they must never be read as commands.
      this.reject = BAD_LINE;
      return ParseStatus.fatal;
    }
    const { keyBytesMax, valueBytesMax } = this.#limits;
    const lengthMax = keyBytesMax + valueBytesMax + BLOCK_BYTES_FURTHER;
    if (length <= lengthMax) return this.#data(request, bytes, start, end, length);
    const status = this.#takeBlock(length);
    return status === ParseStatus.fatal ? status : this.#rejected(TOO_LARGE);
  }

  #decodeKey(request: Request): string {
    const { key } = request.mutation;
    const decoded = decodeBase64(key.bytes, key.start, key.end);
    if (decoded === undefined) {
      return request.command === Command.mg || request.command === Command.ms ? "CLIENT_ERROR error decoding key" : BAD_FLAG;
    }
    key.bytes = decoded;
    key.start = 0;
    key.end = decoded.length;
    return "";
  }

  #words(bytes: Uint8Array, from: number, lineEnd: number): string[] {
    const words: string[] = [];
    let at = from;
    while (this.#token(bytes, at, lineEnd)) {
      words.push(latin1(bytes, this.#tokenStart, this.#tokenEnd));
      at = this.#tokenEnd;
    }
    return words;
  }

  /** Finds the next space-separated token of the line; a NUL ends the line. */
  #token(bytes: Uint8Array, from: number, lineEnd: number): boolean {
    let at = from;
    while (at < lineEnd && bytes[at] === SPACE) at++;
    if (at >= lineEnd || bytes[at] === 0) return false;
    this.#tokenStart = at;
    do at++;
    while (at < lineEnd && bytes[at] !== SPACE && bytes[at] !== 0);
    this.#tokenEnd = at;
    return true;
  }

  #keyToken(request: Request, bytes: Uint8Array, from: number, lineEnd: number): boolean {
    if (!this.#token(bytes, from, lineEnd)) return false;
    const key = request.mutation.key;
    key.bytes = bytes;
    key.start = this.#tokenStart;
    key.end = this.#tokenEnd;
    return true;
  }

  #keyTooLong(request: Request): boolean {
    const { start, end } = request.mutation.key;
    return isKeyTooLong(end - start, this.#limits.keyBytesMax);
  }

  /** Parses the options up to the end of the line; like memcached it ignores unknown words. */
  #options(request: Request, bytes: Uint8Array, from: number, lineEnd: number): void {
    let at = from;
    while (this.#token(bytes, at, lineEnd)) {
      this.#option(request, bytes);
      at = this.#tokenEnd;
    }
  }

  /** If a number is missing, an option takes the last one's place, and is applied. */
  #misplacedOption(request: Request, bytes: Uint8Array, start: number, end: number, lineEnd: number): void {
    if (this.#token(bytes, end, lineEnd)) return;
    this.#tokenStart = start;
    this.#tokenEnd = end;
    this.#option(request, bytes);
  }

  /** Applies the current token if it is an option. */
  #option(request: Request, bytes: Uint8Array): boolean {
    const start = this.#tokenStart;
    const length = this.#tokenEnd - start;
    if (length === 7 && isWord(bytes, start, NOREPLY)) request.noreply = true;
    else if (length === 4 && isWord(bytes, start, SYNC)) request.syncMode = SyncMode.sync;
    else if (length === 5 && isWord(bytes, start, ASYNC)) request.syncMode = SyncMode.async;
    else return false;
    return true;
  }

  /** An unknown command: HTTP, or memcached's `ERROR`, with the data block that may follow. */
  #unknown(bytes: Uint8Array, start: number, from: number, lineEnd: number): ParseStatus {
    if (isHttpLine(bytes, start, lineEnd)) return ParseStatus.http;
    const status = this.#takeBlock(announcedLength(bytes, from, lineEnd));
    if (status === ParseStatus.reject) this.reject = this.position - start < REQUEST_BYTES_MIN ? BAD_LINE : "ERROR";
    return status;
  }

  #lineTooLong(bytes: Uint8Array, start: number, end: number): ParseStatus {
    this.position = end;
    if (beginsAsHttp(bytes, start, end)) return ParseStatus.http;
    this.reject = LINE_TOO_LONG;
    return ParseStatus.fatal;
  }

  #rejected(text: string): ParseStatus {
    this.reject = text;
    return ParseStatus.reject;
  }

  /** A rejection that `noreply` suppresses, as in memcached. */
  #refused(request: Request, text: string): ParseStatus {
    return this.#rejected(request.noreply ? "" : text);
  }

  #badLine(request: Request): ParseStatus {
    return this.#refused(request, BAD_LINE);
  }
}

/** Fills `request` with the keys `bytes[from, to)` of a multi-get. */
function partOf(
  request: Request,
  multiGet: MultiGet,
  bytes: Uint8Array,
  from: number,
  to: number,
  isLast: boolean,
): ParseStatus {
  request.command = multiGet.command;
  request.prefix = undefined;
  request.forwardedBy = undefined;
  request.noreply = false;
  request.syncMode = SyncMode.byDefault;
  request.opcode = -1;
  request.mutation.terms = undefined;
  request.bytes = bytes;
  request.keysStart = from;
  request.keysEnd = multiGet.isCut ? from : cutAtNul(bytes, from, to);
  if (request.keysEnd < to) multiGet.isCut = true;
  request.multiGet = multiGet;
  request.isLastPart = isLast;
  return ParseStatus.request;
}

/** `NODE <host> <port> <role> <state> <partition> <balance> <thread_type>`, anything after it is ignored. */
const NODE_LINE = /^NODE +[^ ]+(?: +-?\d+){6}(?: |$)/;

const NOREPLY = [0x6e, 0x6f, 0x72, 0x65, 0x70, 0x6c, 0x79];
const SYNC = [0x73, 0x79, 0x6e, 0x63];
const ASYNC = [0x61, 0x73, 0x79, 0x6e, 0x63];

const MUTATION_KINDS: readonly (MutationKind | undefined)[] = buildMutationKinds();

function buildMutationKinds(): (MutationKind | undefined)[] {
  const kinds: (MutationKind | undefined)[] = [];
  for (const word of wordsOfShape(CommandShape.storage)) kinds[Command[word]] = MutationKind[word];
  return kinds;
}

function isWord(bytes: Uint8Array, start: number, word: readonly number[]): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[start + i] !== word[i]) return false;
  return true;
}

function findLineFeed(bytes: Uint8Array, from: number, end: number): number {
  const loopEnd = Math.min(end, from + SCAN_LOOP_BYTES);
  for (let i = from; i < loopEnd; i++) if (bytes[i] === LF) return i;
  if (loopEnd === end) return -1;
  const found = bytes.indexOf(LF, loopEnd);
  return found < end ? found : -1;
}

function cutAtNul(bytes: Uint8Array, from: number, lineEnd: number): number {
  for (let i = from; i < lineEnd; i++) if (bytes[i] === 0) return i;
  return lineEnd;
}
