/**
 * All routes of a daemon, with every method there is: without the token nothing changes and no data is read, whoever asks; a
 * page of another site gets nothing at all, with the token or without.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../../lib/base/bytes.ts";
import { NodeRole } from "../../../lib/cluster/node.ts";
import { Access } from "../../../lib/net/auth/access.ts";
import { healthRoutes, ready } from "../../../lib/net/http/health.ts";
import { type GatedHandler, gated } from "../../../lib/net/http/http_gate.ts";
import { actionsOf, type HttpRoutes } from "../../../lib/net/http/http_handler.ts";
import { HttpTokens } from "../../../lib/net/http/http_tokens.ts";
import { OwnHosts } from "../../../lib/net/http/own_hosts.ts";
import { metricsRoute } from "../../../lib/stats/metrics/metrics_route.ts";
import { WebService, webRoutes } from "../../../lib/web/web_service.ts";
import { PlayedCluster, playedMap } from "../../support/played_cluster.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

const TOKEN = "0123456789abcdefghij";
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "get", "MERGE"];
const CLIENT = { peer: "192.0.2.1:5", user: undefined, certificateName: undefined };
const NODE = "127.0.0.1:11";
const BODIES = [
  "",
  "{}",
  JSON.stringify({ verb: "down", nodes: [NODE], confirm: true }),
  JSON.stringify({ key64: "YQ", value64: "YQ" }),
];
/** What may be asked of a cluster by those who only look. */
const LOOK = / > stats( \w+)?$/;

class World {
  readonly network = new PlayedNetwork();
  readonly cluster = new PlayedCluster(this.network);
  readonly routes: HttpRoutes;
  readonly handler: GatedHandler;
  readonly service: WebService;

  private constructor(access: Access, tokens: HttpTokens, token: string) {
    this.cluster.figures.set(NODE, { "": {} });
    this.cluster.figures.set("127.0.0.1:1", { "": {} });
    this.service = new WebService({
      runtime: this.network.runtime,
      kind: "index",
      address: { host: "127.0.0.1", port: 1 },
      indexServers: [{ host: "127.0.0.1", port: 1 }],
      nodeMap: playedMap(3, [[11, NodeRole.master, 0]]),
      changesAllowed: token !== "",
      tlsClient: undefined,
    });
    this.routes = {
      ...healthRoutes(() => ready("it is")),
      ...metricsRoute([], () => ({})),
      ...webRoutes(() => this.service),
    };
    this.handler = gated({ access, tokens, ownHosts: new OwnHosts("127.0.0.1", [], "") }, this.routes);
  }

  static async start(token: string): Promise<World> {
    const { runtime, files } = new PlayedNetwork();
    files.write("/token", fromLatin1(TOKEN));
    const options = { authFile: "", authExempt: "", authTimeoutMs: 1, clusterUser: "", adminAccess: "any", adminAddress: "" };
    const { clock: manual } = runtime;
    // A refusal is delayed, and nobody moves the clock meanwhile.
    const clock = {
      nowMs: () => manual.nowMs(),
      monotonicMs: () => manual.monotonicMs(),
      setTimer: (callback: () => void) => setTimeout(callback, 0),
      clearTimer: () => undefined,
      defer: (callback: () => void) => manual.defer(callback),
    };
    const quick = { ...runtime, clock };
    const tokens = new HttpTokens(quick);
    if (token !== "") await tokens.open("/token");
    return new World(await Access.open(quick, { ...options, requestTimeoutMs: 1 }), tokens, token);
  }

  /** Asks, and lets happen what happens then; the status. */
  async ask(method: string, path: string, headers: Readonly<Record<string, string>>, body: string): Promise<number> {
    const request = new Request(`http://localhost${path}`, {
      method: method === "get" ? "GET" : method,
      headers: { host: "localhost", ...headers },
    });
    const asked = this.handler(request, CLIENT, async (bytesMax) => (body.length > bytesMax ? undefined : fromLatin1(body)));
    const response = await this.network.during(asked);
    await response.body?.cancel();
    await this.network.settle();
    return response.status;
  }
}

describe("all routes of a daemon", () => {
  for (const token of ["", TOKEN]) {
    it(`change nothing without the token, ${token === "" ? "where there is none" : "which there is"}`, async () => {
      const world = await World.start(token);
      const paths = Object.keys(world.routes);
      assert(paths.length > 10 && paths.includes("/api/change") && paths.includes("/api/item"), `${paths}`);
      const given: Readonly<Record<string, string>>[] = [
        {},
        { "flare-token": "" },
        { "flare-token": "wrong-wrong-wrong-wrong" },
        { authorization: `Bearer ${TOKEN}` },
        { cookie: `flare-token=${TOKEN}` },
        { "x-http-method-override": "POST", "flare-token": TOKEN.slice(1) },
      ];
      for (const path of paths) {
        const actions = actionsOf(world.routes[path] as HttpRoutes[string]);
        for (const method of METHODS) {
          for (const headers of given) {
            for (const body of BODIES) {
              const query = path === "/api/item" || path === "/api/scan" ? `${path}?key=a&flare-token=${TOKEN}` : path;
              const status = await world.ask(method, query, { "content-type": "application/json", ...headers }, body);
              const isLook = ["GET", "HEAD", "get"].includes(method) && actions.GET !== undefined && !actions.GET.needsToken;
              const expected = isLook ? [200, 503] : [403, 405];
              assert(expected.includes(status), `${method} ${path} ${JSON.stringify(headers)}: ${status}`);
            }
          }
        }
      }
      const others = world.cluster.requests.filter((request) => !LOOK.test(request));
      assertEquals(others, []);
      assert(world.network.logged.every((line) => !line.includes("audit")));
      // With the token it would have got there.
      await world.ask("DELETE", "/api/item?key=a", { "flare-token": TOKEN }, "");
      assertEquals(world.cluster.asked(NODE, "delete a"), token === "" ? 0 : 1);
      world.service.stop();
    });
  }

  it("are closed to pages of other sites, with the token or without", async () => {
    const world = await World.start(TOKEN);
    const foreign = [
      { origin: "http://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" },
      { host: "evil.example" },
      { host: "evil.example", origin: "http://evil.example" },
    ];
    for (const path of Object.keys(world.routes)) {
      for (const method of METHODS) {
        for (const headers of foreign) {
          const all = { "content-type": "application/json", "flare-token": TOKEN, ...headers };
          const status = await world.ask(method, path, all, BODIES[2] as string);
          assert([403, 421].includes(status), `${method} ${path} ${JSON.stringify(headers)}: ${status}`);
        }
      }
    }
    assertEquals(world.cluster.requests, []);
    world.service.stop();
  });

  it("have nothing that changes something by GET, and no body where none is wanted", async () => {
    const world = await World.start(TOKEN);
    for (const [path, route] of Object.entries(world.routes)) {
      const actions = actionsOf(route);
      assertEquals(
        Object.keys(actions).filter((method) => !["GET", "POST", "PUT", "DELETE"].includes(method)),
        [],
        path,
      );
      assertEquals(actions.GET?.bodyBytesMax, undefined, path);
    }
    world.service.stop();
  });
});
