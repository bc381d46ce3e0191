/**
 * What HTTP requests have to pass before they are answered.
 *
 * Covers lib/net/http/http_handler.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { base64 } from "../../../../lib/base/base64.ts";
import { fromLatin1, latin1 } from "../../../../lib/base/bytes.ts";
import { Access } from "../../../../lib/net/auth/access.ts";
import { gated } from "../../../../lib/net/http/http_gate.ts";
import { type HttpHandler, type HttpMethod, textResponse } from "../../../../lib/net/http/http_handler.ts";
import { HttpTokens } from "../../../../lib/net/http/http_tokens.ts";
import { OwnHosts } from "../../../../lib/net/http/own_hosts.ts";
import { MemoryFiles } from "../../../support/memory_files.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";

const ACCESS = {
  authFile: "",
  authExempt: "",
  authTimeoutMs: 1000,
  clusterUser: "",
  adminAccess: "any",
  adminAddress: "",
  requestTimeoutMs: 1000,
};

const TOKEN = "0123456789abcdef";

interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly path?: string;
  readonly peer?: string;
  readonly body?: string;
}

class World {
  readonly access: Access;
  readonly network: PlayedNetwork;
  ownHosts = new OwnHosts("127.0.0.1", ["db1"], "");
  /** Requests that came through. */
  answered = 0;
  /** What they brought, and whose they were. */
  readonly bodies: string[] = [];
  readonly users: (string | undefined)[] = [];
  readonly tokens: HttpTokens;

  private constructor(access: Access, network: PlayedNetwork, tokens: HttpTokens) {
    this.access = access;
    this.network = network;
    this.tokens = tokens;
  }

  static async start(options: Partial<typeof ACCESS> = {}, token = ""): Promise<World> {
    const files = new MemoryFiles();
    files.write("/users", fromLatin1("ann:s:cret\nb\xe9a:\xff\n"));
    files.write("/token", fromLatin1(token));
    const network = new PlayedNetwork();
    const runtime = { ...network.runtime, files };
    const tokens = new HttpTokens(runtime);
    if (token !== "") await tokens.open("/token");
    return new World(await Access.open(runtime, { ...ACCESS, ...options }), network, tokens);
  }

  ask({ headers = {}, method = "GET", path = "/", peer = "192.0.2.1:5", body = "" }: Ask = {}): Promise<Response> {
    const handler: HttpHandler = async (_request, client, bytes) => {
      this.answered++;
      this.bodies.push(latin1(bytes));
      this.users.push(client.user);
      return textResponse(200, "ok\n");
    };
    const gate = gated(this, {
      "/": handler,
      "/api/data": { GET: { handler, needsToken: true }, PUT: { handler, bodyBytesMax: 10 }, DELETE: { handler } },
      "/api/change": { POST: { handler, bodyBytesMax: 10 } },
    });
    const request = new Request(`http://localhost${path}`, { method, headers: { host: "localhost:80", ...headers } });
    const client = { peer, user: undefined, certificateName: undefined };
    return gate(request, client, async (bytesMax) => (body.length > bytesMax ? undefined : fromLatin1(body)));
  }

  /** The same, while the delay of a refusal passes. */
  async askLate(ask: Ask): Promise<Response> {
    const asked = this.ask(ask);
    for (let i = 0; i < 20; i++) await Promise.resolve();
    this.network.clock.step(this.network.clock.monotonicMs() + this.access.failureDelayMs);
    return asked;
  }

  async status(ask: Ask = {}): Promise<number> {
    return (await this.ask(ask)).status;
  }
}

function basic(text: string, scheme = "Basic"): Readonly<Record<string, string>> {
  return { authorization: `${scheme} ${base64(fromLatin1(text))}` };
}

