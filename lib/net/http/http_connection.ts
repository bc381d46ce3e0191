/**
 * One HTTP connection of a server: turns requests and responses of the runtime into those of `fetch`, and knows when its client
 * is too slow. The runtime parses HTTP, the handler answers.
 */

import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Connection, ConnectionHandler, HttpProtocol, HttpRequest, HttpResponse } from "../../runtime/runtime.ts";
import type { ClientIdentity } from "../auth/access_list.ts";
import type { Guest } from "../connection/session_host.ts";
import type { GatedHandler, ReadBody } from "./http_gate.ts";
import { textResponse } from "./http_handler.ts";
import { TOKEN_HEADER } from "./http_tokens.ts";

/** The longest head of a request. */
export const HEAD_BYTES_MAX = 16384;
/** How long a client may take to send a complete request, or send none. */
export const IDLE_MS = 60000;
/** How long the body of a request may take. */
export const BODY_MS = 30000;
/** How long it may leave an answer unread. */
export const UNREAD_MS = 30000;

/** What a connection needs of its service. */
export interface HttpConnectionHost {
  readonly handler: GatedHandler;
  monotonicMs(): number;
  /** The handler has failed: a bug. */
  unexpected(error: unknown): void;
}

export class HttpConnection implements Guest, Connection {
  isOpen = false;
  readonly peer: string;
  readonly #connection: Connection;
  readonly #host: HttpConnectionHost;
  readonly #protocol: ConnectionHandler;
  readonly #ended: (guest: Guest, error?: Error) => void;
  #answering = 0;
  /** Since when no request is being answered. */
  #idleSinceMs: number;
  /** How many bodies are awaited, and since when the first of them. */
  #awaited = 0;
  #bodySinceMs: number | undefined;
  /** Since when the client does not read. */
  #unreadSinceMs: number | undefined;
  #isDraining = false;
  #isGone = false;
  /** The bodies being sent; they stop when the client is gone. */
  readonly #bodies = new Set<ReadableStreamDefaultReader<Uint8Array>>();

  constructor(
    protocol: HttpProtocol,
    connection: Connection,
    host: HttpConnectionHost,
    ended: (guest: Guest, error?: Error) => void,
  ) {
    this.#connection = connection;
    this.#host = host;
    this.#ended = ended;
    this.peer = connection.peer;
    this.#idleSinceMs = host.monotonicMs();
    this.#protocol = protocol.serve(this, HEAD_BYTES_MAX, (request) => this.#answer(request));
  }

  onOpen(): void {
    this.isOpen = true;
    this.#protocol.onOpen();
  }

  onData(chunk: Uint8Array): void {
    // Nothing more is answered: what comes now is not read.
    if (!this.#isDraining) this.#protocol.onData(chunk);
  }

  onDrain(): void {
    this.#unreadSinceMs = undefined;
    this.#protocol.onDrain();
  }

  onEnd(): void {
    this.#protocol.onEnd();
  }

  onClose(error?: Error): void {
    this.#isGone = true;
    for (const body of this.#bodies) void body.cancel().catch(() => undefined);
    this.#protocol.onClose(error);
    this.#ended(this, error);
  }

  isLate(nowMs: number): boolean {
    if (this.#unreadSinceMs !== undefined) return nowMs - this.#unreadSinceMs > UNREAD_MS;
    if (this.#bodySinceMs !== undefined) return nowMs - this.#bodySinceMs > BODY_MS;
    return this.#answering === 0 && nowMs - this.#idleSinceMs > IDLE_MS;
  }

  drain(): void {
    this.#isDraining = true;
    if (!this.isOpen) this.#connection.destroy();
    else if (this.#answering === 0) this.#connection.close();
  }

  kill(): void {
    this.#connection.destroy();
  }

  write(bytes: Uint8Array): boolean {
    const isTaken = this.#connection.write(bytes);
    if (!isTaken) this.#unreadSinceMs = this.#host.monotonicMs();
    return isTaken;
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  close(): void {
    this.#connection.close();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  async #answer(request: HttpRequest): Promise<HttpResponse> {
    this.#answering++;
    const response = await this.#respond(request);
    const headers = Object.fromEntries(response.headers);
    if (this.#isDraining) headers.connection = "close";
    return { status: response.status, headers, body: this.#body(request.method === "HEAD", response) };
  }

  async #respond({ method, target, headers, readBody }: HttpRequest): Promise<Response> {
    let request: Request;
    try {
      request = new Request(urlOf(target, this.#connection.security !== undefined), { method, headers: singles(headers) });
    } catch {
      return textResponse(400, "malformed request\n", { connection: "close" });
    }
    try {
      return await this.#host.handler(request, this.#client, (bytesMax) => this.#timed(readBody(bytesMax)));
    } catch (error) {
      this.#host.unexpected(error);
      return textResponse(500, "internal error\n");
    }
  }

  /** A body on its way. */
  async #timed(body: ReturnType<ReadBody>): ReturnType<ReadBody> {
    this.#awaited++;
    this.#bodySinceMs ??= this.#host.monotonicMs();
    try {
      return await body;
    } finally {
      this.#bodySinceMs = --this.#awaited > 0 ? this.#host.monotonicMs() : undefined;
    }
  }

  get #client(): ClientIdentity {
    return { peer: this.peer, user: undefined, certificateName: this.#connection.security?.peerName };
  }

  /** The parts of a body, as the client reads them; the request is answered after the last one. */
  async *#body(isHead: boolean, { body }: Response): AsyncGenerator<Uint8Array> {
    const reader = body?.getReader();
    try {
      if (reader === undefined) return;
      if (isHead || this.#isGone) return void (await reader.cancel());
      this.#bodies.add(reader);
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.#isGone) return;
        yield value ?? EMPTY_BYTES;
      }
    } finally {
      if (reader !== undefined) this.#bodies.delete(reader);
      this.#answering--;
      this.#idleSinceMs = this.#host.monotonicMs();
    }
  }
}

/** The URL of a request: paths are all that counts of it. @throws TypeError */
function urlOf(target: string, secure: boolean): URL {
  if (!target.startsWith("/")) return new URL(target);
  return new URL(`${secure ? "https" : "http"}://localhost${target}`);
}

/** Headers that may be there once only; of two of them somebody else may believe the other one. */
const SINGLE = new Set([
  ...["host", "origin", "authorization", TOKEN_HEADER, "content-length", "content-type"],
  ...["sec-fetch-site", "sec-fetch-mode"],
]);

/** The headers. @throws TypeError if one is there twice that must not be */
function singles(headers: HttpRequest["headers"]): [string, string][] {
  const seen = new Set<string>();
  return headers.map(([name, value]) => {
    const lower = name.toLowerCase();
    if (SINGLE.has(lower) && seen.has(lower)) throw new TypeError(`"${name}" is there twice`);
    seen.add(lower);
    return [name, value];
  });
}
