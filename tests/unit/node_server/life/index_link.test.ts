/** A node and several index servers: which one it asks, and what it makes of one that knows no leader. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../../../lib/base/errors.ts";
import { LEADER_SILENT, NO_LEADER } from "../../../../lib/cluster/index_leader.ts";
import { createNode, NodeRole, NodeState } from "../../../../lib/cluster/node.ts";
import { IndexLink } from "../../../../lib/node_server/life/index_link.ts";
import { PlayedNetwork } from "../../../support/played_network.ts";
import { cutRequest } from "../../../support/request_stream.ts";

const SELF = { host: "n", port: 7 };
const SLAVE = createNode({
  host: "s",
  port: 8,
  role: NodeRole.slave,
  state: NodeState.active,
  partition: 0,
  balance: 1,
  threadType: 17,
});
const LEADERLESS = `SERVER_ERROR failed to set state: ${NO_LEADER}`;
const SILENT = `SERVER_ERROR failed to set state: ${LEADER_SILENT}`;

/** Index servers that answer from a script: `a`, `b` and `c`. */
class Scene {
  readonly network = new PlayedNetwork();
  /** What was asked, in order: `<server> <request>`. */
  readonly asked: string[] = [];
  readonly link: IndexLink;

  /** @param answers of a server to a request, without line end; undefined: the connection breaks */
  constructor(answers: (server: string, request: string, attempt: number) => string | undefined) {
    const attempts = new Map<string, number>();
    this.network.onConnect = (key, far) => {
      const server = key.slice(0, 1);
      far.onReceived = () => {
        for (let request = cutRequest(far.received); request !== undefined; request = cutRequest(far.received)) {
          far.received = far.received.slice(request.length);
          const command = request.trimEnd();
          this.asked.push(`${server} ${command}`);
          const attempt = (attempts.get(`${server} ${command}`) ?? 0) + 1;
          attempts.set(`${server} ${command}`, attempt);
          const answer = answers(server, command, attempt);
          if (answer === undefined) far.close();
          else far.send(`${answer}\r\n`);
        }
      };
    };
    const servers = ["a", "b", "c"].map((host) => ({ host, port: 1 }));
    this.link = new IndexLink(this.network.runtime, servers, SELF, {
      connectTimeoutMs: 1000,
      replyTimeoutMs: 1000,
      queueBytesMax: 65_536,
      replyBytesMax: 65_536,
    });
  }

  /** The result of `work`, and how long that took. */
  async outcome<T>(work: Promise<T>): Promise<readonly [T, ms: number]> {
    const startMs = this.network.clock.monotonicMs();
    let isDone = false;
    const end = () => {
      isDone = true;
    };
    work.then(end, end);
    await this.network.passUntil(() => isDone, 60_000);
    return [await work, this.network.clock.monotonicMs() - startMs];
  }
}

describe("a node with several index servers", () => {
  it("asks the next one when one breaks off or knows no leader, and all of them again after a pause", async () => {
    const scene = new Scene((server, _request, attempt) => {
      if (server === "a") return undefined;
      if (attempt < 3) return server === "b" ? LEADERLESS : SILENT;
      return server === "b" ? LEADERLESS : "OK";
    });
    assertEquals(await scene.outcome(scene.link.tellState("active")), [true, 1000]);
    const round = ["a", "b", "c"].map((server) => `${server} node state n 7 active`);
    assertEquals(scene.asked, [...round, ...round, ...round]);
  });

  it("believes a refusal, and gives up after a while without a leader", async () => {
    const refused = new Scene((server) => (server === "a" ? LEADERLESS : "SERVER_ERROR failed to set state"));
    assertEquals(await refused.outcome(refused.link.tellState("active")), [false, 0]);
    assertEquals(refused.asked.length, 2);
    const leaderless = new Scene(() => LEADERLESS);
    assertEquals(await leaderless.outcome(leaderless.link.tellProxy()), [false, 9500]);
  });

  it("takes a change of the in-sync set for undecided when nobody leads", async () => {
    const answers = [LEADERLESS, SILENT, "SERVER_ERROR node map version is 5, not 4"];
    const scene = new Scene((server) => answers["abc".indexOf(server)]);
    const [answer] = await scene.outcome(scene.link.changeSet(SLAVE, "prepare", 4));
    assertEquals(answer, { kind: "outdated", version: 5 });
    const undecided = new Scene((server) => (server === "b" ? undefined : SILENT));
    assertEquals(await undecided.outcome(undecided.link.changeSet(SLAVE, "active", 4)), [undefined, 0]);
  });

  it("is taken out of service as soon as there is a leader, and does not wait for servers that are away", async () => {
    const scene = new Scene((server, _request, attempt) => {
      if (server !== "c") return undefined;
      return attempt < 4 ? `SERVER_ERROR failed to shutdown: ${NO_LEADER}` : "OK";
    });
    assertEquals(await scene.outcome(scene.link.tellShutdown()), [true, 1500]);
    const away = new Scene(() => undefined);
    assertEquals(await away.outcome(away.link.tellShutdown()), [false, 0]);
  });

  it("joins when there is a leader", async () => {
    const scene = new Scene((server, request, attempt) => {
      if (request === "meta") return "META partition-size 1024\r\nEND";
      if (server === "b" && attempt === 2) return "NODE n 7 2 0 -1 0 16\r\nEND";
      return `SERVER_ERROR failed to add node: ${NO_LEADER}`;
    });
    const [{ map }, ms] = await scene.outcome(scene.link.join({ id: "ab12", kind: "new", openings: [] }));
    assertEquals([map.nodes.map(({ key }) => key), ms], [["n:7"], 500]);
  });

  it("finds the newest map, also if the servers that follow are behind", async () => {
    const versions = { a: 4, b: 6, c: 7 } as const;
    const scene = new Scene((server, request) => {
      if (request === "stats") return `STAT node_map_version ${versions[server as "a"]}\r\nEND`;
      return [..."role slave,state active,partition 0,balance 1,thread_type 16".split(",")]
        .map((text) => `STAT s:8:${text}\r\n`)
        .join("")
        .concat("END");
    });
    for (const [own, found, servers] of [
      [4, 4, "a"],
      [5, 6, "ab"],
      [7, 7, "abc"],
      [9, 7, "abc"],
    ] as const) {
      scene.asked.length = 0;
      assertEquals((await scene.outcome(scene.link.mapVersion(own)))[0], found);
      assertEquals(
        scene.asked,
        [...servers].map((server) => `${server} stats`),
      );
    }
    assertEquals((await scene.outcome(scene.link.fetchMap(6)))[0]?.version, 7);
    assertEquals((await scene.outcome(scene.link.fetchMap(4)))[0]?.version, 6);
    const away = new Scene(() => undefined);
    await assertRejects(() => away.outcome(away.link.mapVersion(1)), FlareError);
  });
});
