/**
 * HTTP by `node:http`, which Node, Deno and Bun have, on our own sockets: so it has the same TLS, limits and addresses as every
 * other connection. Its server never listens: it gets each accepted connection as a stream.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import { concatBytes } from "../../base/bytes.ts";
import type { Connection, ConnectionHandler, HttpAnswer, HttpProtocol, HttpResponse } from "../runtime.ts";

/** Only for the header of this name: whoever accepted the connection ends it. */
const KEEP_ALIVE_MS = 60000;
const OVERFLOW = "HPE_HEADER_OVERFLOW";
/** A connection with more requests than this in one go is ended: they would all be answered in one turn of the event loop. */
const UNANSWERED_MAX = 16;

export class NodeHttp implements HttpProtocol {
  /** By the limit of a head, which is a property of the server. */
  readonly #servers = new Map<number, Server>();

  serve(connection: Connection, headBytesMax: number, answer: HttpAnswer): ConnectionHandler {
    const stream = new ConnectionStream(connection, answer);
    const server = this.#servers.get(headBytesMax) ?? createHttpServer(headBytesMax);
    this.#servers.set(headBytesMax, server);
    return stream.handlerFor(server);
  }
}

function createHttpServer(maxHeaderSize: number): Server {
  const server = createServer({ maxHeaderSize, keepAliveTimeout: KEEP_ALIVE_MS });
  // The length of the head is the limit; headers beyond a number would be ignored.
  server.maxHeadersCount = 0;
  // A server that does not listen is closing, and would keep no connection for the next request.
  Object.defineProperty(server, "listening", { value: true });
  // A client that has finished sending still gets its answers.
  (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  server.on("request", (request, response) => void exchange(request, response));
  // Nobody is asked to continue with a body: an interim response would come in the middle of the one before it.
  server.on("checkContinue", (request, response) => void exchange(request, response));
  // Heads that are refused by the parser. Once a response has begun, nothing else can be said.
  server.on("clientError", (error: Error & { code?: string }, socket) => {
    const stream = socket as Duplex;
    if (!(stream instanceof ConnectionStream) || stream.unanswered > 0 || !stream.writable) return void stream.destroy();
    const status = error.code === OVERFLOW ? "431 Request Header Fields Too Large" : "400 Bad Request";
    stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  return server;
}

async function exchange(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const stream = request.socket as Duplex;
  if (!(stream instanceof ConnectionStream)) return void stream.destroy();
  if (stream.destroyed || ++stream.unanswered > UNANSWERED_MAX) return void stream.destroy();
  response.on("close", () => {
    stream.unanswered--;
  });
  const { rawHeaders } = request;
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.push([rawHeaders[i] as string, rawHeaders[i + 1] as string]);
  const readBody = (bytesMax: number): Promise<Uint8Array | undefined> => bodyOf(request, stream, bytesMax);
  try {
    const answer = await stream.answer({ method: request.method ?? "", target: request.url ?? "", headers, readBody });
    // What nobody has read is dropped.
    request.resume();
    await send(response, answer);
  } catch {
    // A head that cannot be sent, or a body that fails midway: the client must not take it for complete.
    stream.destroy();
  }
}

/** The whole body; undefined if it is too long, or does not come to its end. */
function bodyOf(request: IncomingMessage, stream: ConnectionStream, bytesMax: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const parts: Uint8Array[] = [];
    let length = 0;
    const over = (body?: Uint8Array): void => {
      request.off("data", onData);
      stream.off("end", onFinished);
      stream.off("close", onGone);
      resolve(body);
    };
    const onData = (part: Uint8Array): void => {
      length += part.length;
      if (length > bytesMax) over();
      else parts.push(part.slice());
    };
    const onGone = (): void => over();
    // The client sends no more; Deno's parser says nothing of a body that is cut off.
    const onFinished = (): void => {
      if (!request.complete) over();
    };
    request.on("data", onData);
    request.on("end", () => over(concatBytes(parts)));
    request.on("error", onGone);
    stream.on("end", onFinished);
    stream.on("close", onGone);
    if (stream.destroyed) onGone();
    else if (stream.readableEnded) onFinished();
  });
}

async function send(response: ServerResponse, { status, headers, body }: HttpResponse): Promise<void> {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  for await (const part of body) {
    if (response.destroyed) return;
    if (!response.write(part)) await roomIn(response);
  }
  response.end();
}

/** Resolves when the client has read enough, or is gone. */
function roomIn(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

/** A connection as a stream. */
class ConnectionStream extends Duplex {
  readonly answer: HttpAnswer;
  /** Requests that are being answered, or wait for that. */
  unanswered = 0;
  readonly #connection: Connection;
  /** It closes once everything is sent. */
  #isClosing = false;
  #written: (() => void) | undefined;

  constructor(connection: Connection, answer: HttpAnswer) {
    super();
    this.#connection = connection;
    this.answer = answer;
    // Each of them may listen.
    this.setMaxListeners(0);
    // An error of the parser or the socket ends the connection, which is all there is to do.
    this.on("error", () => undefined);
  }

  /** What the connection calls. */
  handlerFor(server: Server): ConnectionHandler {
    return {
      onOpen: () => void server.emit("connection", this),
      onData: (chunk) => {
        if (this.destroyed || this.#isClosing) return;
        if (!this.push(chunk.slice())) this.#connection.pause();
      },
      onDrain: () => this.#continue(),
      onEnd: () => {
        if (!this.destroyed) this.push(null);
      },
      onClose: () => {
        this.#isClosing = true;
        this.destroy();
        this.#continue();
      },
    };
  }

  /** A socket has this; timeouts are those of whoever accepted the connection. */
  setTimeout(): this {
    return this;
  }

  override _read(): void {
    this.#connection.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    if (this.#connection.write(chunk)) done();
    else this.#written = done;
  }

  override _final(done: () => void): void {
    this.#isClosing = true;
    this.#connection.close();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    // A graceful end has begun, and must not lose what is still being sent.
    if (!this.#isClosing) this.#connection.destroy();
    done(error);
  }

  #continue(): void {
    const written = this.#written;
    this.#written = undefined;
    written?.();
  }
}
