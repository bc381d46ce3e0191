/**
 * What a server gives its connections: the request handler, the shared limits and memory, and the properties of their listener.
 * Types only.
 */

import type { FlareError } from "../../base/errors.ts";
import type { BufferPool } from "../../protocol/buffer_pool.ts";
import type { CommandTable } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";
import type { TextLimits } from "../../protocol/text/text_parser.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { Connection, ConnectionHandler, TlsServer } from "../../runtime/runtime.ts";
import type { Access } from "../auth/access.ts";
import type { ClientSession } from "./client_session.ts";
import type { RequestMemory } from "./received.ts";
import type { RequestTimes } from "./request_times.ts";
import type { SlowRequests } from "./slow_requests.ts";

/** Answers requests; a promise means the reply comes later (do not read the request object after the first `await`). */
export interface RequestHandler {
  readonly commands: CommandTable;
  /** False: a binary request closes the connection. */
  readonly speaksBinary?: boolean;
  /** The answer to a binary `version` before a login. */
  readonly version?: string;
  handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void>;
  /** True for the commands of nodes and operators, which not every connection may run; absent = there are none. */
  isPrivileged?(request: Request): boolean;
  /**
   * Calls back, in the order of the calls, once everything written so far is committed and, with `waitsForReplicas`,
   * replicated; absent = nothing is ever stored.
   */
  onCommit?(listener: ReplyListener, waitsForReplicas: boolean): void;
}

/** Waits for a commit. */
export interface ReplyListener {
  /** @param storedMs when it was committed here, by the monotonic clock, if it waited for replicas after that */
  onCommitted(error?: FlareError, storedMs?: number): void;
}

/** Limits of all connections of a server; see the options of the same names. */
export interface SessionLimits extends TextLimits {
  /** Above this many bytes of unread replies no more requests of a client are read. */
  readonly outputHighWaterBytes: number;
}

/** Bytes transferred by all connections of a server, and requests refused. */
export interface Traffic {
  bytesRead: number;
  bytesWritten: number;
  /** Values refused because of their length, without being read. */
  tooLarge: number;
  /** Requests refused because there was no memory to receive them. */
  noMemory: number;
}

/** Receives a line without its end; the bytes are only valid during the call. */
export type RawListener = (session: ClientSession, bytes: Uint8Array, start: number, end: number) => void;

/** Properties of a listener's connections. */
export interface ListenerTraits {
  /** They may run privileged commands without further checks. */
  readonly admin?: boolean;
  /** They speak TLS; absent = plain text. */
  readonly tls?: TlsServer | undefined;
  /** They speak another protocol than the server's; absent = memcached's. */
  readonly guests?: GuestHost | undefined;
}

/** Serves connections of another protocol. */
export interface GuestHost {
  /** Called for each accepted connection, before it is open; `ended` must be called when it is closed. */
  receive(connection: Connection, ended: (guest: Guest, error?: Error) => void): Guest;
  /** The answer to a connection for which there is no room. */
  readonly refusal: Uint8Array;
}

/** A connection of another protocol, which the server counts and ends. */
export interface Guest extends ConnectionHandler {
  /** The connection is established: its TLS handshake is done. */
  readonly isOpen: boolean;
  /** Whether its client is idle, too slow with its request, or does not read its answer. */
  isLate(nowMs: number): boolean;
  /** Answers what has been received, then closes. */
  drain(): void;
  /** Closes at once. */
  kill(): void;
}

/** What all connections of a server share. */
export interface ConnectionHost {
  readonly handler: RequestHandler;
  /** The access rules; absent = nobody has to log in, and everybody may run all commands. */
  readonly access?: Access;
  readonly limits: SessionLimits;
  readonly requestMemory: RequestMemory;
  readonly buffers: BufferPool;
  readonly traffic: Traffic;
  /** How long requests take; absent = nobody wants to know. */
  readonly times?: RequestTimes;
  /** Keeps those that take long; absent = nobody wants to know. */
  readonly slow?: SlowRequests | undefined;
  /** Receives each line of the text protocol, if set. */
  readonly rawListener?: RawListener | undefined;
  monotonicMs(): number;
  /** A client spoke HTTP, and its connection is about to be closed. */
  refusedHttp(peer: string): void;
  /** Takes a line for the log of what operators have done; absent = there is no such log. */
  audit?(line: string): void;
}
