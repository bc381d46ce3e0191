/**
 * One client connection: bytes in, parser, handler, output, bytes out. It keeps what is incomplete, stops reading when
 * the client does not take its replies, and writes once per chunk. It knows nothing of keys, storage or clusters.
 */

import { fromLatin1 } from "../base/bytes.ts";
import type { FlareError } from "../base/errors.ts";
import { BinaryParser } from "../protocol/binary_parser.ts";
import { BINARY_HEADER_BYTES, BINARY_REQUEST, BinaryStatus, HeaderField, isSasl } from "../protocol/binary_protocol.ts";
import { encodeBinaryError, putBinaryError } from "../protocol/binary_reply.ts";
import type { BufferPool } from "../protocol/buffer_pool.ts";
import { Command, type CommandTable, commandName } from "../protocol/command.ts";
import { Request } from "../protocol/request.ts";
import type { Segment } from "../protocol/segment.ts";
import { ParseStatus, type TextLimits, TextParser, TOO_LARGE } from "../protocol/text_parser.ts";
import { TextReply } from "../protocol/text_reply.ts";
import type { Connection, ConnectionHandler, TlsServer } from "../runtime/runtime.ts";
import type { Access } from "./access.ts";
import { Admission } from "./admission.ts";
import { LOGIN_BYTES_MAX, LoginStep } from "./login.ts";
import { Output } from "./output.ts";
import { type Claim, Outstanding } from "./outstanding.ts";
import { Received, type RequestMemory } from "./received.ts";
import { ReplyWaiters } from "./reply_waiters.ts";
import { type Worker, WorkerType } from "./worker.ts";

/** Answers requests; a promise means the reply comes later (the request object must not be read after the first wait). */
export interface RequestHandler {
  readonly commands: CommandTable;
  /** False: a request of the binary protocol closes the connection. */
  readonly speaksBinary?: boolean;
  /** What a client that has not logged in yet hears to `version` by the binary protocol. */
  readonly version?: string;
  handle(request: Request, reply: TextReply, session: Session): void | Promise<void>;
  /** True for the commands of nodes and operators, which not every connection may run; absent where there are none. */
  isPrivileged?(request: Request): boolean;
  /** Calls back once everything written so far is committed; absent where nothing is ever stored. */
  onCommit?(listener: { onCommitted(error?: FlareError): void }): void;
}

/** Limits of all connections of a server; see the options of the same names. */
export interface SessionLimits extends TextLimits {
  /** Replies a client has not taken, in bytes, above which nothing more is read from it. */
  readonly outputHighWaterBytes: number;
}

/** What went over all connections of a server, and what was refused on them. */
export interface Traffic {
  bytesRead: number;
  bytesWritten: number;
  /** Values refused because of their length, before anybody looked at them. */
  tooLarge: number;
  /** Requests refused because there was no memory to receive them. */
  noMemory: number;
}

/** Gets the bytes of a line without its end; they are only valid during the call. */
export type RawListener = (session: Session, bytes: Uint8Array, start: number, end: number) => void;

/** Why a connection has ended, in memcached's words. */
export type CloseReason = "normal" | "error" | "idle_timeout" | "shutdown";

/** What is special about the connections of a listener. */
export interface Door {
  /** They may run the commands of nodes and operators, whoever they are. */
  readonly admin?: boolean;
  /** They speak TLS; plainly if absent. */
  readonly tls?: TlsServer | undefined;
}

/** What the sessions of one server share. */
export interface SessionHost {
  readonly handler: RequestHandler;
  /** Who has to log in and who may run which commands; absent = nobody, and everybody all of them. */
  readonly access?: Access;
  readonly limits: SessionLimits;
  readonly requestMemory: RequestMemory;
  readonly buffers: BufferPool;
  readonly traffic: Traffic;
  /** Told of each line of the text protocol, if anybody wants to know. */
  readonly rawListener?: RawListener | undefined;
  monotonicMs(): number;
  opened(session: Session): void;
  /** @param error why, unless it ended in order; before `opened` it tells how the TLS handshake failed */
  closed(session: Session, error?: Error): void;
  /** An error nobody expected (a bug): reported, the connection gets an answer and goes on. */
  unexpected(error: unknown): void;
}

