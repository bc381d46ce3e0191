/**
 * Writes the answers of the meta commands: two letters, the requested tokens in the requested order, and for VA the value.
 * Writing a hit that changes nothing allocates nothing.
 */

import { base64Length, encodeBase64 } from "../../base/base64.ts";
import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { EntryMark, type EntryView } from "../../item/entry.ts";
import { type Applied, type Mutation, MutationKind, MutationResult } from "../../item/mutation.ts";
import { BufferPool } from "../buffer_pool.ts";
import { Command } from "../command.ts";
import type { ItemBefore, ItemReply, RemoteOutcome } from "../item_reply.ts";
import { ReplySegment } from "../reply_segment.ts";
import type { Request } from "../request.ts";
import { NON_NUMERIC, TOO_LARGE } from "../text/refusal_lines.ts";
import { serverErrorLine } from "../text/server_error.ts";
import type { ClientReply } from "../text/text_client.ts";
import { TextReply } from "../text/text_reply.ts";
import { MetaArgument, MetaFlag } from "./meta_flags.ts";

const SPACE = 0x20;
const CRLF = fromLatin1("\r\n");
const HIT = fromLatin1("HD");
const VALUE = fromLatin1("VA ");

/** Flags with a token in the answer. */
const TOKENS = MetaFlag.c | MetaFlag.f | MetaFlag.h | MetaFlag.k | MetaFlag.l | MetaFlag.s | MetaFlag.t;
/** The letters of tokens about an item; O and k are in the answer to any request. */
const OF_HIT = "cfhlst";
const OF_SET = "cs";
const OF_COUNT = "ct";

export class MetaReply extends TextReply implements ItemReply {
  before: ItemBefore | undefined = undefined;
  #request: Request;
  readonly #nowSeconds: number;

  constructor(segment: ReplySegment, request: Request, nowSeconds: number) {
    super(segment);
    this.#request = request;
    this.#nowSeconds = nowSeconds;
  }

  override bind(request: Request): void {
    this.#request = request;
  }

