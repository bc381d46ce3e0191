/**
 * Where requests to another node are written, one behind the other: each is encoded once, and those of a turn lie in a row, so
 * that they leave with one write. Bytes once written never change, so a request can be kept until it is answered.
 */

import { EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { UINT32_MAX } from "../../base/number_bounds.ts";
import type { Uint64 } from "../../base/uint64.ts";
import type { KeySlice } from "../../item/entry.ts";
import { SyncMode } from "../../item/mutation.ts";
import { Command, commandName } from "../command.ts";
import type { Request } from "../request.ts";

/** A full buffer is left to the requests in it, and a new one of this size begins. */
const BUFFER_BYTES = 65536;
/** Room for everything but the key, the value and the prefix. */
const WORDS_BYTES_MAX = 160;
/** Copies of up to this many bytes are faster in a loop than through `set`. */
const LOOP_COPY_MAX = 48;
const CRLF = fromLatin1("\r\n");

export class RequestBuffer {
  /** The request written last is `bytes[start, end)`, and its key `bytes[keyStart, keyEnd)`. */
  bytes: Uint8Array = EMPTY_BYTES;
  start = 0;
  end = 0;
  keyStart = 0;
  keyEnd = 0;
  readonly #bufferBytes: number;

  constructor(bufferBytes: number = BUFFER_BYTES) {
    this.#bufferBytes = bufferBytes;
  }

  /** `get <key>` or `gets <key>`. */
  writeGet(command: Command, key: KeySlice): void {
    this.#begin(key.end - key.start);
    this.#putWord(command);
    this.#putKey(key);
    this.#putSlice(CRLF, 0, CRLF.length);
  }

  /** A write for the node that owns its key; `prefix` with its brackets, `expire` absolute. */
  writeForwarded(request: Request, prefix: string, expire: number, noreply: boolean): void {
    const { command, mutation } = request;
    const { key, value, valueStart, valueEnd, version } = mutation;
    this.#begin(prefix.length + key.end - key.start + valueEnd - valueStart);
    this.#putText(prefix);
    this.#putWord(command);
    this.#putKey(key);
    switch (command) {
      case Command.incr:
      case Command.decr:
        this.#putNumber(mutation.delta);
        break;
      case Command.delete:
        this.#putNumber(expire);
        if (version !== 0) this.#putNumber(version);
        break;
      case Command.touch:
      case Command.gat:
        this.#putNumber(expire);
        break;
      default:
        this.#putNumber(mutation.flags);
        this.#putNumber(expire);
        this.#putNumber(valueEnd - valueStart);
        if (command === Command.cas || version !== 0) this.#putNumber(version);
        this.#putOptions(request, noreply);
        this.#putSlice(CRLF, 0, CRLF.length);
        this.#putSlice(value, valueStart, valueEnd);
        return this.#putSlice(CRLF, 0, CRLF.length);
    }
    this.#putOptions(request, noreply);
    this.#putSlice(CRLF, 0, CRLF.length);
  }

  #begin(lengthMax: number): void {
    const needed = lengthMax + WORDS_BYTES_MAX;
    if (this.bytes.length - this.end < needed) {
      this.bytes = new Uint8Array(Math.max(this.#bufferBytes, needed));
      this.end = 0;
    }
    this.start = this.end;
  }

  #putWord(command: Command): void {
    this.#putText(commandName(command));
    this.bytes[this.end++] = 0x20;
  }

  #putKey({ bytes, start, end }: KeySlice): void {
    this.keyStart = this.end;
    this.#putSlice(bytes, start, end);
    this.keyEnd = this.end;
  }

  #putOptions({ command, syncMode }: Request, noreply: boolean): void {
    if (command === Command.gat) return;
    if (noreply) this.#putText(" noreply");
    if (command === Command.touch) return;
    if (syncMode === SyncMode.sync) this.#putText(" sync");
    else if (syncMode === SyncMode.async) this.#putText(" async");
  }

  /** A space and a number. */
  #putNumber(value: Uint64): void {
    this.bytes[this.end++] = 0x20;
    if (typeof value !== "number" || value < 0 || value > UINT32_MAX) return this.#putText(String(value));
    let digits = 1;
    for (let power = 10; power <= value; power *= 10) digits++;
    let rest = value;
    for (let at = this.end + digits - 1; at >= this.end; at--) {
      const next = Math.floor(rest / 10);
      this.bytes[at] = 0x30 + (rest - next * 10);
      rest = next;
    }
    this.end += digits;
  }

  #putText(text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[this.end++] = text.charCodeAt(i);
  }

  #putSlice(source: Uint8Array, start: number, end: number): void {
    if (end - start > LOOP_COPY_MAX) {
      this.bytes.set(source.subarray(start, end), this.end);
      this.end += end - start;
      return;
    }
    const target = this.bytes;
    let at = this.end;
    for (let i = start; i < end; i++) target[at++] = source[i] as number;
    this.end = at;
  }
}
