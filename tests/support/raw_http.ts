/** HTTP for tests byte by byte: what is sent is exactly what the test says, and what comes back is all of it. */

import { latin1 } from "../../lib/base/bytes.ts";
import type { Address, Connection, Runtime, TlsClient } from "../../lib/runtime/runtime.ts";

/** A response as a client reads it. */
export interface RawResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** What a conversation is like. */
export interface Conversation {
  readonly tls?: TlsClient;
  /** Bytes of each write; default: all at once. */
  readonly pieces?: number;
  /** Finish sending after the last byte. */
  readonly ends?: boolean;
  /** The conversation is over when this says so of what has come; default: when the server closes the connection. */
  readonly done?: (received: string) => boolean;
}

const PATIENCE_MS = 10_000;

/** Sends a text, one character per byte, and returns all that comes until the server closes. @throws Error after ten seconds */
export function talk(runtime: Runtime, address: Address, text: string, how: Conversation = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const timer = setTimeout(() => {
      connection.destroy();
      reject(new Error(`the server keeps the connection open after ${JSON.stringify(received.slice(0, 500))}`));
    }, PATIENCE_MS);
    const over = (): void => {
      clearTimeout(timer);
      connection.destroy();
      resolve(received);
    };
    const connection: Connection = runtime.transport.connect(
      address,
      PATIENCE_MS,
      {
        onOpen: () => {
          const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
          const piece = how.pieces ?? (bytes.length || 1);
          for (let at = 0; at < bytes.length; at += piece) connection.write(bytes.slice(at, at + piece));
          if (how.ends) connection.close();
        },
        onData: (chunk) => {
          received += latin1(chunk);
          if (how.done?.(received)) over();
        },
        onDrain: () => undefined,
        onEnd: over,
        onClose: over,
      },
      { ...(how.tls === undefined ? {} : { tls: how.tls }) },
    );
  });
}

/** All responses in a text, one after the other; the last one may go to its end. @throws Error if it is something else */
export function responsesIn(text: string, heads: ReadonlySet<number> = new Set()): RawResponse[] {
  const responses: RawResponse[] = [];
  for (let rest = text; rest !== ""; ) {
    const end = rest.indexOf("\r\n\r\n");
    const [first = "", ...lines] = rest.slice(0, end).split("\r\n");
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(first) ?? [];
    if (end < 0 || status === undefined) throw new Error(`no response: ${JSON.stringify(rest.slice(0, 200))}`);
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(": ");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
      }),
    );
    rest = rest.slice(end + 4);
    let body = "";
    if (heads.has(responses.length)) body = "";
    else if (headers.get("transfer-encoding") === "chunked") {
      for (let length = -1; length !== 0; ) {
        const line = rest.indexOf("\r\n");
        length = Number.parseInt(rest.slice(0, line), 16);
        body += rest.slice(line + 2, line + 2 + length);
        rest = rest.slice(line + 4 + length);
      }
    } else {
      const length = Number(headers.get("content-length") ?? rest.length);
      body = rest.slice(0, length);
      rest = rest.slice(length);
    }
    responses.push({ status: Number(status), headers, body });
  }
  return responses;
}
