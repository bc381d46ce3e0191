/**
 * Writes the replies of the binary protocol: packets of a header and a body. Handlers that write text lines can use it, too: a
 * line becomes a packet with the corresponding status. Writing a hit allocates nothing.
 */

import { latin1 } from "../../base/bytes.ts";
import { highWord, lowWord, type Uint64 } from "../../base/uint64.ts";
import type { EntryView } from "../../item/entry.ts";
import { type Applied, MutationKind, MutationResult } from "../../item/mutation.ts";
import { BufferPool } from "../buffer_pool.ts";
import { Command } from "../command.ts";
import type { ItemBefore, ItemReply, RemoteOutcome } from "../item_reply.ts";
import { parseMetaAnswer } from "../meta/meta_client.ts";
import { ReplySegment } from "../reply_segment.ts";
import type { Request } from "../request.ts";
import { NON_NUMERIC, OUT_OF_MEMORY, TOO_LARGE } from "../text/refusal_lines.ts";
import type { ClientReply } from "../text/text_client.ts";
import { TextReply } from "../text/text_reply.ts";
import {
  answersKey,
  BINARY_HEADER_BYTES,
  BINARY_REPLY,
  BinaryStatus,
  HeaderField,
  isQuiet,
  Opcode,
  statusText,
} from "./binary_protocol.ts";

const FLAGS_BYTES = 4;

export class BinaryReply extends TextReply implements ItemReply {
  before: ItemBefore | undefined = undefined;
  #request: Request;

  constructor(segment: ReplySegment, request: Request) {
    super(segment);
    this.#request = request;
  }

  override bind(request: Request): void {
    this.#request = request;
  }

