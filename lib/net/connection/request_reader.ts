/**
 * Turns chunks of bytes into requests: executes complete ones in order, keeps incomplete ones until the rest arrives, answers
 * malformed ones, and accepts only a login from a client that has to log in. A chunk of complete requests is parsed in place.
 * Knows neither what requests do nor when replies leave.
 */

import { BinaryParser } from "../../protocol/binary/binary_parser.ts";
import { BINARY_HEADER_BYTES, BINARY_REQUEST, BinaryStatus, HeaderField } from "../../protocol/binary/binary_protocol.ts";
import { putBinaryError } from "../../protocol/binary/binary_reply.ts";
import { type ForwardedBy, Request } from "../../protocol/request.ts";
import type { MultiGet } from "../../protocol/text/multi_get.ts";
import { OUT_OF_MEMORY } from "../../protocol/text/refusal_lines.ts";
import { ParseStatus, TextParser } from "../../protocol/text/text_parser.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { Connection } from "../../runtime/runtime.ts";
import { LOGIN_BYTES_MAX, LoginStep } from "../auth/login.ts";
import type { Admission } from "./admission.ts";
import { Received } from "./received.ts";
import type { ConnectionHost } from "./session_host.ts";

/** The receiver of the requests. */
export interface RequestTarget {
  /** The reply for the next request. */
  readonly reply: TextReply;
  /** When the last bytes came, by the monotonic clock. */
  readonly lastActiveMs: number;
  /** The client has disconnected: answers go nowhere. */
  readonly gone: boolean;
  /** False: the request and everything after it must wait for `readOn`. */
  accepts(request: Request): boolean;
  /** The request and its bytes are only valid during the call. */
  execute(request: Request): void;
  /** Called with each line of the text protocol, if the host listens to them, before it is executed or refused. */
  onLine(bytes: Uint8Array, start: number, end: number): void;
  /** The answer to a failed login was written, and reading may continue. */
  onLateAnswer(): void;
}

const LF = 0x0a;
const CR = 0x0d;
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR_VERSION = 3;

export class RequestReader {
  /** The current or last request. */
  readonly request = new Request();
  readonly received: Received;
  /** The next request waits for an outstanding one, for the client to read its replies or for the answer to a login. */
  isWaiting = false;
  /** No more requests are read. */
  isStopped = false;
  readonly #target: RequestTarget;
  readonly #host: ConnectionHost;
  readonly #connection: Connection;
  readonly #admission: Admission;
  readonly #textParser: TextParser;
  #binaryParser: BinaryParser | undefined;

  constructor(target: RequestTarget, connection: Connection, host: ConnectionHost, admission: Admission) {
    this.#target = target;
    this.#connection = connection;
    this.#host = host;
    this.#admission = admission;
    this.#textParser = new TextParser(host.limits, host.handler.commands);
    this.received = new Received(host.requestMemory);
  }

  /** Reads the next bytes; they are only valid during the call. */
  read(chunk: Uint8Array): void {
    const { received } = this;
    if (received.isEmpty && !this.isWaiting) this.#readChunk(chunk, 0);
    else if (received.skipping > 0) {
      const skipped = received.skip(received.skipping, chunk.length, this.#target.lastActiveMs);
      if (skipped < chunk.length) this.#readChunk(chunk, skipped);
    } else if (this.#hold(chunk, 0) && !this.isWaiting && received.length >= received.needed) this.#readHeld();
    if (this.#admission.isGated && received.length > LOGIN_BYTES_MAX) this.stop();
  }

  /** Continues after a wait. */
  readOn(): void {
    this.isWaiting = false;
    this.#connection.resume();
    this.#readHeld();
  }

  /** Text requests without a node list come from this node from now on. */
  forwardsFrom(sender: ForwardedBy): void {
    this.#textParser.forwardedBy = sender;
  }

  /** Reads no more requests and drops a partial one. */
  stop(): void {
    this.isStopped = true;
    this.received.release();
  }

  /** Executes the complete requests in `chunk[from, …)` and keeps the rest. */
  #readChunk(chunk: Uint8Array, from: number): void {
    const done = this.#readRequests(chunk, from, chunk.length, 0);
    if (done < chunk.length && !this.isStopped) this.#hold(chunk, done);
  }

  #readHeld(): void {
    const { received } = this;
    const { length, scanned } = received;
    if (length === 0) return;
    received.expect(0, 0);
    const done = this.#readRequests(received.bytes, 0, length, scanned);
    if (this.isStopped) received.release();
    else if (done > 0) received.consume(done, this.#host.monotonicMs());
  }

  /**
   * Executes the complete requests in `bytes[start, end)`, whose first `scanned` bytes contain no line end; returns the
   * position after the ones that are done.
   */
  #readRequests(bytes: Uint8Array, start: number, end: number, scanned: number): number {
    const { request } = this;
    const admission = this.#admission;
    const textParser = this.#textParser;
    let at = start;
    while (at < end && !this.isStopped) {
      const isBinary = bytes[at] === BINARY_REQUEST && textParser.multiGet === undefined;
      if (isBinary && !this.#host.handler.speaksBinary) {
        this.isStopped = true;
        break;
      }
      if (admission.isGated || (isBinary && admission.isLogin(bytes[at + HeaderField.opcode]))) {
        const next = this.#logIn(bytes, at, end);
        if (next < 0) break;
        at = next;
        continue;
      }
      if (isBinary) this.#binaryParser ??= new BinaryParser(this.#host.limits);
      const binary = isBinary ? this.#binaryParser : undefined;
      const status =
        binary?.parse(request, bytes, at, end) ?? textParser.parse(request, bytes, at, end, at === start ? scanned : 0);
      if (status === ParseStatus.more) {
        this.received.expect((binary ?? textParser).needed, binary === undefined ? textParser.scanned : 0);
        // The client would wait for our part of the handshake, and we for the end of its line.
        if (isTlsHello(bytes, at)) this.isStopped = true;
        break;
      }
      if (status === ParseStatus.request) {
        if (!this.#target.accepts(request)) {
          this.#wait();
          break;
        }
        if (this.#host.rawListener !== undefined && binary === undefined) this.#tellLine(bytes, at);
        at = (binary ?? textParser).position;
        const multiGet = binary === undefined ? request.multiGet : undefined;
        if (multiGet === undefined) this.#target.execute(request);
        else this.#executePart(multiGet);
      } else if (isTlsHello(bytes, at)) {
        this.isStopped = true;
      } else if (status === ParseStatus.http) {
        if (this.#host.rawListener !== undefined) this.#tellLine(bytes, at);
        this.#refuseHttp();
      } else {
        if (this.#host.rawListener !== undefined && binary === undefined) this.#tellLine(bytes, at);
        const { position, swallow } = binary ?? textParser;
        at = position + this.received.skip(swallow, end - position, this.#target.lastActiveMs);
        if (binary === undefined) this.#answerText(textParser);
        else this.#answerBinary(binary);
        if (status === ParseStatus.fatal) this.isStopped = true;
      }
    }
    return at;
  }

  /** Executes a part of a multi-get; nothing more once it was answered with an error. */
  #executePart(multiGet: MultiGet): void {
    const { isLastPart } = this.request;
    if (!multiGet.hasFailed) this.#target.execute(this.request);
    this.#textParser.multiGet = isLastPart ? undefined : multiGet;
    this.request.multiGet = undefined;
  }

  /** Reads no more until other work or the client unblocks the next request. */
  #wait(): void {
    this.isWaiting = true;
    this.#connection.pause();
  }

  #tellLine(bytes: Uint8Array, start: number): void {
    const { position } = this.#textParser;
    let end = start;
    while (end < position && bytes[end] !== LF) end++;
    this.#target.onLine(bytes, start, end > start && bytes[end - 1] === CR ? end - 1 : end);
  }

  /** A web page may have sent it: gives no answer, and reads nothing after it. */
  #refuseHttp(): void {
    this.isStopped = true;
    this.#host.refusedHttp(this.#connection.peer);
  }

  /** Answers a request that the text parser has refused. */
  #answerText({ reject, isTooLarge }: TextParser): void {
    if (isTooLarge) this.#host.traffic.tooLarge++;
    if (reject !== "") this.#target.reply.line(reject);
  }

