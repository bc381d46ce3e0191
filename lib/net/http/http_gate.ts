/**
 * What every HTTP request has to pass before it is answered: it must be meant for this server, come from no other web site, log
 * in where everybody has to, and only read. Every response tells browsers to do nothing with it that it is not for.
 */

import { decodeBase64 } from "../../base/base64.ts";
import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Access } from "../auth/access.ts";
import type { ClientIdentity } from "../auth/access_list.ts";
import { type HttpHandler, textResponse } from "./http_handler.ts";
import type { OwnHosts } from "./own_hosts.ts";

/** What the gate knows. */
export interface GateKeeper {
  readonly access: Access;
  /** Replaced by a reload. */
  readonly ownHosts: OwnHosts;
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

const METHODS = "GET, HEAD";
const CHALLENGE = { "www-authenticate": 'Basic realm="Flare", charset="UTF-8"' };
const BASIC = /^basic +([\w+/=]+)$/i;
const COLON = 0x3a;
/** Longest name or value of a client that an answer repeats. */
const REPEATED_MAX = 80;

/** The handler behind the gate. */
export function gated(keeper: GateKeeper, handler: HttpHandler): HttpHandler {
  return async (request, client) => {
    const response = (await refusal(keeper, request, client)) ?? (await handler(request, client));
    for (const [name, value] of Object.entries(SECURITY)) if (!response.headers.has(name)) response.headers.set(name, value);
    return response;
  };
}

async function refusal(keeper: GateKeeper, request: Request, client: ClientIdentity): Promise<Response | undefined> {
  return (
    refusedHost(keeper.ownHosts, request.headers.get("host")) ??
    refusedOrigin(request.headers) ??
    (await refusedLogin(keeper.access, request.headers.get("authorization"), client)) ??
    refusedMethod(request)
  );
}

/** No browser leaves out the host, so a request without one comes from none. */
function refusedHost(ownHosts: OwnHosts, host: string | null): Response | undefined {
  if (host === null || ownHosts.has(host)) return undefined;
  return textResponse(421, `"${shown(host)}" is not a name of this server: if it is, add it to "http-hosts"\n`);
}

/** Requests that a page of another site makes. Following a link from there is allowed: that page cannot read the answer. */
function refusedOrigin(headers: Headers): Response | undefined {
  const origin = headers.get("origin");
  const host = headers.get("host");
  const isForeign = origin !== null && origin !== `http://${host}` && origin !== `https://${host}`;
  const site = headers.get("sec-fetch-site");
  const isElsewhere = site !== null && site !== "same-origin" && site !== "none";
  if (!isForeign && (!isElsewhere || headers.get("sec-fetch-mode") === "navigate")) return undefined;
  return textResponse(403, `requests of other web sites are refused: this one comes from "${shown(origin ?? site ?? "")}"\n`);
}

async function refusedLogin(access: Access, given: string | null, client: ClientIdentity): Promise<Response | undefined> {
  if (!access.mustLogIn(client)) return undefined;
  const credentials = given === null ? undefined : basicCredentials(given);
  if (credentials === undefined) return textResponse(401, "log in as a user of this server\n", CHALLENGE);
  if (access.verify(credentials.user, credentials.password, client.peer)) return undefined;
  await new Promise<void>((resolve) => access.afterDelay(resolve));
  // Who tries passwords has to connect for each of them.
  return textResponse(401, "wrong name or password\n", { ...CHALLENGE, connection: "close" });
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

function refusedMethod({ method, headers }: Request): Response | undefined {
  if (method !== "GET" && method !== "HEAD") {
    return textResponse(405, `"${shown(method)}" is not supported, only ${METHODS}\n`, { allow: METHODS });
  }
  const hasBody = headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0;
  return hasBody ? textResponse(413, "a request must not have a body here\n", { connection: "close" }) : undefined;
}

function shown(text: string): string {
  return text.slice(0, REPEATED_MAX).replace(/[^\x20-\x7e]/g, "?");
}