const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR_VERSION = 3;
const OUT_OF_MEMORY = "SERVER_ERROR out of memory storing object";

export class Session implements ConnectionHandler, Worker {
  readonly id: number;
  readonly type = WorkerType.request;
  readonly peer: string;
  /** Where it was accepted, `tcp:host:port` or `unix:path`. */
  readonly listenAddress: string;
  readonly startedMs: number;
  closeReason: CloseReason = "normal";
  /** A session has no queue of its own; these are what `stats threads` prints. */
  readonly queue = 0;
  readonly behindSeconds = 0;
  lastActiveMs: number;
  readonly #host: SessionHost;
  readonly #admission: Admission;
  readonly #connection: Connection;
  readonly #parser: TextParser;
  #binaryParser: BinaryParser | undefined;
  readonly #request = new Request();
  #reply: TextReply;
  readonly #output: Output;
  readonly #waiters: ReplyWaiters;
  readonly #outstanding = new Outstanding();
  /** Segments with replies to writes, one per commit asked for, oldest first. */
  readonly #awaitingCommit: Segment[] = [];
  readonly #received: Received;
  #executing = false;
  /** The next request waits for an outstanding one or for the client to take its replies. */
  #waiting = false;
  #ended = false;
  /** No further request is read; the connection closes when all replies have left. */
  #closing = false;
  #gone = false;

  constructor(id: number, connection: Connection, host: SessionHost, listenAddress = "", door: Door = {}) {
    this.id = id;
    this.listenAddress = listenAddress;
    this.peer = connection.peer;
    this.#connection = connection;
    this.#host = host;
    this.#admission = new Admission(connection, host, door);
    this.#parser = new TextParser(host.limits, host.handler.commands);
    this.#received = new Received(host.requestMemory);
    this.#output = new Output(connection, host.buffers, host.traffic);
    this.#waiters = new ReplyWaiters(this.#output, host.limits.outputHighWaterBytes);
    this.#reply = new TextReply(this.#output.current);
    this.startedMs = host.monotonicMs();
    this.lastActiveMs = this.startedMs;
  }

  /** The word of the command at work, empty when idle. */
  get operation(): string {
    return this.#executing || this.#outstanding.size > 0 ? commandName(this.#request.command) : "";
  }

  get state(): string {
    return this.operation === "" ? "wait" : "execute";
  }