  #answerBinary({ opcode, opaque, status }: BinaryParser): void {
    if (status === BinaryStatus.tooLarge) this.#host.traffic.tooLarge++;
    putBinaryError(this.#target.reply.segment, opcode, opaque, status);
  }

  /** Reads one request of a login, or of a repeated one; returns the position after it, or -1 if it has to wait. */
  #logIn(bytes: Uint8Array, at: number, end: number): number {
    const admission = this.#admission;
    if (admission.isDelayed) {
      this.#wait();
      return -1;
    }
    const step = admission.logIn(bytes, at, end);
    const { login } = admission;
    if (step === LoginStep.more) {
      this.received.expect(login.needed, 0);
      return -1;
    }
    if (step === LoginStep.http) {
      this.#refuseHttp();
      return at;
    }
    if (step === LoginStep.failed) {
      this.#wait();
      admission.delay(() => this.#answerFailedLogin());
    } else login.answer(this.#target.reply);
    if (step === LoginStep.refused) this.isStopped = true;
    return login.position + this.received.skip(login.swallow, end - login.position, this.#target.lastActiveMs);
  }

  #answerFailedLogin(): void {
    if (this.#target.gone) return;
    this.#admission.login.answer(this.#target.reply);
    if (this.#admission.isTriedOut) this.isStopped = true;
    this.#target.onLateAnswer();
  }

  /** Keeps `chunk[from, …)` for later; false if there was no memory for it. */
  #hold(chunk: Uint8Array, from: number): boolean {
    const isHeld = this.received.hold(chunk, from, this.#target.lastActiveMs);
    if (!isHeld) this.#refuse(chunk, from);
    return isHeld;
  }

  /** Refuses the request that is being received and continues after it; `chunk[from, …)` could not be held. */
  #refuse(chunk: Uint8Array, from: number): void {
    if (this.#admission.isGated) return this.stop();
    const { received } = this;
    const isBinary = (received.length > 0 ? received.bytes[0] : chunk[from]) === BINARY_REQUEST;
    // Its end is unknown until its line or header has arrived.
    this.isStopped = received.needed <= (isBinary ? BINARY_HEADER_BYTES : 0);
    const missing = this.isStopped ? 0 : received.needed - received.length;
    const next = from + received.skip(missing, chunk.length - from, this.#target.lastActiveMs);
    this.#host.traffic.noMemory++;
    received.release();
    const { reply } = this.#target;
    const binary = isBinary && !this.isStopped ? this.#binaryParser : undefined;
    if (binary !== undefined) putBinaryError(reply.segment, binary.opcode, binary.opaque, BinaryStatus.outOfMemory);
    else if (this.isStopped || !this.request.noreply) reply.line(OUT_OF_MEMORY);
    if (next < chunk.length && !this.isStopped) this.#readChunk(chunk, next);
  }
}

/** Whether these bytes start a TLS handshake, from a client at the wrong port. */
function isTlsHello(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === TLS_HANDSHAKE && bytes[at + 1] === TLS_MAJOR_VERSION;
}
