/**
 * One connection of a load, in a closed loop: as long as there is work it always has the same number of requests under way. It
 * checks every reply, and is opened again when it breaks.
 */

import { latin1 } from "../../base/bytes.ts";
import { MALFORMED, ReplyParser, ReplyShape } from "../../protocol/text/text_client.ts";
import type { Clock, Connection, ConnectionHandler } from "../../runtime/runtime.ts";
import { LoadBuffer } from "./load_items.ts";
import { type LoadPhase, LoadRequest, type LoadWork } from "./load_work.ts";

/** The pause before a broken connection is opened again. */
const REOPEN_MS = 250;
const MICROSECONDS = 1000;
/** The shape of the answer to each kind of request. */
const SHAPES: Readonly<Record<LoadRequest, ReplyShape>> = {
  [LoadRequest.get]: ReplyShape.values,
  [LoadRequest.set]: ReplyShape.line,
  [LoadRequest.delete]: ReplyShape.line,
};

/** What a connection has under way, oldest first. */
interface Pending {
  readonly kind: LoadRequest;
  readonly phase: LoadPhase;
  readonly sentMs: number;
  /** Where its keys are in the connection's ring. */
  readonly slot: number;
}

/** Opens a connection whose events go to the handler. */
export type Connect = (handler: ConnectionHandler) => Connection;

export class LoadConnection implements ConnectionHandler {
  /** Resolves when it is open for the first time; rejects if that fails. */
  readonly opened: Promise<void>;
  readonly #work: LoadWork;
  readonly #clock: Clock;
  readonly #connect: Connect;
  readonly #keysPerGet: number;
  readonly #replyBytesMax: number;
  #connection: Connection;
  #parser: ReplyParser;
  #isOpen = false;
  #isClosed = false;
  #isBlocked = false;
  readonly #pending: Pending[] = [];
  /** The keys of what is under way; a request's place is free when it is answered. */
  readonly #keys: Int32Array;
  readonly #freeSlots: number[] = [];
  /** Written to in turn: one may still belong to the connection. */
  #buffers = [new LoadBuffer(), new LoadBuffer()] as [LoadBuffer, LoadBuffer];
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;