  /** What the connection is doing, in memcached's words. */
  get phase(): string {
    if (this.#executing) return "conn_parse_cmd";
    if (this.#closing) return "conn_closing";
    if (this.#output.blocked) return "conn_mwrite";
    if (this.operation === "watch") return "conn_watch";
    if (this.busy) return "conn_io_queue";
    if (this.#received.skipping > 0) return "conn_swallow";
    return this.#received.length > 0 ? "conn_nread" : "conn_read";
  }

  /** True while a request of this connection waits for its answer. */
  get busy(): boolean {
    return !this.#output.idle || this.#outstanding.size > 0;
  }

  /** Whether the client still has to log in. */
  get isUnknown(): boolean {
    return this.#admission.isUnknown;
  }

  /** Since when a request has not come completely through the client's fault, 0 = there is none. */
  get incompleteSinceMs(): number {
    return this.#waiting ? 0 : this.#received.sinceMs;
  }

  /** Finds out anew what this connection may do; one that may talk is not asked to log in later. */
  admit(): void {
    this.#admission.admit();
  }

  onOpen(): void {
    this.#admission.admit();
    this.#host.opened(this);
  }

  onData(chunk: Uint8Array): void {
    this.#host.traffic.bytesRead += chunk.length;
    this.lastActiveMs = this.#host.monotonicMs();
    if (this.#closing) return;
    if (this.#received.isEmpty && !this.#waiting) this.#processChunk(chunk, 0);
    else this.#receiveMore(chunk);
    if (this.#admission.isGated && this.#received.length > LOGIN_BYTES_MAX) this.drain();
    this.#finishChunk();
  }

  onDrain(): void {
    this.#output.drained();
    this.#continue();
  }

  onEnd(): void {
    this.#ended = true;
    this.#closeWhenDone();
  }

  onClose(error?: Error): void {
    if (error !== undefined && this.closeReason === "normal") this.closeReason = "error";
    this.#gone = true;
    this.#waiters.end();
    this.#received.release();
    this.#host.closed(this, error);
  }

  /** Ends the connection at once. */
  kill(): void {
    this.#connection.destroy();
  }

  /** Reads no further request, answers what was received, then closes. */
  drain(): void {
    this.#closing = true;
    this.#received.release();
    this.#closeWhenDone();
  }

  /**
   * For long replies: sends what may leave. True = the client keeps up; false = wait with `roomInOutput` before writing more.
   * What stands behind `segment` does not count: it waits for whoever writes there.
   */
  makeRoom(segment?: Segment): boolean {
    return this.#waiters.makeRoom(segment);
  }

  /** For replies that go on and on: sends what may leave now. */
  flush(): void {
    this.#output.flush();
  }

  /** Resolves when the client has taken enough for more to be written to `segment`, or is gone. */
  roomInOutput(segment: Segment): Promise<void> {
    return this.#waiters.room(segment);
  }

  /** Resolves when all that was written to a segment so far has left, or the client is gone. */
  sent(segment: Segment): Promise<void> {
    return this.#waiters.sent(segment);
  }

  /** True when the client has left: long replies stop. */
  get gone(): boolean {
    return this.#gone;
  }

  /** Answers to the commit asked for at the end of a chunk. */
  onCommitted(error?: FlareError): void {
    const segment = this.#awaitingCommit.shift() as Segment;
    if (error === undefined) segment.committed();
    else {
      const line = fromLatin1(`SERVER_ERROR ${error.message}\r\n`);
      segment.failUncommitted((opcode, opaque) =>
        opcode > 0 ? encodeBinaryError(opcode, opaque, BinaryStatus.internalError, error.message) : line,
      );
    }
    this.#output.flush();
    this.#continue();
  }

  /**
   * Executes the complete requests in `bytes[start, end)`, of which the first `scanned` hold no line end; returns the
   * position behind those that are done with.
   */
  #process(bytes: Uint8Array, start: number, end: number, scanned: number): number {
    let at = start;
    while (at < end && !this.#closing) {
      const isBinary = bytes[at] === BINARY_REQUEST;
      if (isBinary && !this.#host.handler.speaksBinary) {
        this.#closing = true;
        break;
      }
      if (this.#admission.isGated || (isBinary && this.#isLogin(bytes[at + HeaderField.opcode]))) {
        const next = this.#logIn(bytes, at, end);
        if (next < 0) break;
        at = next;
        continue;
      }
      if (isBinary) this.#binaryParser ??= new BinaryParser(this.#host.limits);
      const binary = isBinary ? this.#binaryParser : undefined;
      const parser = binary ?? this.#parser;
      const status =
        binary?.parse(this.#request, bytes, at, end) ??
        this.#parser.parse(this.#request, bytes, at, end, at === start ? scanned : 0);
      if (status === ParseStatus.more) {
        // It would wait for our part of the handshake, and we for the end of its line.
        this.#closing = isTlsHello(bytes, at);
        this.#received.expect(parser.needed, binary === undefined ? this.#parser.scanned : 0);
        break;
      }
      if (status === ParseStatus.request) {
        if (this.#outstanding.conflicts(this.#request) || !this.#waiters.makeRoom()) {
          this.#holdBack();
          break;
        }
        if (this.#host.rawListener !== undefined && binary === undefined) this.#tellRaw(this.#host.rawListener, bytes, at);
        at = parser.position;
        this.#execute();
      } else {
        if (isTlsHello(bytes, at)) {
          this.#closing = true;
          break;
        }
        if (this.#host.rawListener !== undefined && binary === undefined) this.#tellRaw(this.#host.rawListener, bytes, at);
        at = parser.position + this.#received.skip(parser.swallow, end - parser.position, this.lastActiveMs);
        if (binary === undefined ? this.#refusesValue() : binary.status === BinaryStatus.tooLarge)
          this.#host.traffic.tooLarge++;
        if (binary !== undefined) putBinaryError(this.#reply.segment, binary.opcode, binary.opaque, binary.status);
        else if (this.#parser.reject !== "") this.#reply.line(this.#parser.reject);
        if (status === ParseStatus.fatal) this.#closing = true;
      }
    }
    return at;
  }

  /** A value that is skipped is too large, unless its line is at fault; `noreply` silences only the former. */
  #refusesValue(): boolean {
    const { reject, swallow } = this.#parser;
    return swallow > 0 && (reject === "" || reject === TOO_LARGE);
  }

  #tellRaw(listener: RawListener, bytes: Uint8Array, start: number): void {
    let end = start;
    while (end < this.#parser.position && bytes[end] !== 10) end++;
    listener(this, bytes, start, end > start && bytes[end - 1] === 13 ? end - 1 : end);
  }

  /** Whether a binary request is about who the client is, where that matters. */
  #isLogin(opcode: number | undefined): boolean {
    return isSasl(opcode) && this.#host.access?.hasUsers === true;
  }

  /** Reads one request of a client that logs in, again perhaps; the position behind it, or -1 if that has to wait. */
  #logIn(bytes: Uint8Array, at: number, end: number): number {
    const admission = this.#admission;
    if (admission.isDelayed) {
      this.#holdBack();
      return -1;
    }
    const step = admission.logIn(bytes, at, end);
    const { login } = admission;
    if (step === LoginStep.more) {
      this.#received.expect(login.needed, 0);
      return -1;
    }
    if (step === LoginStep.failed) {
      this.#holdBack();
      admission.delay(() => this.#answerFailedLogin());
    } else login.answer(this.#reply);
    if (step === LoginStep.refused) this.#closing = true;
    return login.position + this.#received.skip(login.swallow, end - login.position, this.lastActiveMs);
  }

  #answerFailedLogin(): void {
    if (this.#gone) return;
    this.#admission.login.answer(this.#reply);
    if (this.#admission.isTriedOut) this.#closing = true;
    this.#output.flush();
    this.#continue();
  }

  /** Reads no more until something that goes on elsewhere, or the client, lets the next request through. */
  #holdBack(): void {
    this.#waiting = true;
    this.#connection.pause();
  }

  #execute(): void {
    this.#executing = true;
    try {
      const waiting = this.#admission.handler.handle(this.#request, this.#reply, this);
      if (waiting !== undefined) this.#detach(waiting);
    } catch (error) {
      this.#host.unexpected(error);
      sayInternalError(this.#reply, this.#request.opcode, this.#request.opaque);
    }
    this.#executing = false;
    if (this.#request.command === Command.quit) this.#closing = true;
  }

  /** Leaves the current segment to a request that waits and opens the next one. */
  #detach(waiting: Promise<void>): void {
    const claim = this.#outstanding.add(this.#request);
    const reply = this.#reply;
    const { opcode, opaque } = this.#request;
    const segment = reply.segment;
    segment.closed = false;
    if (segment.hasUncommitted) this.#commit(segment);
    this.#nextSegment();
    waiting.then(
      () => this.#finish(segment, claim),
      (error) => {
        this.#host.unexpected(error);
        sayInternalError(reply, opcode, opaque);
        this.#finish(segment, claim);
      },
    );
  }

  #finish(segment: Segment, claim: Claim): void {
    segment.closed = true;
    // A request that was held back may have ended as one that is answered at once.
    if (segment.hasUncommitted) this.#commit(segment);
    this.#outstanding.remove(claim);
    this.#output.flush();
    this.#continue();
  }

  #nextSegment(): void {
    this.#reply = new TextReply(this.#output.openNext());
  }

  /** Asks for the commit of the writes answered in this segment; `onCommitted` follows. */
  #commit(segment: Segment): void {
    this.#awaitingCommit.push(segment);
    this.#host.handler.onCommit?.(this);
  }

  /** At the end of a chunk: one commit for all its writes, one write for all its replies. */
  #finishChunk(): void {
    const segment = this.#reply.segment;
    if (segment.hasUncommitted) {
      this.#commit(segment);
      if (segment.hasUncommitted) this.#nextSegment();
    }
    this.#output.flush();
    this.#closeWhenDone();
  }

  /** Goes on after a wait: with the long replies that want room, then with the requests held back. */
  #continue(): void {
    if (this.#gone) return;
    this.#waiters.wake();
    if (this.#waiting && !this.#closing) {
      this.#waiting = false;
      this.#connection.resume();
      this.#processHeld();
      this.#finishChunk();
    } else {
      this.#closeWhenDone();
    }
  }

  /** Executes what stands whole in `chunk[from, …)` and keeps the rest. */
  #processChunk(chunk: Uint8Array, from: number): void {
    const done = this.#process(chunk, from, chunk.length, 0);
    if (done < chunk.length && !this.#closing) this.#hold(chunk, done);
  }

  /** Takes a chunk that does not begin with a request, or that has to wait. */
  #receiveMore(chunk: Uint8Array): void {
    const received = this.#received;
    if (received.skipping > 0) {
      const skipped = received.skip(received.skipping, chunk.length, this.lastActiveMs);
      if (skipped < chunk.length) this.#processChunk(chunk, skipped);
    } else if (this.#hold(chunk, 0) && !this.#waiting && received.length >= received.needed) this.#processHeld();
  }

  #processHeld(): void {
    const received = this.#received;
    const { length, scanned } = received;
    if (length === 0) return;
    received.expect(0, 0);
    const done = this.#process(received.bytes, 0, length, scanned);
    if (done > 0) received.consume(done, this.#host.monotonicMs());
  }

  /** Keeps `chunk[from, …)` for later; false when there was no memory for it. */
  #hold(chunk: Uint8Array, from: number): boolean {
    const isHeld = this.#received.hold(chunk, from, this.lastActiveMs);
    if (!isHeld) this.#refuse(chunk, from);
    return isHeld;
  }

  /** Refuses the request that is being received and goes on behind it; `chunk[from, …)` could not be held. */
  #refuse(chunk: Uint8Array, from: number): void {
    if (this.#admission.isGated) return this.drain();
    const received = this.#received;
    const isBinary = (received.length > 0 ? received.bytes[0] : chunk[from]) === BINARY_REQUEST;
    // Where it ends is not known before its line or its header is there.
    this.#closing = received.needed <= (isBinary ? BINARY_HEADER_BYTES : 0);
    const missing = this.#closing ? 0 : received.needed - received.length;
    const next = from + received.skip(missing, chunk.length - from, this.lastActiveMs);
    this.#host.traffic.noMemory++;
    received.release();
    if (isBinary && this.#binaryParser !== undefined && !this.#closing) {
      putBinaryError(this.#reply.segment, this.#binaryParser.opcode, this.#binaryParser.opaque, BinaryStatus.outOfMemory);
    } else if (this.#closing || !this.#request.noreply) this.#reply.line(OUT_OF_MEMORY);
    if (next < chunk.length && !this.#closing) this.#processChunk(chunk, next);
  }

  #closeWhenDone(): void {
    if (this.#gone || !(this.#closing || (this.#ended && !this.#waiting))) return;
    if (this.#output.idle && this.#outstanding.size === 0) this.#connection.close();
  }
}

/** Whether a request is none but the first message of a TLS handshake, from a client at the wrong port. */
function isTlsHello(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === TLS_HANDSHAKE && bytes[at + 1] === TLS_MAJOR_VERSION;
}

/** A bug has kept a request from its answer. */
function sayInternalError(reply: TextReply, opcode: number, opaque: number): void {
  if (opcode < 0) reply.line("SERVER_ERROR internal error");
  else putBinaryError(reply.segment, opcode, opaque, BinaryStatus.internalError);
}
