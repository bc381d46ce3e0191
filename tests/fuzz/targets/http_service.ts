/**
 * Hostile HTTP at a server's HTTP port: whole connections through the runtime's parser, the gate and a handler whose answer is
 * a secret. One place is open, one asks for a login. Whatever comes, what leaves are well-formed responses, and the secret goes
 * only to who may have it.
 */

import { setImmediate } from "node:timers";
import { base64 } from "../../../lib/base/base64.ts";
import { fromLatin1, latin1 } from "../../../lib/base/bytes.ts";
import { Access } from "../../../lib/net/auth/access.ts";
import type { AccessOptions } from "../../../lib/net/auth/access_options.ts";
import { HttpConnection } from "../../../lib/net/http/http_connection.ts";
import { type GatedHandler, gated } from "../../../lib/net/http/http_gate.ts";
import { type HttpHandler, textResponse } from "../../../lib/net/http/http_handler.ts";
import { HttpTokens, TOKEN_HEADER } from "../../../lib/net/http/http_tokens.ts";
import { OwnHosts } from "../../../lib/net/http/own_hosts.ts";
import type { HttpProtocol } from "../../../lib/runtime/runtime.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { detectRuntime } from "../../../mod.ts";
import { USERS } from "../../support/access_world.ts";
import { FakeConnection } from "../../support/fake_connection.ts";
import { MemoryFiles } from "../../support/memory_files.ts";
import { cut } from "../cuts.ts";
import type { FuzzSubject, FuzzTarget, Met } from "../fuzz_target.ts";

const USERS_PATH = "/users";
const ACCESS: AccessOptions = {
  authFile: "",
  authExempt: "",
  authTimeoutMs: 1000,
  clusterUser: "",
  adminAccess: "any",
  adminAddress: "",
  requestTimeoutMs: 1000,
};
const SECRET = "the secret";
const DATA = "the data";
const TOKEN = "0123456789abcdefghij";
const TOKEN_PATH = "/token";
/** The longest body of a change. */
const BODY_BYTES_MAX = 20;
const LOGINS = USERS.trim()
  .split("\n")
  .map((line) => base64(fromLatin1(line)));
/** Turns of the loop after which nothing more leaves. */
const QUIET_TURNS = 4;

const OWN = ["localhost", "127.0.0.1", "[::1]:80", "db1", "DB1.:9"];
const FOREIGN = ["evil.example", "db1.evil.example", "10.0.0.1", "localhost.evil.example:80", "", "a b", "127.0.0.1:x", "::1"];
const METHODS = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "PRI", "get", "G\0T"];
const TARGETS = [
  "/",
  "/api/change",
  "/api/item",
  "/api/item?key=a",
  "/?a=b",
  "/none",
  "//",
  "*",
  "http://evil.example/",
  "http://localhost/",
  "/%00",
  "/../",
  "evil:80",
  "/\xff",
  "",
];
const TOKENS = [TOKEN, TOKEN, TOKEN, TOKEN.slice(1), `${TOKEN}x`, "", "\0"];
const BODIES = [
  "",
  "{}",
  "2\r\n{}\r\n0\r\n\r\n",
  "{",
  "x".repeat(BODY_BYTES_MAX),
  "x".repeat(BODY_BYTES_MAX + 1),
  "x".repeat(70_000),
];
const SMUGGLED = ["abc", "3\r\nabc\r\n0\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"];
const VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 x", "http/1.1", ""];

/** The statuses there are, those of the parsers among them. */
const STATUSES = new Set([100, 200, 400, 401, 403, 404, 405, 413, 415, 417, 421, 431]);

export const httpServiceTarget: FuzzTarget = {
  name: "http_service",
  oracle:
    "every answer is well-formed, what only a user, or a client of this server's own name, may see goes to nobody else, " +
    "and only who has the token changes something or sees data",
  async open() {
    const runtime = detectRuntime({ logLevel: "error" });
    const files = new MemoryFiles();
    files.write(USERS_PATH, fromLatin1(USERS));
    files.write(TOKEN_PATH, fromLatin1(TOKEN));
    const clock = { ...bound(runtime.clock), setTimer: (callback: () => void) => setImmediate(callback) };
    const silent = { ...runtime, files, clock, log: { write: () => undefined } };
    const tokens = new HttpTokens(silent);
    await tokens.open(TOKEN_PATH);
    const places = [
      new Place("open", await Access.open(silent, ACCESS), tokens),
      new Place("locked", await Access.open(silent, { ...ACCESS, authFile: USERS_PATH }), tokens),
      new Place("unchangeable", await Access.open(silent, ACCESS), new HttpTokens(silent)),
    ];
    return new HttpServiceSubject(runtime.http as HttpProtocol, places);
  },
};

