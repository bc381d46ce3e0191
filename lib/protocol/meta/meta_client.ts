/**
 * The client side of the meta commands between nodes: encodes requests and parses answers. Binary requests are sent as meta
 * lines, too; keys that do not fit into a line as base64. Sans I/O. Only our own nodes support these lines; see
 * `text_fallback.ts` for the others.
 */

import { base64 } from "../../base/base64.ts";
import { concatBytes, EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import { parseUint64, type Uint64 } from "../../base/uint64.ts";
import { EntryMark, type EntryView, type KeySlice } from "../../item/entry.ts";
import { Command, commandName } from "../command.ts";
import { absoluteExpire } from "../expiry.ts";
import type { RemoteOutcome } from "../item_reply.ts";
import { parseInteger } from "../numbers.ts";
import type { Request } from "../request.ts";
import { PROXY_ERROR } from "../text/refusal_lines.ts";
import type { ClientReply } from "../text/text_client.ts";
import { isTextKey } from "../text/text_key.ts";
import { MetaArgument, MetaFlag } from "./meta_flags.ts";

/**
 * Encodes a meta or binary request for the node that owns its key: with absolute times, and never quiet, because each request
 * needs an answer. `prefix` with its brackets, empty for reads.
 */
export function encodeForwardedMeta(request: Request, prefix: string, nowSeconds: number): Uint8Array {
  const { mutation, command, opcode } = request;
  const words = opcode < 0 ? rewrittenWords(request, nowSeconds) : binaryWords(request, nowSeconds);
  const length = command === Command.ms ? ` ${mutation.valueEnd - mutation.valueStart}` : "";
  const head = `${prefix}${commandName(command)} ${keyWord(request)}${length}${words}\r\n`;
  if (command !== Command.ms) return fromLatin1(head);
  return withData(head, mutation.value.subarray(mutation.valueStart, mutation.valueEnd));
}

function keyWord(request: Request): string {
  const { key } = request.mutation;
  const asBase64 = request.opcode < 0 ? (request.meta.flags & MetaFlag.b) !== 0 : !isTextKey(key.bytes, key.start, key.end);
  return asBase64 ? base64(key.bytes, key.start, key.end) : latin1(key.bytes, key.start, key.end);
}

/** The client's flags in their order, because the answer has the same order. */
function rewrittenWords(request: Request, nowSeconds: number): string {
  const words = latin1(request.bytes, request.keysStart, request.keysEnd).split(" ");
  let text = "";
  for (const word of words) {
    if (word === "" || word.startsWith("q") || (word.startsWith("E") && saysTouched(request))) continue;
    const isTime = word.startsWith("T") || word.startsWith("N") || word.startsWith("R");
    text += isTime ? ` ${word[0]}${absoluteExpire(numberOf(word), nowSeconds)}` : ` ${word}`;
  }
  return text;
}

/** Whether a version would say what another node has touched; in a client's request it means nothing. */
function saysTouched({ command, meta }: Request): boolean {
  return command === Command.mg && (meta.arguments & MetaArgument.N) === 0;
}

function numberOf(word: string): number {
  const bytes = fromLatin1(word);
  return parseInteger(bytes, 1, bytes.length);
}

/** The flags equivalent to a binary request. */
function binaryWords(request: Request, nowSeconds: number): string {
  const { meta } = request;
  const { key } = request.mutation;
  const given = meta.arguments;
  let text = isTextKey(key.bytes, key.start, key.end) ? "" : " b";
  if ((meta.flags & MetaFlag.v) !== 0) text += " v";
  if ((meta.flags & MetaFlag.c) !== 0) text += " c";
  if ((meta.flags & MetaFlag.f) !== 0) text += " f";
  if ((given & MetaArgument.C) !== 0) text += ` C${meta.compare}`;
  if ((given & MetaArgument.F) !== 0) text += ` F${meta.clientFlags}`;
  if ((given & MetaArgument.D) !== 0) text += ` D${meta.delta}`;
  if ((given & MetaArgument.J) !== 0) text += ` J${meta.initial}`;
  if ((given & MetaArgument.T) !== 0) text += ` T${absoluteExpire(request.exptime, nowSeconds)}`;
  if ((given & MetaArgument.N) !== 0) text += ` N${absoluteExpire(meta.vivifyExptime, nowSeconds)}`;
  return meta.mode === 0 ? text : `${text} M${String.fromCharCode(meta.mode)}`;
}

/** Parses an answer to `encodeForwardedMeta`. */
export function parseMetaAnswer({ line, body }: ClientReply): RemoteOutcome {
  const words = line.split(" ");
  const status = words[0] ?? "";
  if (status.length !== 2) return { status: "", version: 0, flags: 0, value: EMPTY_BYTES, error: errorOf(line) };
  let version: Uint64 = 0;
  let flags = 0;
  for (const word of words.slice(status === "VA" ? 2 : 1)) {
    const bytes = fromLatin1(word);
    if (word.startsWith("c")) version = parseUint64(bytes, 1, bytes.length) ?? 0;
    else if (word.startsWith("f")) flags = Number(parseUint64(bytes, 1, bytes.length) ?? 0);
  }
  return { status, version, flags, value: body, error: "" };
}

/** A peer's line that is not a meta answer must be an error line. */
function errorOf(line: string): string {
  return line.startsWith("CLIENT_ERROR ") || line.startsWith("SERVER_ERROR ") ? line : PROXY_ERROR;
}

/** A set with the complete value, its version and marks, for our own replicas when a text line does not suffice. */
export function encodeReplicatedMetaSet(prefix: string, key: KeySlice, entry: EntryView): Uint8Array {
  const { valueStart, valueEnd, flags, expire, version } = entry;
  const words = `b F${flags} T${expire} E${version}${markWords(entry.marks)}`;
  const head = `${prefix}ms ${base64(key.bytes, key.start, key.end)} ${valueEnd - valueStart} ${words}\r\n`;
  return withData(head, entry.bytes.subarray(valueStart, valueEnd));
}

/** `expire` as in Flare's delete: until when the key is blocked. */
export function encodeReplicatedMetaDelete(prefix: string, key: KeySlice, expire: number, version: Uint64): Uint8Array {
  return fromLatin1(`${prefix}md ${base64(key.bytes, key.start, key.end)} b T${expire} E${version}\r\n`);
}

/** A touch of the item of this version, no other one. */
export function encodeReplicatedMetaTouch(prefix: string, key: KeySlice, entry: EntryView): Uint8Array {
  const { expire, marks, version } = entry;
  return fromLatin1(`${prefix}mg ${base64(key.bytes, key.start, key.end)} b T${expire} E${version}${markWords(marks)}\r\n`);
}

/** The marks of an item as words at the end of a line between nodes. */
export function markWords(marks: number): string {
  return `${(marks & EntryMark.stale) === 0 ? "" : " X"}${(marks & EntryMark.won) === 0 ? "" : " W"}`;
}

function withData(head: string, data: Uint8Array): Uint8Array {
  return concatBytes([fromLatin1(head), data, fromLatin1("\r\n")]);
}
