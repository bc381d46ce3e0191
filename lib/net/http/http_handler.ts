/**
 * What answers HTTP requests: the shape of `fetch`, what is at which path, and responses that every handler makes. Knows no
 * sockets.
 */

import type { ClientIdentity } from "../auth/access_list.ts";

/** Answers a request; `client` is at the other end of the connection, with its user if it had to log in. */
export type HttpHandler = (request: Request, client: ClientIdentity, body: Uint8Array) => Promise<Response>;

/** What a path answers to a method. */
export interface HttpAction {
  readonly handler: HttpHandler;
  /** The longest body it takes; absent = none. */
  readonly bodyBytesMax?: number;
  /** Only who has the token gets an answer, though it changes nothing. */
  readonly needsToken?: boolean;
}

/** The methods there are. Whatever is no GET changes something, and needs the token. */
export type HttpMethod = "GET" | "POST" | "PUT" | "DELETE";

/** What a path answers, by method; HEAD is GET without the body. A handler alone is GET. */
export type HttpRoute = HttpHandler | Readonly<Partial<Record<HttpMethod, HttpAction>>>;

/** Routes by their paths. */
export type HttpRoutes = Readonly<Record<string, HttpRoute>>;

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

/** The actions of a route, by method. */
export function actionsOf(route: HttpRoute): Readonly<Partial<Record<string, HttpAction>>> {
  return typeof route === "function" ? { GET: { handler: route } } : route;
}