  /** @param slots requests under way, at most */
  constructor(work: LoadWork, clock: Clock, keysPerGet: number, slots: number, connect: Connect) {
    this.#work = work;
    this.#clock = clock;
    this.#connect = connect;
    this.#keysPerGet = keysPerGet;
    this.#keys = new Int32Array(slots * keysPerGet);
    for (let slot = slots - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
    this.#replyBytesMax = keysPerGet * work.items.blockBytes + 65536;
    this.#parser = new ReplyParser(this.#replyBytesMax);
    this.opened = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#connection = connect(this);
  }

  /** Sends what there is to do now. */
  kick(): void {
    const work = this.#work;
    if (!this.#isOpen || this.#isBlocked) return;
    const [out] = this.#buffers;
    out.length = 0;
    const sentMs = this.#clock.monotonicMs();
    while (this.#pending.length < work.depth && this.#freeSlots.length > 0) {
      const kind = work.next();
      if (kind === undefined) break;
      this.#put(out, kind, sentMs);
    }
    if (out.length === 0 || this.#connection.write(out.bytes.subarray(0, out.length))) return;
    this.#isBlocked = true;
    this.#buffers = [this.#buffers[1], out];
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.destroy();
  }

  onOpen(): void {
    this.#isOpen = true;
    this.#settle?.resolve();
    this.#settle = undefined;
    this.kick();
  }

  onData(chunk: Uint8Array): void {
    const work = this.#work;
    const parser = this.#parser;
    const nowMs = this.#clock.monotonicMs();
    work.lastReplyMs = nowMs;
    parser.push(chunk);
    while (this.#pending.length > 0) {
      const request = this.#pending[0] as Pending;
      const found = parser.find(SHAPES[request.kind]);
      if (found === undefined) break;
      if (found === MALFORMED) return this.#fail("malformed reply");
      this.#pending.shift();
      this.#check(request);
      this.#freeSlots.push(request.slot);
      work.answered(request.kind, (nowMs - request.sentMs) * MICROSECONDS);
    }
    if (this.#pending.length === 0 && parser.heldBytes > 0) return this.#fail("a reply that nothing asked for");
    this.kick();
  }

  onDrain(): void {
    this.#isBlocked = false;
    this.kick();
  }

  onEnd(): void {
    this.#connection.close();
  }

  onClose(error?: Error): void {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#isBlocked = false;
    const settle = this.#settle;
    this.#settle = undefined;
    if (settle !== undefined) return settle.reject(error ?? new Error("the server closed the connection"));
    const lost = this.#pending.splice(0);
    for (const { phase, slot } of lost) {
      this.#freeSlots.push(slot);
      this.#work.lost(this.#keys[slot * this.#keysPerGet] as number, phase);
    }
    if (this.#isClosed) return;
    if (wasOpen) this.#work.complain("broken", () => `a connection broke: ${error?.message ?? "the server closed it"}`);
    this.#clock.setTimer(() => this.#reopen(), REOPEN_MS);
  }

  #reopen(): void {
    if (this.#isClosed) return;
    this.#parser = new ReplyParser(this.#replyBytesMax);
    this.#connection = this.#connect(this);
  }

  #put(out: LoadBuffer, kind: LoadRequest, sentMs: number): void {
    const work = this.#work;
    const count = kind === LoadRequest.get ? this.#keysPerGet : 1;
    const slot = this.#freeSlots.pop() as number;
    const start = slot * this.#keysPerGet;
    for (let i = start; i < start + count; i++) this.#keys[i] = work.nextKey();
    out.reserve(work.items.requestBytes(count));
    const key = this.#keys[start] as number;
    if (kind === LoadRequest.get) work.items.putGet(out, this.#keys, start, count);
    else if (kind === LoadRequest.set) work.items.putSet(out, key);
    else work.items.putDelete(out, key);
    this.#pending.push({ kind, phase: work.phase, sentMs, slot });
  }

  /** Judges the reply that the parser has found. */
  #check({ kind, slot }: Pending): void {
    const parser = this.#parser;
    const lineIs = (text: string): boolean => {
      if (parser.lineEnd - parser.lineStart !== text.length) return false;
      for (let i = 0; i < text.length; i++) if (parser.bytes[parser.lineStart + i] !== text.charCodeAt(i)) return false;
      return true;
    };
    if (kind === LoadRequest.get) {
      if (lineIs("END")) return this.#checkValues(slot);
    } else if (kind === LoadRequest.set) {
      if (lineIs("STORED")) return;
    } else if (lineIs("DELETED") || lineIs("NOT_FOUND")) return;
    const line = latin1(parser.bytes, parser.lineStart, parser.lineEnd);
    const isRefusal = /^(SERVER_ERROR|CLIENT_ERROR|ERROR)\b/.test(line);
    this.#work.complain(isRefusal ? "errors" : "wrong", () => line);
  }

  /** The values of a get, in the order of its keys; those that are missing are counted. */
  #checkValues(slot: number): void {
    const { items } = this.#work;
    const { bytes, start, lineStart } = this.#parser;
    let at = start;
    for (let i = slot * this.#keysPerGet; i < (slot + 1) * this.#keysPerGet; i++) {
      const key = this.#keys[i] as number;
      this.#work.keysRead++;
      if (at + items.blockBytes > lineStart || !items.isHead(bytes, at, key)) {
        this.#work.misses++;
        continue;
      }
      if (!items.isRest(bytes, at, key)) return this.#complainOf(at);
      at += items.blockBytes;
    }
    if (at !== lineStart) this.#complainOf(at);
  }

  #complainOf(at: number): void {
    const { bytes, end } = this.#parser;
    this.#work.complain("wrong", () => latin1(bytes, at, Math.min(end, at + 200)));
  }

  #fail(reason: string): void {
    this.#work.complain("wrong", () => reason);
    this.#connection.destroy();
  }
}
