/** What answers HTTP requests: the shape of `fetch`, and responses that every handler makes. Knows no sockets. */

import type { ClientIdentity } from "../auth/access_list.ts";

/** Answers a request; `client` is at the other end of the connection, logged in or not. */
export type HttpHandler = (request: Request, client: ClientIdentity) => Promise<Response>;

const ENCODER = new TextEncoder();

/** The type of plain text. */
export const PLAIN_TEXT = "text/plain; charset=utf-8";

/** The type of JSON. */
export const JSON_TYPE = "application/json; charset=utf-8";

/** A response that is a text. */
export function textResponse(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  const bytes = ENCODER.encode(text);
  return new Response(bytes, {
    status,
    headers: { "content-type": PLAIN_TEXT, "content-length": String(bytes.length), ...headers },
  });
}

/** A response that is a JSON value; an error is `{ error: "what was wrong and what to do" }`. */
export function jsonResponse(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return textResponse(status, JSON.stringify(value), { "content-type": JSON_TYPE, ...headers });
}

/** Handlers by their paths; anything else is not found. */
export function routes(table: Readonly<Record<string, HttpHandler>>): HttpHandler {
  const handlers = new Map(Object.entries(table));
  return async (request, client) => {
    const { pathname } = new URL(request.url);
    const handler = handlers.get(pathname);
    if (handler !== undefined) return handler(request, client);
    return textResponse(404, `there is nothing at this path; there is ${[...handlers.keys()].join(", ")}\n`);
  };
}