  hit(entry: EntryView): void {
    putBinaryHit(this.segment, this.#request, entry);
  }

  miss(): void {
    putBinaryMiss(this.segment, this.#request);
  }

  override applied(applied: Applied): void {
    const request = this.#request;
    const { result } = applied;
    if (request.mutation.kind === MutationKind.fetch) {
      if (result === MutationResult.notFound) return this.miss();
      if (result === MutationResult.touched || result === MutationResult.won) return this.hit(applied.entry);
    }
    if (result === MutationResult.number) return this.#number(applied.number, applied.entry.version);
    if (result === MutationResult.stored) return this.success(applied.entry.version);
    if (result === MutationResult.deleted) return this.success(0);
    if (result === MutationResult.failed)
      return putBinaryError(this.segment, request.opcode, request.opaque, BinaryStatus.internalError, applied.error);
    putBinaryError(this.segment, request.opcode, request.opaque, this.#refusal(result));
  }

  override appliedText(applied: Applied): string {
    const reply = new BinaryReply(new ReplySegment(new BufferPool()), this.#request);
    reply.applied({ ...applied, entry: { ...applied.entry, stable: false } });
    return latin1(reply.segment.bytes, 0, reply.segment.length);
  }

  /** The failure of a quiet write is answered, too. */
  override markUncommitted(start: number): void {
    this.segment.markUncommitted(start, this.#request.opcode, this.#request.opaque);
  }

  remote(outcome: RemoteOutcome): void {
    const { value, version, flags, error } = outcome;
    const { command, opcode, opaque } = this.#request;
    switch (outcome.status) {
      case "VA":
        if (command === Command.ma) return this.#number(BigInt(latin1(value)), version);
        return putHit(this.segment, this.#request, flags, version, value, 0, value.length);
      case "HD":
        if (command === Command.mg) return putHit(this.segment, this.#request, flags, version, value, 0, 0);
        return this.success(command === Command.md ? 0 : version);
      case "EN":
        return this.miss();
      case "NF":
        return putBinaryError(this.segment, opcode, opaque, BinaryStatus.notFound);
      case "EX":
        return putBinaryError(this.segment, opcode, opaque, BinaryStatus.exists);
      case "NS":
        return putBinaryError(this.segment, opcode, opaque, this.#refusal(MutationResult.notStored));
      default:
        this.line(error);
    }
  }

  passOn(answer: ClientReply): void {
    this.remote(parseMetaAnswer(answer));
  }

  /** Success without a body; not for quiet requests. */
  success(version: Uint64): void {
    const { opcode, opaque } = this.#request;
    if (!isQuiet(opcode)) putHeader(this.segment, opcode, 0, 0, BinaryStatus.success, 0, opaque, version);
  }

  /** A body of text. */
  text(text: string): void {
    putHeader(this.segment, this.#request.opcode, 0, 0, BinaryStatus.success, text.length, this.#request.opaque, 0);
    this.segment.putText(text);
  }

  /** The packet for a line of the text protocol. */
  override line(text: string): void {
    const { opcode, opaque } = this.#request;
    if (text === "OK" || text === "RESET") return this.success(0);
    if (text === "ERROR") return putBinaryError(this.segment, opcode, opaque, BinaryStatus.notFound);
    const space = text.indexOf(" ");
    const known = Object.hasOwn(KNOWN_LINES, text) ? KNOWN_LINES[text] : undefined;
    if (known !== undefined) return putBinaryError(this.segment, opcode, opaque, known);
    const status = LINE_STATUSES[text.slice(0, space)] ?? BinaryStatus.internalError;
    putBinaryError(this.segment, opcode, opaque, status, text.slice(space + 1));
  }

  override stat(name: string, value: Uint64 | string): void {
    const text = String(value);
    putHeader(
      this.segment,
      this.#request.opcode,
      name.length,
      0,
      BinaryStatus.success,
      name.length + text.length,
      this.#request.opaque,
      0,
    );
    this.segment.putText(name);
    this.segment.putText(text);
  }

  override end(): void {
    putHeader(this.segment, this.#request.opcode, 0, 0, BinaryStatus.success, 0, this.#request.opaque, 0);
  }

  #number(value: Uint64, version: Uint64): void {
    const { opcode, opaque } = this.#request;
    if (isQuiet(opcode)) return;
    putHeader(this.segment, opcode, 0, 0, BinaryStatus.success, 8, opaque, version);
    putUint64(this.segment, value);
  }

  /** An add that finds an item, and a replace that finds none, have their own status. */
  #refusal(result: MutationResult): BinaryStatus {
    switch (result) {
      case MutationResult.exists:
        return BinaryStatus.exists;
      case MutationResult.notFound:
        return BinaryStatus.notFound;
      case MutationResult.nonNumeric:
        return BinaryStatus.nonNumeric;
      case MutationResult.tooLarge:
        return BinaryStatus.tooLarge;
    }
    switch (this.#request.opcode) {
      case Opcode.add:
      case Opcode.addQuiet:
        return BinaryStatus.exists;
      case Opcode.replace:
      case Opcode.replaceQuiet:
        return BinaryStatus.notFound;
      default:
        return BinaryStatus.notStored;
    }
  }
}

/** Text refusals of another node that have their own status. */
const KNOWN_LINES: Readonly<Record<string, BinaryStatus>> = {
  [NON_NUMERIC]: BinaryStatus.nonNumeric,
  [TOO_LARGE]: BinaryStatus.tooLarge,
  [OUT_OF_MEMORY]: BinaryStatus.outOfMemory,
};
const LINE_STATUSES: Readonly<Record<string, BinaryStatus>> = {
  CLIENT_ERROR: BinaryStatus.invalidArguments,
  SERVER_ERROR: BinaryStatus.internalError,
};

/** An error reply, with `text` or memcached's text. */
export function putBinaryError(
  segment: ReplySegment,
  opcode: number,
  opaque: number,
  status: BinaryStatus,
  text = statusText(status),
): void {
  putHeader(segment, opcode, 0, 0, status, text.length, opaque, 0);
  segment.putText(text);
}

/** The same in its own memory. */
export function encodeBinaryError(opcode: number, opaque: number, status: BinaryStatus, text: string): Uint8Array {
  const segment = new ReplySegment(new BufferPool());
  putBinaryError(segment, opcode, opaque, status, text);
  return segment.bytes.slice(0, segment.length);
}

/** The item that a get, touch or gat has found. */
export function putBinaryHit(segment: ReplySegment, request: Request, entry: EntryView): void {
  const valueEnd = request.opcode === Opcode.touch ? entry.valueStart : entry.valueEnd;
  putHit(segment, request, entry.flags, entry.version, entry.bytes, entry.valueStart, valueEnd);
}

/** A get, touch or gat has found nothing. */
export function putBinaryMiss(segment: ReplySegment, request: Request): void {
  const { opcode, opaque, mutation } = request;
  if (isQuiet(opcode)) return;
  const { key } = mutation;
  if (!answersKey(opcode)) return putBinaryError(segment, opcode, opaque, BinaryStatus.notFound);
  const length = key.end - key.start;
  putHeader(segment, opcode, length, 0, BinaryStatus.notFound, length, opaque, 0);
  segment.put(key.bytes, key.start, key.end);
}

function putHit(
  segment: ReplySegment,
  request: Request,
  flags: number,
  version: Uint64,
  bytes: Uint8Array,
  valueStart: number,
  valueEnd: number,
): void {
  const { opcode, opaque } = request;
  const { key } = request.mutation;
  const keyLength = answersKey(opcode) ? key.end - key.start : 0;
  const bodyLength = FLAGS_BYTES + keyLength + valueEnd - valueStart;
  putHeader(segment, opcode, keyLength, FLAGS_BYTES, BinaryStatus.success, bodyLength, opaque, version);
  putUint32(segment, flags);
  if (keyLength > 0) segment.put(key.bytes, key.start, key.end);
  segment.put(bytes, valueStart, valueEnd);
}

function putHeader(
  segment: ReplySegment,
  opcode: number,
  keyLength: number,
  extrasLength: number,
  status: BinaryStatus,
  bodyLength: number,
  opaque: number,
  version: Uint64,
): void {
  segment.reserve(BINARY_HEADER_BYTES);
  const { bytes, length } = segment;
  bytes[length] = BINARY_REPLY;
  bytes[length + HeaderField.opcode] = opcode;
  bytes[length + HeaderField.keyLength] = keyLength >> 8;
  bytes[length + HeaderField.keyLength + 1] = keyLength;
  bytes[length + HeaderField.extrasLength] = extrasLength;
  bytes[length + HeaderField.extrasLength + 1] = 0;
  bytes[length + HeaderField.status] = status >> 8;
  bytes[length + HeaderField.status + 1] = status;
  segment.length = length + HeaderField.bodyLength;
  putUint32(segment, bodyLength);
  putUint32(segment, opaque);
  putUint64(segment, version);
}

function putUint64(segment: ReplySegment, value: Uint64): void {
  putUint32(segment, highWord(value));
  putUint32(segment, lowWord(value));
}

function putUint32(segment: ReplySegment, value: number): void {
  segment.reserve(4);
  const { bytes, length } = segment;
  bytes[length] = value >>> 24;
  bytes[length + 1] = value >>> 16;
  bytes[length + 2] = value >>> 8;
  bytes[length + 3] = value;
  segment.length = length + 4;
}