function bound(clock: ReturnType<typeof detectRuntime>["clock"]) {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    clearTimer: (timer: object) => clock.clearTimer(timer),
    defer: (callback: () => void) => clock.defer(callback),
  };
}

/** A server that is open, or asks for a login. */
class Place {
  readonly name: string;
  readonly access: Access;
  readonly ownHosts = new OwnHosts("127.0.0.1", ["db1"], "");
  readonly tokens: HttpTokens;
  /** The bodies of the changes that came through. */
  readonly changes: string[] = [];
  readonly handler: GatedHandler;

  constructor(name: string, access: Access, tokens: HttpTokens) {
    this.name = name;
    this.access = access;
    this.tokens = tokens;
    const change: HttpHandler = async (_request, _client, body) => {
      this.changes.push(latin1(body));
      return textResponse(200, "changed\n");
    };
    const look: HttpHandler = async () => textResponse(200, `${DATA}\n`);
    this.handler = gated(this, {
      "/": async () => textResponse(200, `${SECRET}\n`),
      "/api/change": { POST: { handler: change, bodyBytesMax: BODY_BYTES_MAX } },
      "/api/item": {
        GET: { handler: look, needsToken: true },
        PUT: { handler: change, bodyBytesMax: BODY_BYTES_MAX },
        DELETE: { handler: change },
      },
    });
  }

  monotonicMs(): number {
    return 1;
  }

  unexpected(error: unknown): void {
    throw error;
  }
}

class HttpServiceSubject implements FuzzSubject {
  readonly #http: HttpProtocol;
  readonly #places: readonly Place[];
  // The runtimes' own parsers keep what they like.
  readonly judgesMemory = false;

  constructor(http: HttpProtocol, places: readonly Place[]) {
    this.#http = http;
    this.#places = places;
  }

  generate(random: SimRandom): Uint8Array {
    return fromLatin1(Array.from({ length: random.between(1, 3) }, () => requestText(random)).join(""));
  }