describe("the gate of HTTP", () => {
  it("answers a request for this server, with headers that tell browsers to do nothing with it", async () => {
    const world = await World.start();
    const response = await world.ask();
    assertEquals([response.status, await response.text()], [200, "ok\n"]);
    const header = (name: string): string => response.headers.get(name) ?? "";
    assert(header("content-security-policy").startsWith("default-src 'none'"));
    assertEquals(header("x-content-type-options"), "nosniff");
    assertEquals(header("x-frame-options"), "DENY");
    assertEquals(header("referrer-policy"), "no-referrer");
    assertEquals(header("cross-origin-resource-policy"), "same-origin");
    assertEquals(header("cache-control"), "no-store");
    assertEquals(response.headers.get("access-control-allow-origin"), null);
    assertEquals(response.headers.get("server"), null);
  });

  it("refuses hosts that are not this server, whoever asks", async () => {
    const world = await World.start();
    const response = await world.ask({ headers: { host: "evil.example:80" } });
    assertEquals(response.status, 421);
    assertEquals(await response.text(), '"evil.example:80" is not a name of this server: if it is, add it to "http-hosts"\n');
    assert(response.headers.has("content-security-policy"));
    for (const host of ["127.0.0.1.evil.example", "", "db1.evil", "10.0.0.1"]) {
      assertEquals(await world.status({ headers: { host } }), 421, host);
    }
    assertEquals(world.answered, 0);
    assertEquals(await world.status({ headers: { host: "db1" } }), 200);
    world.ownHosts = new OwnHosts("127.0.0.1", [], "evil.example");
    assertEquals(await world.status({ headers: { host: "evil.example:80" } }), 200);
  });

  it("refuses requests of other web sites", async () => {
    const world = await World.start();
    const foreign = [
      { origin: "http://evil.example" },
      { origin: "null" },
      { origin: "http://localhost:81" },
      { origin: "http://localhost" },
      { origin: "ftp://localhost:80" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", origin: "https://evil.example" },
    ];
    for (const headers of foreign) assertEquals(await world.status({ headers }), 403, JSON.stringify(headers));
    assertEquals(world.answered, 0);
    const own = [
      { origin: "http://localhost:80" },
      { origin: "https://localhost:80", "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "none" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
    ];
    for (const headers of own) assertEquals(await world.status({ headers }), 200, JSON.stringify(headers));
  });

  it("asks for a login where there are users, and takes one of theirs", async () => {
    const world = await World.start({ authFile: "/users" });
    const challenge = await world.ask();
    assertEquals([challenge.status, challenge.headers.get("www-authenticate")], [401, 'Basic realm="Flare", charset="UTF-8"']);
    assertEquals(world.access.attempts, 0);
    assertEquals(await world.status({ headers: basic("ann:s:cret") }), 200);
    assertEquals(await world.status({ headers: basic("b\xe9a:\xff", "bASIC") }), 200);
    assertEquals([world.answered, world.access.attempts, world.access.failures], [2, 2, 0]);
  });

  it("delays the answer to a wrong login, which closes the connection", async () => {
    const world = await World.start({ authFile: "/users" });
    for (const wrong of ["ann:secret", "ann:", "nobody:x", ":s:cret", "ann"]) {
      const asked = world.ask({ headers: basic(wrong) });
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const isDelayed = world.network.clock.delaysMs.includes(world.access.failureDelayMs);
      assertEquals(isDelayed, wrong !== "ann", wrong);
      world.network.clock.step(world.network.clock.monotonicMs() + world.access.failureDelayMs);
      const response = await asked;
      assertEquals([response.status, response.headers.get("connection")], [401, wrong === "ann" ? null : "close"], wrong);
    }
    assertEquals([world.answered, world.access.failures], [0, 4]);
  });

  it("takes nothing that is no Basic login for one", async () => {
    const world = await World.start({ authFile: "/users" });
    for (const authorization of [
      "",
      "Basic",
      "Basic ",
      "Basic ***",
      "Bearer abc",
      "Basic YW5u=",
      `Basic ${base64(fromLatin1("ann:s:cret"))} x`,
    ]) {
      assertEquals(await world.status({ headers: { authorization } }), 401, authorization);
    }
    assertEquals([world.answered, world.access.attempts], [0, 0]);
  });

  it("asks nobody to log in who need not by auth-exempt", async () => {
    const world = await World.start({ authFile: "/users", authExempt: "192.0.2.0/24" });
    assertEquals([await world.status(), await world.status({ peer: "198.51.100.1:5" })], [200, 401]);
  });

  it("only reads", async () => {
    const world = await World.start();
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const response = await world.ask({ method });
      assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD"], method);
    }
    for (const headers of [{ "content-length": "5" }, { "transfer-encoding": "chunked" }]) {
      const response = await world.ask({ headers });
      assertEquals([response.status, response.headers.get("connection")], [413, "close"]);
    }
    assertEquals(world.answered, 0);
    assertEquals(await world.status({ method: "HEAD" }), 200);
  });

  it("says which paths there are", async () => {
    const world = await World.start();
    const response = await world.ask({ path: "/favicon.ico" });
    assertEquals(
      [response.status, await response.text()],
      [404, "there is nothing at this path; there is /, /api/data, /api/change\n"],
    );
    assertEquals(await world.status({ path: "/?a=b" }), 200);
  });

  it("says who logged in", async () => {
    const world = await World.start({ authFile: "/users" });
    await world.ask({ headers: basic("ann:s:cret") });
    assertEquals(world.users, ["ann"]);
  });

  it("answers in JSON where everything is JSON", async () => {
    const world = await World.start();
    const response = await world.ask({ path: "/api/change" });
    assertEquals([response.status, response.headers.get("content-type")], [405, "application/json; charset=utf-8"]);
    assertEquals(await response.json(), { error: '"GET" is not supported at this path, only POST' });
    assertEquals((await world.ask({ path: "/api/change", headers: { host: "evil.example" } })).status, 421);
  });
});

describe("a change over HTTP", () => {
  const JSON_TYPE = { "content-type": "application/json" };
  const GOOD = { "flare-token": TOKEN, ...JSON_TYPE };
  const CHANGES = [
    { method: "POST", path: "/api/change", body: "{}" },
    { method: "PUT", path: "/api/data", body: "{}" },
    { method: "DELETE", path: "/api/data" },
    { method: "GET", path: "/api/data" },
    { method: "HEAD", path: "/api/data" },
  ] as const satisfies readonly { method: HttpMethod | "HEAD"; path: string; body?: string }[];

  it("needs the token, as a look at data does", async () => {
    const world = await World.start({}, TOKEN);
    for (const change of CHANGES) {
      assertEquals((await world.ask({ ...change, headers: JSON_TYPE })).status, 403);
      for (const wrong of ["", TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase(), `${TOKEN} ${TOKEN}`, "\xff"]) {
        const response = await world.askLate({ ...change, headers: { ...JSON_TYPE, "flare-token": wrong } });
        assertEquals([response.status, response.headers.get("connection")], [403, "close"], wrong);
      }
      assertEquals(world.answered, 0);
      assertEquals((await world.ask({ ...change, headers: GOOD })).status, 200);
      assertEquals(world.answered, 1);
      world.answered = 0;
    }
    assertEquals(world.bodies, ["{}", "{}", "", "", ""]);
    assert(world.network.logged.every((line) => !line.includes(TOKEN)));
    assert(world.network.logged.some((line) => line.includes('"192.0.2.1:5" gave a wrong token for HTTP')));
  });

  it("is not possible where there is no token", async () => {
    const world = await World.start();
    for (const change of CHANGES) {
      for (const token of ["", "undefined", TOKEN]) {
        assertEquals((await world.ask({ ...change, headers: { ...JSON_TYPE, "flare-token": token } })).status, 403);
      }
    }
    assertEquals(world.answered, 0);
  });

  it("delays the answer to a wrong token", async () => {
    const world = await World.start({}, TOKEN);
    const asked = world.ask({ ...CHANGES[0], headers: { ...JSON_TYPE, "flare-token": "x" } });
    for (let i = 0; i < 20; i++) await Promise.resolve();
    assert(world.network.clock.delaysMs.includes(world.access.failureDelayMs));
    world.network.clock.step(world.network.clock.monotonicMs() + world.access.failureDelayMs);
    assertEquals((await asked).status, 403);
  });

  it("needs a login, too, where everybody does, and a client that admin-access allows", async () => {
    const locked = await World.start({ authFile: "/users" }, TOKEN);
    assertEquals((await locked.ask({ ...CHANGES[0], headers: GOOD })).status, 401);
    assertEquals((await locked.ask({ ...CHANGES[0], headers: { ...GOOD, ...basic("ann:s:cret") } })).status, 200);
    const closed = await World.start({ authFile: "/users", adminAccess: "user:ann,198.51.100.0/24" }, TOKEN);
    const other = basic("b\xe9a:\xff");
    assertEquals((await closed.ask({ ...CHANGES[0], headers: { ...GOOD, ...other } })).status, 403);
    assertEquals((await closed.ask({ ...CHANGES[0], headers: { ...GOOD, ...other }, peer: "198.51.100.1:5" })).status, 200);
    assertEquals((await closed.ask({ ...CHANGES[0], headers: { ...GOOD, ...basic("ann:s:cret") } })).status, 200);
    assertEquals([locked.answered, closed.answered], [1, 2]);
  });

  it("is refused to pages of other sites, with the token or without, however they ask", async () => {
    const world = await World.start({}, TOKEN);
    const foreign = [
      { origin: "http://evil.example" },
      { origin: "null" },
      { origin: "http://localhost:81" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" },
      { origin: "http://evil.example", host: "evil.example" },
    ];
    for (const headers of foreign) {
      for (const change of CHANGES) {
        // A link from there to what needs a token gets no further than that.
        if (change.method !== "GET" && change.method !== "HEAD") {
          const { status } = await world.ask({ ...change, headers: { ...GOOD, ...headers } });
          assert(status === 403 || status === 421, `${change.method} ${JSON.stringify(headers)}: ${status}`);
        }
        const { status } = await world.ask({ ...change, headers: { ...JSON_TYPE, ...headers } });
        assert(status === 403 || status === 421, `${change.method} ${JSON.stringify(headers)}: ${status}`);
      }
      // Nor may they ask beforehand whether they may.
      assertEquals((await world.ask({ method: "OPTIONS", path: "/api/change", headers })).ok, false);
    }
    assertEquals(world.answered, 0);
  });

  it("must be JSON, which no form of another site can send", async () => {
    const world = await World.start({}, TOKEN);
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""]) {
      const headers = { "flare-token": TOKEN, "content-type": type };
      assertEquals((await world.ask({ ...CHANGES[0], headers })).status, 415, type);
    }
    assertEquals(world.answered, 0);
    const headers = { "flare-token": TOKEN, "content-type": "Application/JSON; charset=utf-8" };
    assertEquals((await world.ask({ ...CHANGES[0], headers })).status, 200);
  });

  it("may not be longer than its path allows, said or not", async () => {
    const world = await World.start({}, TOKEN);
    const long = await world.ask({ ...CHANGES[0], headers: { ...GOOD, "content-length": "11" }, body: "x".repeat(11) });
    assertEquals([long.status, long.headers.get("connection")], [413, "close"]);
    const unsaid = await world.ask({
      ...CHANGES[0],
      headers: { ...GOOD, "transfer-encoding": "chunked" },
      body: "x".repeat(11),
    });
    assertEquals([unsaid.status, unsaid.headers.get("connection")], [413, "close"]);
    assertEquals((await world.ask({ ...CHANGES[2], headers: { ...GOOD, "content-length": "1" } })).status, 413);
    assertEquals(world.answered, 0);
    const fitting = await world.ask({
      ...CHANGES[0],
      headers: { ...GOOD, "transfer-encoding": "chunked" },
      body: "x".repeat(10),
    });
    assertEquals(fitting.status, 200);
  });
});