  hit(entry: EntryView): void {
    putMetaHit(this.segment, this.#request, entry, entry, false, this.#nowSeconds);
  }

  miss(): void {
    putMetaMiss(this.segment, this.#request);
  }

  override applied(applied: Applied): void {
    putApplied(this.segment, this.#request, applied, this.before, this.#nowSeconds);
  }

  override appliedText(applied: Applied): string {
    const segment = new ReplySegment(new BufferPool());
    putApplied(
      segment,
      this.#request,
      { ...applied, entry: { ...applied.entry, stable: false } },
      this.before,
      this.#nowSeconds,
    );
    return latin1(segment.bytes, 0, segment.length);
  }

  /** The failure of a quiet write is answered, too. */
  override markUncommitted(start: number): void {
    this.segment.markUncommitted(start, 0);
  }

  passOn({ line, body }: ClientReply): void {
    if (isNominal(this.#request, line.split(" ", 1)[0] as string)) return;
    this.line(line);
    if (!line.startsWith("VA ")) return;
    this.segment.put(body, 0, body.length);
    this.segment.put(CRLF, 0, 2);
  }

  remote(outcome: RemoteOutcome): void {
    const { segment } = this;
    const request = this.#request;
    const { status, value } = outcome;
    if (status === "") return this.line(outcome.error);
    if (isNominal(request, status)) return;
    segment.putText(status === "VA" ? `VA ${value.length}` : status);
    const isDone = status === "VA" || status === "HD";
    if (isDone) putTokens(segment, request, "cfs", remoteEntry(outcome), undefined, this.#nowSeconds);
    else putTokens(segment, request, request.command === Command.ms ? OF_SET : "", undefined, undefined, this.#nowSeconds);
    segment.put(CRLF, 0, 2);
    if (status !== "VA") return;
    segment.put(value, 0, value.length);
    segment.put(CRLF, 0, 2);
  }
}

/** Whether `q` suppresses this status. */
export function isNominal(request: Request, status: string): boolean {
  if ((request.meta.flags & MetaFlag.q) === 0) return false;
  if (request.command === Command.mg) return status === "EN";
  return status === "HD" || (status === "VA" && request.command === Command.ma);
}

/** A hit of mg; `before` is the item's state before it was touched or won. */
export function putMetaHit(
  segment: ReplySegment,
  request: Request,
  entry: EntryView,
  before: ItemBefore,
  won: boolean,
  nowSeconds: number,
): void {
  const { meta } = request;
  const { bytes, headEnd } = entry;
  if ((meta.flags & MetaFlag.v) === 0 || ((meta.arguments & MetaArgument.C) !== 0 && meta.compare === entry.version)) {
    segment.put(HIT, 0, 2);
    putTokens(segment, request, OF_HIT, entry, before, nowSeconds);
    putMarks(segment, before.marks, won);
    segment.put(CRLF, 0, 2);
    return;
  }
  // The head of an entry ends with the length of its value, followed by a line end and the value: ready to be copied.
  let lengthStart = headEnd;
  while (bytes[lengthStart - 1] !== SPACE) lengthStart--;
  segment.put(VALUE, 0, 3);
  let rest = lengthStart;
  if ((meta.flags & TOKENS) !== 0 || meta.arguments !== 0 || before.marks !== 0 || won) {
    segment.put(bytes, lengthStart, headEnd);
    putTokens(segment, request, OF_HIT, entry, before, nowSeconds);
    putMarks(segment, before.marks, won);
    rest = headEnd;
  }
  if (entry.stable) segment.putStable(bytes, rest, entry.valueEnd + 2);
  else segment.put(bytes, rest, entry.valueEnd + 2);
}

/** The marks of an item before this read, and whether this read has won. */
function putMarks(segment: ReplySegment, marks: number, won: boolean): void {
  if ((marks & EntryMark.won) !== 0) segment.putText(" Z");
  if ((marks & EntryMark.stale) !== 0) segment.putText(" X");
  if (won) segment.putText(" W");
}

/** A miss of mg. */
export function putMetaMiss(segment: ReplySegment, request: Request): void {
  if (isNominal(request, "EN")) return;
  segment.putText("EN");
  putTokens(segment, request, "", undefined, undefined, 0);
  segment.put(CRLF, 0, 2);
}

function putApplied(
  segment: ReplySegment,
  request: Request,
  applied: Applied,
  before: ItemBefore | undefined,
  nowSeconds: number,
): void {
  const { result, entry } = applied;
  if (request.mutation.kind === MutationKind.fetch) {
    if (result === MutationResult.notFound) return putMetaMiss(segment, request);
    if (result === MutationResult.stored)
      return putMetaHit(segment, request, entry, { ...entry, expire: 0, marks: 0 }, true, nowSeconds);
    if (result === MutationResult.touched || result === MutationResult.won) {
      return putMetaHit(segment, request, entry, before ?? entry, result === MutationResult.won, nowSeconds);
    }
  }
  const status = STATUSES[result];
  if (status === undefined) {
    segment.putText(result === MutationResult.failed ? `${serverErrorLine(applied.error)}\r\n` : `${REFUSALS[result]}\r\n`);
    return;
  }
  if (isNominal(request, status)) return;
  const value =
    result === MutationResult.number && (request.meta.flags & MetaFlag.v) !== 0 ? String(applied.number) : undefined;
  segment.putText(value === undefined ? status : `VA ${value.length}`);
  if (status !== "HD")
    putTokens(segment, request, request.command === Command.ms ? OF_SET : "", undefined, undefined, nowSeconds);
  else if (request.command === Command.ma) putTokens(segment, request, OF_COUNT, entry, before ?? entry, nowSeconds);
  else putTokens(segment, request, request.command === Command.ms ? OF_SET : "", entry, entry, nowSeconds);
  segment.put(CRLF, 0, 2);
  if (value !== undefined) segment.putText(`${value}\r\n`);
}

const STATUSES: readonly (string | undefined)[] = buildStatuses();
const REFUSALS: Readonly<Record<number, string>> = {
  [MutationResult.nonNumeric]: NON_NUMERIC,
  [MutationResult.tooLarge]: TOO_LARGE,
};

function buildStatuses(): (string | undefined)[] {
  const statuses: (string | undefined)[] = [];
  for (const result of [
    MutationResult.stored,
    MutationResult.deleted,
    MutationResult.touched,
    MutationResult.number,
  ] as const) {
    statuses[result] = "HD";
  }
  statuses[MutationResult.notStored] = "NS";
  statuses[MutationResult.exists] = "EX";
  statuses[MutationResult.notFound] = "NF";
  return statuses;
}

/**
 * The tokens, in the order of the flags. `letters` are the ones that apply besides O and k. A time is the one before a T or N
 * that comes later. Without an entry, for a write that has stored nothing, the version is 0 and the length is that of the value
 * sent.
 */
function putTokens(
  segment: ReplySegment,
  request: Request,
  letters: string,
  entry: EntryView | undefined,
  before: ItemBefore | undefined,
  nowSeconds: number,
): void {
  const { bytes, keysStart, keysEnd } = request;
  let expire = before?.expire ?? 0;
  for (let at = keysStart; at < keysEnd; ) {
    const code = bytes[at] as number;
    const start = at;
    while (at < keysEnd && bytes[at] !== SPACE) at++;
    if (at === start) {
      at++;
      continue;
    }
    switch (code) {
      case 0x4f: // O
        segment.putByte(SPACE);
        segment.put(bytes, start, at);
        continue;
      case 0x6b: // k
        putKey(segment, request);
        continue;
      case 0x54: // T
      case 0x4e: // N
        if (entry !== undefined) expire = entry.expire;
        continue;
    }
    if (!isAmong(letters, code)) continue;
    segment.putByte(SPACE);
    segment.putByte(code);
    switch (code) {
      case 0x63: // c
        segment.putNumber(entry?.version ?? 0);
        break;
      case 0x66: // f
        segment.putNumber(entry?.flags ?? 0);
        break;
      case 0x68: // h
        segment.putByte(before?.fetched === true ? 0x31 : 0x30);
        break;
      case 0x6c: // l
        segment.putNumber(Math.max(0, nowSeconds - (before?.accessSeconds ?? nowSeconds)));
        break;
      case 0x73: // s
        segment.putNumber(lengthOf(entry ?? request.mutation));
        break;
      case 0x74: // t
        if (expire === 0) segment.putText("-1");
        else segment.putNumber(Math.max(0, expire - nowSeconds));
    }
  }
}

function lengthOf({ valueStart, valueEnd }: EntryView | Mutation): number {
  return valueEnd - valueStart;
}

function isAmong(letters: string, code: number): boolean {
  for (let i = 0; i < letters.length; i++) if (letters.charCodeAt(i) === code) return true;
  return false;
}

/** The key in the form of the request: a base64 key is returned as base64, and marked. */
function putKey(segment: ReplySegment, request: Request): void {
  const { key } = request.mutation;
  segment.putText(" k");
  if ((request.meta.flags & MetaFlag.b) === 0) {
    segment.put(key.bytes, key.start, key.end);
    return;
  }
  segment.reserve(base64Length(key.end - key.start));
  segment.length = encodeBase64(segment.bytes, segment.length, key.bytes, key.start, key.end);
  segment.putText(" b");
}

function remoteEntry({ version, flags, value }: RemoteOutcome): EntryView {
  return {
    bytes: value,
    headStart: 0,
    headEnd: 0,
    keyStart: 0,
    keyEnd: 0,
    valueStart: 0,
    valueEnd: value.length,
    flags,
    expire: 0,
    version,
    marks: 0,
    fetched: false,
    accessSeconds: 0,
    stable: false,
  };
}
