/**
 * What every HTTP request has to pass before it is answered: it must be meant for this server, come from no other web site, log
 * in where everybody has to, and ask for something that is there. One that changes something, or reads data, needs the token,
 * too, and a body is read only after all that. Every response tells browsers to do nothing with it that it is not for.
 */

import { decodeBase64 } from "../../base/base64.ts";
import { EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Access } from "../auth/access.ts";
import type { ClientIdentity } from "../auth/access_list.ts";
import { actionsOf, type HttpAction, type HttpRoutes, jsonResponse, textResponse } from "./http_handler.ts";
import { type HttpTokens, TOKEN_HEADER } from "./http_tokens.ts";
import type { OwnHosts } from "./own_hosts.ts";

/** What the gate knows. */
export interface GateKeeper {
  readonly access: Access;
  /** Replaced by a reload. */
  readonly ownHosts: OwnHosts;
  readonly tokens: HttpTokens;
}

/** Reads the body of a request, as `HttpRequest` does. */
export type ReadBody = (bytesMax: number) => Promise<Uint8Array | undefined>;

/** Answers whatever comes. */
export type GatedHandler = (request: Request, client: ClientIdentity, readBody: ReadBody) => Promise<Response>;

/** Why a request is not answered. */
interface Refusal {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Headers of every response; one that needs less sets its own. */
const SECURITY: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

const CHALLENGE = { "www-authenticate": 'Basic realm="Flare", charset="UTF-8"' };
const CLOSE = { connection: "close" };
const BASIC = /^basic +([\w+/=]+)$/i;
const JSON_BODY = /^application\/json(?: *;.*)?$/i;
const COLON = 0x3a;
/** Longest name or value of a client that an answer repeats. */
const REPEATED_MAX = 80;
/** Paths below it speak JSON, errors too. */
const API = "/api/";

/** The handler of some routes behind the gate. */
export function gated(keeper: GateKeeper, routes: HttpRoutes): GatedHandler {
  const table = new Map(Object.entries(routes).map(([path, route]) => [path, actionsOf(route)]));
  return async (request, client, readBody) => {
    const { pathname } = new URL(request.url);
    const response = await answer(keeper, table, pathname, request, client, readBody);
    for (const [name, value] of Object.entries(SECURITY)) if (!response.headers.has(name)) response.headers.set(name, value);
    return response;
  };
}

type Table = ReadonlyMap<string, ReturnType<typeof actionsOf>>;

async function answer(
  keeper: GateKeeper,
  table: Table,
  path: string,
  request: Request,
  client: ClientIdentity,
  readBody: ReadBody,
): Promise<Response> {
  const { headers } = request;
  const refuse = ({ status, text, headers: further }: Refusal): Response =>
    path.startsWith(API) ? jsonResponse(status, { error: text }, further) : textResponse(status, `${text}\n`, further);
  const refused = refusedHost(keeper.ownHosts, headers.get("host")) ?? refusedOrigin(request);
  if (refused !== undefined) return refuse(refused);
  const entry = await logIn(keeper.access, headers.get("authorization"), client);
  if ("status" in entry) return refuse(entry);
  const action = actionFor(table, path, request.method);
  if ("status" in action) return refuse(action);
  const { handler, bodyBytesMax = 0 } = action;
  const unfit = (await refusedChange(keeper, request, action, entry)) ?? refusedBody(headers, bodyBytesMax);
  if (unfit !== undefined) return refuse(unfit);
  const body = bodyBytesMax === 0 ? EMPTY_BYTES : await readBody(bodyBytesMax);
  if (body === undefined) return refuse(tooLong(bodyBytesMax));
  return handler(request, entry, body);
}

/** No browser leaves out the host, so a request without one comes from none. */
function refusedHost(ownHosts: OwnHosts, host: string | null): Refusal | undefined {
  if (host === null || ownHosts.has(host)) return undefined;
  return { status: 421, text: `"${shown(host)}" is not a name of this server: if it is, add it to "http-hosts"` };
}

/** Requests that a page of another site makes. Following a link from there is allowed: that page cannot read the answer. */
function refusedOrigin({ headers, method }: Request): Refusal | undefined {
  const origin = headers.get("origin");
  const host = headers.get("host");
  const isForeign = origin !== null && origin !== `http://${host}` && origin !== `https://${host}`;
  const site = headers.get("sec-fetch-site");
  const isElsewhere = site !== null && site !== "same-origin" && site !== "none";
  const isLink = headers.get("sec-fetch-mode") === "navigate" && !isChange(method);
  if (!isForeign && (!isElsewhere || isLink)) return undefined;
  return { status: 403, text: `requests of other web sites are refused: this one comes from "${shown(origin ?? site ?? "")}"` };
}

/** The client with its user, if it has to log in. */
async function logIn(access: Access, given: string | null, client: ClientIdentity): Promise<ClientIdentity | Refusal> {
  if (!access.mustLogIn(client)) return client;
  const credentials = given === null ? undefined : basicCredentials(given);
  if (credentials === undefined) return { status: 401, text: "log in as a user of this server", headers: CHALLENGE };
  if (access.verify(credentials.user, credentials.password, client.peer)) return { ...client, user: credentials.user };
  await new Promise<void>((resolve) => access.afterDelay(resolve));
  // Who tries passwords has to connect for each of them.
  return { status: 401, text: "wrong name or password", headers: { ...CHALLENGE, ...CLOSE } };
}

/** The user and the password of RFC 7617, byte for byte as in the file of users. */
function basicCredentials(header: string): { user: string; password: Uint8Array } | undefined {
  const [, text] = BASIC.exec(header) ?? [];
  const encoded = fromLatin1(text ?? "");
  const bytes = decodeBase64(encoded, 0, encoded.length);
  const colon = bytes?.indexOf(COLON) ?? -1;
  if (bytes === undefined || colon < 0) return undefined;
  return { user: latin1(bytes, 0, colon), password: bytes.subarray(colon + 1) };
}

function actionFor(table: Table, path: string, method: string): HttpAction | Refusal {
  const actions = table.get(path);
  if (actions === undefined) {
    return { status: 404, text: `there is nothing at this path; there is ${[...table.keys()].join(", ")}` };
  }
  const name = method === "HEAD" ? "GET" : method;
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return action;
  const allow = Object.keys(actions)
    .flatMap((each) => (each === "GET" ? ["GET", "HEAD"] : [each]))
    .join(", ");
  return { status: 405, text: `"${shown(method)}" is not supported at this path, only ${allow}`, headers: { allow } };
}

function isChange(method: string): boolean {
  return method !== "GET" && method !== "HEAD";
}

/** A change, or a look at data, by one who has no token, a wrong one, or is no operator. */
async function refusedChange(
  { access, tokens }: GateKeeper,
  { headers, method }: Request,
  { needsToken = false, bodyBytesMax = 0 }: HttpAction,
  client: ClientIdentity,
): Promise<Refusal | undefined> {
  if (!isChange(method) && !needsToken) return undefined;
  const what = isChange(method) ? "a change" : "a look at data";
  if (!tokens.isSet) {
    return { status: 403, text: `${what} over HTTP needs a token, and this server has none: see "http-token-file"` };
  }
  const given = headers.get(TOKEN_HEADER);
  if (given === null)
    return { status: 403, text: `${what} needs the token of "http-token-file" in the header "${TOKEN_HEADER}"` };
  if (!tokens.verify(given, client.peer)) {
    await new Promise<void>((resolve) => access.afterDelay(resolve));
    return { status: 403, text: `the token in the header "${TOKEN_HEADER}" is wrong`, headers: CLOSE };
  }
  if (!access.mayAdminister(client)) return { status: 403, text: `"admin-access" does not allow ${what} to this client` };
  if (bodyBytesMax > 0 && !JSON_BODY.test(headers.get("content-type") ?? "")) {
    return { status: 415, text: "the body must be JSON, with the header content-type: application/json", headers: CLOSE };
  }
  return undefined;
}

function refusedBody(headers: Headers, bytesMax: number): Refusal | undefined {
  const length = Number(headers.get("content-length") ?? 0);
  if (length <= bytesMax && (bytesMax > 0 || !headers.has("transfer-encoding"))) return undefined;
  return tooLong(bytesMax);
}

function tooLong(bytesMax: number): Refusal {
  const text =
    bytesMax === 0 ? "a request must not have a body here" : `the body must be complete, and at most ${bytesMax} bytes`;
  return { status: 413, text, headers: CLOSE };
}

function shown(text: string): string {
  return text.slice(0, REPEATED_MAX).replace(/[^\x20-\x7e]/g, "?");
}
