/**
 * What the connections of a server are given: who answers their requests, the limits and the memory they share, and what is
 * special about the listener they came by. Types only.
 */

import type { FlareError } from "../../base/errors.ts";
import type { BufferPool } from "../../protocol/buffer_pool.ts";
import type { CommandTable } from "../../protocol/command.ts";
import type { Request } from "../../protocol/request.ts";
import type { TextLimits } from "../../protocol/text/text_parser.ts";
import type { TextReply } from "../../protocol/text/text_reply.ts";
import type { TlsServer } from "../../runtime/runtime.ts";
import type { Access } from "../auth/access.ts";
import type { ClientSession } from "./client_session.ts";
import type { RequestMemory } from "./received.ts";

/** Answers requests; a promise means the reply comes later (the request object must not be read after the first wait). */
export interface RequestHandler {
  readonly commands: CommandTable;
  /** False: a request of the binary protocol closes the connection. */
  readonly speaksBinary?: boolean;
  /** What a client that has not logged in yet hears to `version` by the binary protocol. */
  readonly version?: string;
  handle(request: Request, reply: TextReply, session: ClientSession): void | Promise<void>;
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
export type RawListener = (session: ClientSession, bytes: Uint8Array, start: number, end: number) => void;

/** What is special about the connections of a listener. */
export interface ListenerTraits {
  /** They may run the commands of nodes and operators, whoever they are. */
  readonly admin?: boolean;
  /** They speak TLS; plainly if absent. */
  readonly tls?: TlsServer | undefined;
}

/** What the connections of one server share. */
export interface ConnectionHost {
  readonly handler: RequestHandler;
  /** Who has to log in and who may run which commands; absent = nobody, and everybody all of them. */
  readonly access?: Access;
  readonly limits: SessionLimits;
  readonly requestMemory: RequestMemory;
  readonly buffers: BufferPool;
  readonly traffic: Traffic;
  /** Gets each line of the text protocol, if anybody wants to know. */
  readonly rawListener?: RawListener | undefined;
  monotonicMs(): number;
  /** Somebody has spoken HTTP, and the connection is about to be closed for it. */
  refusedHttp(peer: string): void;
}