  async run(input: Uint8Array, random: SimRandom): Promise<Met> {
    const place = random.pick(this.#places);
    place.changes.length = 0;
    const far = new FakeConnection();
    const faults: unknown[] = [];
    const host = {
      handler: place.handler,
      monotonicMs: () => 1,
      unexpected: (error: unknown) => faults.push(error),
    };
    let ended = 0;
    const connection = new HttpConnection(this.#http, far, host, () => ended++);
    connection.onOpen();
    for (const chunk of cut(input, random)) {
      if (far.closed || far.destroyed) break;
      connection.onData(chunk.slice());
    }
    await quiet();
    const text = latin1(input);
    const wrong = faults.length > 0 ? String(faults[0]) : faultOf(place, text, far.text);
    const statuses = wrong === "" ? statusesIn(far.text) : [];
    connection.onClose();
    await quiet();
    if (wrong !== "" || ended !== 1) {
      throw new Error(`${place.name}: ${wrong || "it has not ended"}; it was sent ${JSON.stringify(text)}`);
    }
    const changed = place.changes.length > 0 ? [`${place.name} changed`] : [];
    return new Set([...statuses.map((status) => `${place.name} ${status}`), ...changed]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What must not be. */
function faultOf({ name, changes }: Place, sent: string, answer: string): string {
  const isAllowed = name !== "unchangeable" && sent.includes(TOKEN) && sent.toLowerCase().includes(`${TOKEN_HEADER}:`);
  if (changes.length > 0 && !isAllowed) return "a change without the token";
  if (changes.some((body) => body.length > BODY_BYTES_MAX)) return "a change with a body that is too long";
  if (name === "locked" && changes.length > 0 && !LOGINS.some((login) => sent.includes(login)))
    return "a change without a login";
  if (answer.includes(DATA) && !isAllowed) return "data without the token";
  let statuses: number[];
  try {
    statuses = statusesIn(answer);
  } catch (error) {
    return `malformed answer (${error}): ${JSON.stringify(answer)}`;
  }
  const strange = statuses.find((status) => !STATUSES.has(status));
  if (strange !== undefined) return `status ${strange}`;
  if (!answer.includes(SECRET)) return "";
  if (name === "locked" && !LOGINS.some((login) => sent.includes(login))) return "the secret without a login";
  const lower = sent.toLowerCase();
  const hasOwn = OWN.some((host) => lower.includes(host.toLowerCase())) || lower.includes("::1]") || lower.includes("127.");
  // Without a host at all it comes from no browser.
  const heads = lower.split(/\r?\n\r?\n/).filter((head) => head !== "");
  if (heads.every((head) => /^host\s*:/m.test(head)) && !hasOwn) return "the secret under a strange name";
  return "";
}

/** The statuses of the responses in an answer, the last of which may be cut off. @throws Error if they are not well-formed */
function statusesIn(answer: string): number[] {
  const statuses: number[] = [];
  for (let rest = answer; rest !== ""; ) {
    const end = rest.indexOf("\r\n\r\n");
    const [first = "", ...lines] = rest.slice(0, Math.max(0, end)).split("\r\n");
    const [, status] = /^HTTP\/1\.1 (\d{3}) [A-Za-z ]+$/.exec(first) ?? [];
    if (status === undefined) throw new Error(`begins with ${JSON.stringify(rest.slice(0, 60))}`);
    if (!lines.every((line) => /^[A-Za-z-]+: [\x20-\x7e]*$/.test(line))) throw new Error("a header");
    statuses.push(Number(status));
    rest = rest.slice(end + 4);
    const length = Number(/^content-length: (\d+)$/im.exec(lines.join("\n"))?.[1] ?? 0);
    // The answer to HEAD has no body; an empty one of unknown length is one chunk.
    if (rest.startsWith("0\r\n\r\n")) rest = rest.slice(5);
    else if (rest !== "" && !rest.startsWith("HTTP/1.1 ")) {
      if (length === 0 || rest.length < length) throw new Error("a body of another length");
      rest = rest.slice(length);
    }
  }
  return statuses;
}

async function quiet(): Promise<void> {
  for (let turn = 0; turn < QUIET_TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

function requestText(random: SimRandom): string {
  const isChange = random.chance(0.3);
  const usual = isChange ? ["POST", "PUT", "DELETE", "GET"] : ["GET", "HEAD"];
  const method = random.chance(0.7) ? random.pick(usual) : random.pick(METHODS);
  const target = random.chance(0.7) ? (isChange ? random.pick(["/api/change", "/api/item"]) : "/") : random.pick(TARGETS);
  const version = random.chance(0.8) ? "HTTP/1.1" : random.pick(VERSIONS);
  const host = random.chance(0.6) ? random.pick(OWN) : random.pick(FOREIGN);
  const lines = [`${method} ${target} ${version}`];
  if (random.chance(0.9)) lines.push(`${random.pick(["Host", "host", "HOST"])}: ${host}`);
  for (let i = random.between(0, 3); i > 0; i--) lines.push(headerLine(random, host));
  const body = isChange ? random.pick(BODIES) : random.chance(0.1) ? random.pick(SMUGGLED) : "";
  if (isChange) {
    if (random.chance(0.7)) lines.push(`${random.pick(["flare-token", "Flare-Token"])}: ${random.pick(TOKENS)}`);
    if (random.chance(0.8)) lines.push(`Content-Type: ${random.pick(["application/json", "application/json", "text/plain"])}`);
    const isChunked = body.startsWith("2\r\n");
    if (random.chance(0.9)) lines.push(isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`);
  }
  const lineEnd = random.chance(0.95) ? "\r\n" : random.pick(["\n", "\r", "\r\r\n"]);
  return `${lines.join(lineEnd)}${lineEnd}${lineEnd}${body}`;
}

function headerLine(random: SimRandom, host: string): string {
  const login = random.pick([...LOGINS, base64(fromLatin1("alice:wrong")), "***", ""]);
  return random.pick([
    `Authorization: ${random.pick(["Basic", "basic", "Bearer", ""])} ${login}`,
    `Origin: ${random.pick([`http://${host}`, "http://evil.example", "null", ""])}`,
    `Sec-Fetch-Site: ${random.pick(["same-origin", "cross-site", "none", "x"])}`,
    `Host: ${random.pick([...OWN, ...FOREIGN])}`,
    `Content-Length: ${random.pick(["0", "3", "-1", "3, 3", "999999999999999999999"])}`,
    `Transfer-Encoding: ${random.pick(["chunked", "gzip", "chunked, gzip", "\x0bchunked"])}`,
    `Connection: ${random.pick(["close", "keep-alive", "upgrade", "x"])}`,
    `Upgrade: ${random.pick(["websocket", "h2c"])}`,
    `Expect: ${random.pick(["100-continue", "x"])}`,
    `X: ${"y".repeat(random.pick([0, 100, 20000]))}`,
    " folded: a",
    `Na me: ${random.pick(["a", "\0", "\xff"])}`,
  ]);
}
