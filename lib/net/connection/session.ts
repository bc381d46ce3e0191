/**
 * One client connection: its events, the execution of its requests, and their replies, which leave in the order of the
 * requests, not before they are committed, and with one write per chunk. Requests come from the reader, which pauses while the
 * client does not read its replies. Knows nothing of keys, storage or clusters.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import type { FlareError } from "../../base/errors.ts";
import { BinaryStatus } from "../../protocol/binary/binary_protocol.ts";
import { encodeBinaryError, putBinaryError } from "../../protocol/binary/binary_reply.ts";
import { Command, commandName } from "../../protocol/command.ts";
import type { ReplySegment } from "../../protocol/reply_segment.ts";
import type { ForwardedBy, Request } from "../../protocol/request.ts";
import { PartReply } from "../../protocol/text/part_reply.ts";
import { serverErrorLine } from "../../protocol/text/server_error.ts";
import { TextReply } from "../../protocol/text/text_reply.ts";
import type { Connection, ConnectionHandler } from "../../runtime/runtime.ts";
import { auditLine } from "../audit.ts";
import { type Worker, WorkerType } from "../worker.ts";
import { Admission } from "./admission.ts";
import type { ClientSession, LateReply } from "./client_session.ts";
import { type LateReplyOwner, PendingReply } from "./late_reply.ts";
import { Output } from "./output.ts";
import { type Claim, Outstanding } from "./outstanding.ts";
import { ReplyWaiters } from "./reply_waiters.ts";
import { RequestReader, type RequestTarget } from "./request_reader.ts";
import type { ConnectionHost, ListenerTraits } from "./session_host.ts";
import { type SlowNote, WaitedFor } from "./slow_requests.ts";

/** Why a connection has ended, in memcached's terms. */
export type CloseReason = "normal" | "error" | "idle_timeout" | "shutdown";

/** The server of a session. */
export interface SessionHost extends ConnectionHost {
  opened(session: Session): void;
  /** @param error why, unless it closed normally; before `opened` it says how the TLS handshake failed */
  closed(session: Session, error?: Error): void;
  /** Calls `settle` at the end of this turn of the event loop. */
  settleSoon(session: Session): void;
  /** An unexpected error (a bug): reported; the connection gets an answer and continues. */
  unexpected(error: unknown): void;
}

export class Session implements ConnectionHandler, RequestTarget, LateReplyOwner, Worker, ClientSession {
  readonly id: number;
  readonly type = WorkerType.request;
  readonly peer: string;
  /** Where it was accepted, `tcp:host:port` or `unix:path`. */
  readonly listenAddress: string;
  readonly startedMs: number;
  closeReason: CloseReason = "normal";
  /** A session has no queue; `stats threads` prints these. */
  readonly queue = 0;
  readonly behindSeconds = 0;
  lastActiveMs: number;
  /** Another node of the cluster has sent requests here. */
  isNode = false;
  lane: string | undefined;
  requests = 0;
  /** The reply for the next request; a waiting request keeps its own. */
  reply: TextReply;
  readonly #host: SessionHost;
  readonly #connection: Connection;
  readonly #admission: Admission;
  readonly #reader: RequestReader;
  readonly #output: Output;
  readonly #waiters: ReplyWaiters;
  readonly #outstanding = new Outstanding();
  /** Segments with replies to writes, one per requested commit, oldest first. */
  readonly #awaitingCommit: ReplySegment[] = [];
  /** What was noted of the requests that wait for them. */
  readonly #notes: (SlowNote | undefined)[] = [];
  /** Called when the client has disconnected. */
  readonly #farewells = new Set<() => void>();
  #executing = false;
  #ended = false;
  #gone = false;
  #isSettling = false;
  /** When the bytes arrived whose requests are being measured; 0 = none are. */
  #measuredSinceMs = 0;
  /** How many requests there were before those. */
  #requestsBefore = 0;
  /** When the bytes came whose requests are being executed. */
  #arrivedMs = 0;
  /** How many requests there were before those, and how many of those are answered later. */
  #executedBefore = 0;
  #leftToLater = 0;
  /** Since when the client has not read its last replies; 0 = there are none, or it is reading. */
  #untakenSinceMs = 0;

