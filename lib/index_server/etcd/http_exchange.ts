/**
 * One HTTP request on a connection of its own, over the runtime's sockets: so it has the same TLS everywhere, and a simulated
 * network, too, which `fetch` would go past. Says whether the server may have received the request.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { formatHostPort, type HostPort } from "../../base/host_port.ts";
import type { Connection, Runtime, TlsClient } from "../../runtime/runtime.ts";
import { type HttpResponse, parseHttpResponse } from "./http_response.ts";

/** A POST of JSON text, one character per byte. */
export interface HttpRequest {
  readonly server: HostPort;
  readonly tls: TlsClient | undefined;
  readonly path: string;
  /** Additional headers. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Limits the whole exchange. */
  readonly timeoutMs: number;
}

/**
 * Sends a request and resolves to its response.
 * @throws FlareError CONNECTION_FAILED if nothing was sent, IN_DOUBT if the server may have received the request
 */
export function exchangeHttp(runtime: Runtime, request: HttpRequest): Promise<HttpResponse> {
  const { server, tls, timeoutMs } = request;
  const { clock } = runtime;
  return new Promise((resolve, reject) => {
    let isSent = false;
    let isDone = false;
    let received = "";
    const end = (): boolean => {
      if (isDone) return false;
      isDone = true;
      clock.clearTimer(timer);
      connection.destroy();
      return true;
    };
    const fail = (reason: string, cause?: unknown) => {
      if (end()) reject(new FlareError(isSent ? "IN_DOUBT" : "CONNECTION_FAILED", reason, { cause, retriable: true }));
    };
    const read = (ended: boolean) => {
      try {
        const response = parseHttpResponse(received, ended);
        if (response !== undefined && end()) resolve(response);
        else if (ended) fail("the connection ended before the answer was complete");
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        fail(error.message, error);
      }
    };
    const timer = clock.setTimer(() => fail(`no answer in ${timeoutMs} ms`), timeoutMs);
    const connection: Connection = runtime.transport.connect(
      server,
      timeoutMs,
      {
        onOpen: () => {
          isSent = true;
          connection.write(fromLatin1(encodeRequest(request)));
        },
        onData: (chunk) => {
          received += latin1(chunk);
          read(false);
        },
        onDrain: () => undefined,
        onEnd: () => read(true),
        onClose: (error) => fail(error?.message ?? "the connection ended before the answer was complete", error),
      },
      { tls },
    );
  });
}

function encodeRequest({ server, path, headers, body }: HttpRequest): string {
  const all = {
    Host: formatHostPort(server.host, server.port),
    "Content-Type": "application/json",
    "Content-Length": String(body.length),
    Connection: "close",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}
