/**
 * Writes replies of the text protocol into a segment. Handlers call it with outcomes, not with wire bytes; with `noreply` it is
 * silent, except for the errors that memcached also sends.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Uint64 } from "../../base/uint64.ts";
import type { EntryView } from "../../item/entry.ts";
import { type Applied, MutationResult } from "../../item/mutation.ts";
import { BufferPool } from "../buffer_pool.ts";
import { ReplySegment } from "../reply_segment.ts";
import type { Request } from "../request.ts";
import { serverErrorLine } from "./server_error.ts";

const CRLF = fromLatin1("\r\n");
const END = fromLatin1("END\r\n");
const RESULT_LINES: readonly Uint8Array[] = buildResultLines();

function buildResultLines(): Uint8Array[] {
  const lines: Uint8Array[] = [];
  lines[MutationResult.stored] = fromLatin1("STORED\r\n");
  lines[MutationResult.notStored] = fromLatin1("NOT_STORED\r\n");
  lines[MutationResult.exists] = fromLatin1("EXISTS\r\n");
  lines[MutationResult.notFound] = fromLatin1("NOT_FOUND\r\n");
  lines[MutationResult.deleted] = fromLatin1("DELETED\r\n");
  lines[MutationResult.touched] = fromLatin1("TOUCHED\r\n");
  lines[MutationResult.nonNumeric] = fromLatin1("CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
  lines[MutationResult.tooLarge] = fromLatin1("SERVER_ERROR object too large for cache\r\n");
  return lines;
}

export class TextReply {
  readonly segment: ReplySegment;

  constructor(segment: ReplySegment) {
    this.segment = segment;
  }

  /** One hit; `withVersion` for gets and gats. */
  value(entry: EntryView, withVersion: boolean): void {
    const segment = this.segment;
    if (entry.stable) {
      segment.put(entry.bytes, entry.headStart, entry.headEnd);
      if (withVersion) this.#version(entry.version);
      segment.putStable(entry.bytes, entry.headEnd, entry.valueEnd + 2);
    } else if (withVersion) {
      segment.put(entry.bytes, entry.headStart, entry.headEnd);
      this.#version(entry.version);
      segment.put(entry.bytes, entry.headEnd, entry.valueEnd + 2);
    } else {
      segment.put(entry.bytes, entry.headStart, entry.valueEnd + 2);
    }
  }

  end(): void {
    this.segment.put(END, 0, END.length);
  }

  /** The outcome of a write. */
  applied(applied: Applied): void {
    const line = RESULT_LINES[applied.result];
    if (line !== undefined) this.segment.put(line, 0, line.length);
    else if (applied.result === MutationResult.number) this.number(applied.number);
    else this.line(serverErrorLine(applied.error));
  }

  /** The same as text, for a delayed reply. */
  appliedText(applied: Applied): string {
    const line = RESULT_LINES[applied.result];
    if (line !== undefined) return latin1(line);
    return applied.result === MutationResult.number ? `${applied.number}\r\n` : `${serverErrorLine(applied.error)}\r\n`;
  }

  /** Marks the bytes from `start` on as the answer to an uncommitted write. */
  markUncommitted(start: number): void {
    this.segment.markUncommitted(start);
  }

  /** Makes the reply answer this copy of its request. */
  bind(_request: Request): void {}

  number(value: Uint64): void {
    this.segment.putNumber(value);
    this.segment.put(CRLF, 0, 2);
  }

  /** Any other line, without its CRLF. */
  line(text: string): void {
    this.segment.putText(text);
    this.segment.put(CRLF, 0, 2);
  }

  /** Complete lines. */
  raw(bytes: Uint8Array): void {
    this.segment.put(bytes, 0, bytes.length);
  }

  stat(name: string, value: Uint64 | string): void {
    this.segment.putText(`STAT ${name} ${value}\r\n`);
  }

  #version(version: Uint64): void {
    this.segment.putByte(0x20);
    this.segment.putNumber(version);
  }
}

/** A VALUE block in its own memory. */
export function encodeValue(entry: EntryView, withVersion: boolean): Uint8Array {
  const segment = new ReplySegment(new BufferPool());
  new TextReply(segment).value({ ...entry, stable: false }, withVersion);
  return segment.bytes.slice(0, segment.length);
}