  constructor(id: number, connection: Connection, host: SessionHost, listenAddress = "", traits: ListenerTraits = {}) {
    this.id = id;
    this.listenAddress = listenAddress;
    this.peer = connection.peer;
    this.#connection = connection;
    this.#host = host;
    this.#admission = new Admission(connection, host, traits);
    this.#reader = new RequestReader(this, connection, host, this.#admission);
    this.#output = new Output(connection, host.buffers, host.traffic);
    this.#waiters = new ReplyWaiters(this.#output, host.limits.outputHighWaterBytes);
    this.reply = new TextReply(this.#output.current);
    this.startedMs = host.monotonicMs();
    this.lastActiveMs = this.startedMs;
  }

  /** Ends the `watch` of this connection; undefined = it watches nothing. */
  #stopWatching: (() => void) | undefined;

  /** The current command, empty when idle. */
  get operation(): string {
    return this.#executing || this.#outstanding.size > 0 ? commandName(this.#reader.request.command) : "";
  }

  get state(): string {
    return this.operation === "" ? "wait" : "execute";
  }

  /** The state of the connection, in memcached's terms. */
  get phase(): string {
    if (this.#executing) return "conn_parse_cmd";
    if (this.#stopWatching !== undefined) return "conn_watch";
    if (this.#reader.isStopped) return "conn_closing";
    if (this.#output.blocked) return "conn_mwrite";
    if (this.busy) return "conn_io_queue";
    if (this.#reader.received.skipping > 0) return "conn_swallow";
    return this.#reader.received.length > 0 ? "conn_nread" : "conn_read";
  }

  /** True while a request of this connection is waiting for its answer. */
  get busy(): boolean {
    return !this.#output.idle || this.#outstanding.size > 0;
  }

  get isAnswering(): boolean {
    return this.busy && !this.#output.blocked;
  }

  /** Whether the client still has to log in. */
  get isUnknown(): boolean {
    return this.#admission.isUnknown;
  }

  get user(): string | undefined {
    return this.#admission.user;
  }

  get isAdmin(): boolean {
    return this.#admission.isAdmin;
  }

  /** Since when a request has been incomplete because of the client, 0 = there is none. */
  get incompleteSinceMs(): number {
    return this.#reader.isWaiting ? 0 : this.#reader.received.sinceMs;
  }

  /** Bytes being sent to the client. */
  get sendingBytes(): number {
    return this.#output.sendingBytes;
  }

  /** How long the client of a closing connection has not read its last replies. Must be called periodically. */
  untakenMs(nowMs: number): number {
    const isEnding = this.#ended || (this.#reader.isStopped && this.#stopWatching === undefined);
    if (!isEnding || !this.#output.blocked) this.#untakenSinceMs = 0;
    else if (this.#untakenSinceMs === 0) this.#untakenSinceMs = nowMs;
    return this.#untakenSinceMs === 0 ? 0 : nowMs - this.#untakenSinceMs;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Applies the access rules again; a connection that was admitted does not have to log in later. */
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
    if (this.#reader.isStopped) return;
    this.#beginChunk(this.lastActiveMs);
    if (this.#host.times?.isDue() === true && this.#measuredSinceMs === 0) {
      this.#measuredSinceMs = this.lastActiveMs;
      this.#requestsBefore = this.requests;
    }
    this.#reader.read(chunk);
    this.#finishChunk();
  }

  onDrain(): void {
    this.#untakenSinceMs = 0;
    this.#output.drained();
    this.#continue();
  }

  onEnd(): void {
    this.#ended = true;
    this.#stopWatching?.();
    this.#closeWhenDone();
  }

  onClose(error?: Error): void {
    if (error !== undefined && this.closeReason === "normal") this.closeReason = "error";
    this.#gone = true;
    this.#waiters.end();
    for (const farewell of this.#farewells) farewell();
    this.#reader.received.release();
    this.#host.closed(this, error);
  }

  /** As in memcached, a watcher that closes its sending side has disconnected. */
  watch(stop: () => void): void {
    this.#stopWatching = stop;
    this.#reader.stop();
  }

  whenGone(listener: () => void): () => void {
    if (this.#gone) listener();
    else this.#farewells.add(listener);
    return () => void this.#farewells.delete(listener);
  }

  forwardsFrom(sender: ForwardedBy): void {
    this.isNode = true;
    this.#reader.forwardsFrom(sender);
  }

  audit(what: string, result: string): void {
    const { peer, user } = this;
    const certificateName = this.#connection.security?.peerName;
    this.#host.audit?.(auditLine({ peer, user, certificateName }, "memcached", what, result));
  }

  kill(): void {
    this.#connection.destroy();
  }

  /** Reads no more requests, answers those received, then closes. */
  drain(): void {
    this.#reader.stop();
    this.#closeWhenDone();
  }

  onLine(bytes: Uint8Array, start: number, end: number): void {
    this.#host.rawListener?.(this, bytes, start, end);
  }

  /** False while the request conflicts with a waiting one, or the client does not read its replies. */
  accepts(request: Request): boolean {
    // The parts of a multi-get are executed one after the other.
    if (request.multiGet !== undefined && this.#outstanding.size > 0) return false;
    return !this.#outstanding.conflicts(request) && this.#waiters.makeRoom();
  }

  /** Answers a request, at once or later. */
  execute(request: Request): void {
    this.#executing = true;
    this.requests++;
    if (request.prefix !== undefined) this.isNode = true;
    const { multiGet } = request;
    const reply = multiGet === undefined || request.isLastPart ? this.reply : new PartReply(this.reply.segment, multiGet);
    try {
      const waiting = this.#admission.handler.handle(request, reply, this);
      if (waiting !== undefined) this.#leaveTo(request, reply).follow(waiting);
    } catch (error) {
      this.failed(reply, request.opcode, request.opaque, error);
    }
    this.#executing = false;
    if (request.command === Command.quit) this.#reader.isStopped = true;
  }

  answerLater(request: Request, reply: TextReply): LateReply | undefined {
    return this.#executing ? this.#leaveTo(request, reply) : undefined;
  }

  /** Leaves the current segment to a waiting request and opens the next one. */
  #leaveTo(request: Request, reply: TextReply): LateReply {
    const { segment } = reply;
    const note = this.#host.slow?.note(request, this, this.#arrivedMs, 1);
    request.waitsFor = undefined;
    this.#leftToLater++;
    const late = new PendingReply(this, reply, this.#outstanding.add(request), request.opcode, request.opaque, note);
    segment.closed = false;
    // A commit that is done at once writes replies: this segment must not be the last one any more.
    this.#nextSegment();
    this.#commit(segment, undefined);
    return late;
  }

  finish(segment: ReplySegment, claim: Claim, note: SlowNote | undefined): void {
    segment.closed = true;
    // A request that was held back may have been answered like an immediate one.
    if (!this.#commit(segment, note) && note !== undefined) this.#host.slow?.done(note);
    this.#outstanding.remove(claim);
    this.#output.gather();
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#host.settleSoon(this);
  }

  failed(reply: TextReply, opcode: number, opaque: number, error: unknown): void {
    this.#host.unexpected(error);
    sayInternalError(reply, opcode, opaque);
  }

  /** Sends what may leave after requests that were answered later, and continues with those that waited for them. */
  settle(): void {
    this.#isSettling = false;
    this.#flush();
    this.#continue();
  }

  /** Sends what may leave; with it the requests that are being measured may be done. */
  #flush(): void {
    this.#output.flush();
    if (this.#measuredSinceMs === 0 || this.busy) return;
    const ms = this.#host.monotonicMs() - this.#measuredSinceMs;
    this.#measuredSinceMs = 0;
    // What is incomplete, or no request, is not measured.
    if (this.requests > this.#requestsBefore) this.#host.times?.observe(this.#reader.request.command, ms);
  }

  #nextSegment(): void {
    this.reply = new TextReply(this.#output.openNext());
  }

  /**
   * Requests the commit of the writes answered in this segment since the last one, and then `onCommitted` follows; false if
   * there are none. @param note of the request that wrote them; "at once" = it is the last one, which was executed at once
   */
  #commit(segment: ReplySegment, note: SlowNote | "at once" | undefined): boolean {
    if (!segment.requestCommit()) return false;
    const { waitsForReplicas } = segment;
    segment.waitsForReplicas = false;
    const own = note === "at once" ? this.#noteAtOnce() : note;
    if (own !== undefined) own.waitsFor ??= WaitedFor.commit;
    this.#awaitingCommit.push(segment);
    this.#notes.push(own);
    this.#host.handler.onCommit?.(this, waitsForReplicas);
    return true;
  }

  #noteAtOnce(): SlowNote | undefined {
    return this.#host.slow?.note(this.#reader.request, this, this.#arrivedMs, this.requests - this.#executedBefore);
  }

  #beginChunk(nowMs: number): void {
    this.#arrivedMs = nowMs;
    this.#executedBefore = this.requests;
    this.#leftToLater = 0;
  }

  /** At the end of a chunk: one commit for all its writes, one write for all its replies. */
  #finishChunk(): void {
    const segment = this.reply.segment;
    const waits = this.#commit(segment, "at once");
    if (segment.hasUncommitted) this.#nextSegment();
    this.#flush();
    const requests = this.requests - this.#executedBefore;
    if (!waits && requests > this.#leftToLater)
      this.#host.slow?.executed(this.#reader.request, this, this.#arrivedMs, requests);
    this.#closeWhenDone();
  }

  /** Called for the commit requested at the end of a chunk. */
  onCommitted(error?: FlareError, storedMs = 0): void {
    const segment = this.#awaitingCommit.shift() as ReplySegment;
    const note = this.#notes.shift();
    if (note !== undefined) {
      note.storedMs = storedMs;
      this.#host.slow?.done(note);
    }
    if (error === undefined) segment.committed();
    else {
      const line = fromLatin1(`${serverErrorLine(error.message)}\r\n`);
      segment.failUncommitted((opcode, opaque) =>
        opcode > 0 ? encodeBinaryError(opcode, opaque, BinaryStatus.internalError, error.message) : line,
      );
    }
    this.#flush();
    this.#continue();
  }

  onLateAnswer(): void {
    this.#flush();
    this.#continue();
  }

  makeRoom(segment?: ReplySegment): boolean {
    return this.#waiters.makeRoom(segment);
  }

  flush(): void {
    this.#output.flush();
  }

  roomInOutput(segment: ReplySegment): Promise<void> {
    return this.#waiters.room(segment);
  }

  sent(segment: ReplySegment): Promise<void> {
    return this.#waiters.sent(segment);
  }

  /** Continues after a wait: first long replies that need room, then held requests. */
  #continue(): void {
    if (this.#gone) return;
    this.#waiters.wake();
    if (this.#reader.isWaiting && !this.#reader.isStopped && !this.#admission.isDelayed) {
      this.#beginChunk(this.#host.monotonicMs());
      this.#reader.readOn();
      this.#finishChunk();
    } else {
      this.#closeWhenDone();
    }
  }

  #closeWhenDone(): void {
    const { isStopped, isWaiting } = this.#reader;
    if (this.#gone || !(isStopped || (this.#ended && !isWaiting))) return;
    if (this.#output.idle && this.#outstanding.size === 0) this.#connection.close();
  }
}

/** Answers a request that failed because of a bug. */
function sayInternalError(reply: TextReply, opcode: number, opaque: number): void {
  if (opcode < 0) reply.line("SERVER_ERROR internal error");
  else putBinaryError(reply.segment, opcode, opaque, BinaryStatus.internalError);
}
