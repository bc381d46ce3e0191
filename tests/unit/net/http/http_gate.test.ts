/**
 * What HTTP requests have to pass before they are answered.
 *
 * Covers lib/net/http/http_handler.ts.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { base64 } from "../../../../lib/base/base64.ts";
import { fromLatin1 } from "../../../../lib/base/bytes.ts";
import { Access } from "../../../../lib/net/auth/access.ts";
import { gated } from "../../../../lib/net/http/http_gate.ts";
import { routes, textResponse } from "../../../../lib/net/http/http_handler.ts";
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

interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly path?: string;
  readonly peer?: string;
}

class World {
  readonly access: Access;
  readonly network: PlayedNetwork;
  ownHosts = new OwnHosts("127.0.0.1", ["db1"], "");
  /** Requests that came through. */
  answered = 0;

  private constructor(access: Access, network: PlayedNetwork) {
    this.access = access;
    this.network = network;
  }

  static async start(options: Partial<typeof ACCESS> = {}): Promise<World> {
    const files = new MemoryFiles();
    files.write("/users", fromLatin1("ann:s:cret\nb\xe9a:\xff\n"));
    const network = new PlayedNetwork();
    return new World(await Access.open({ ...network.runtime, files }, { ...ACCESS, ...options }), network);
  }

  ask({ headers = {}, method = "GET", path = "/", peer = "192.0.2.1:5" }: Ask = {}): Promise<Response> {
    const handler = gated(
      this,
      routes({
        "/": async () => {
          this.answered++;
          return textResponse(200, "ok\n");
        },
      }),
    );
    const request = new Request(`http://localhost${path}`, { method, headers: { host: "localhost:80", ...headers } });
    return handler(request, { peer, user: undefined, certificateName: undefined });
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
    assertEquals([response.status, await response.text()], [404, "there is nothing at this path; there is /\n"]);
    assertEquals(await world.status({ path: "/?a=b" }), 200);
  });
});
