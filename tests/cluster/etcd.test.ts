/**
 * Index servers whose map is in etcd, a real one: they take over from each other, serve on while it is away, resolve what
 * they do not know, log in and speak TLS.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { HostPort } from "../../lib/base/host_port.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { Etcd, withoutEtcd } from "../support/etcd_server.ts";
import { ask, failureOf, type IndexScene, keysOf, node, REFUSED, until, withScene } from "../support/index_scene.ts";
import { leadInTurn, workSlowly } from "../support/map_service_tests.ts";
import { TcpRelay } from "../support/tcp_relay.ts";
import { certificatePath } from "../support/test_certificates.ts";

const runtime = detectRuntime({ programName: "test", logLevel: "error" });
const withEtcd = (etcd: Promise<Etcd>, test: (scene: IndexScene, etcd: Etcd) => Promise<void>) => withScene("etcd", etcd, test);

describe("index servers on etcd", { skip: withoutEtcd, timeout: 300_000 }, () => {
  it("keep their map there; the first one leads, and another one when that stops; the history has both", () =>
    withEtcd(Etcd.start(), leadInTurn));

  it("serve their map while etcd is away, say so, and go on afterwards", () =>
    withEtcd(Etcd.start(), async (scene, etcd) => {
      const server = await scene.start(scene.newDirectory());
      await ask(server, node(1));
      await etcd.kill();
      await until("the fault is seen", () => server.leadership.failingSeconds > 0);
      assertMatch(await ask(server, node(2)), REFUSED);
      assertStringIncludes(await ask(server, "stats nodes\r\n"), "STAT 127.0.0.1:1:role proxy");
      assert(!(await ask(server, "stats\r\n")).includes("STAT index_db_failing_seconds 0\r\n"));
      const text =
        "error the stored node map is out of reach: the cluster serves on, without changes and failovers: no member of";
      assertEquals(scene.logged.filter((line) => line.startsWith(text)).length, 1);
      await etcd.revive();
      await until("it is over", () => server.leadership.failingSeconds === 0 && server.leadership.isLeading);
      assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
      assert(scene.logged.some((line) => line.startsWith("notice the stored node map is in reach again, after ")));
    }));

  it("read back a store whose answer is lost, and store it once", () =>
    withEtcd(Etcd.start(), async (scene, etcd) => {
      const relay = await TcpRelay.start(etcd.members[0] as HostPort);
      try {
        const server = await scene.start(scene.newDirectory(), { indexDb: scene.url([relay.address]) });
        relay.swallowsAnswerTo = "/v3/kv/txn";
        assertStringIncludes(await ask(server, node(1)), "NODE 127.0.0.1 1 ");
        assertEquals([relay.swallowed, server.nodeMap.version], [1, 1]);
        const { kvs } = await etcd.ask("/v3/kv/range", { key: btoa("/flare/test") });
        // One store is the start's, one the node's.
        assertEquals((kvs as { version: string }[])[0]?.version, "2");
        assert(scene.logged.some((line) => line.startsWith("warning storing node map 1 failed, the map is stored: etcd at ")));
      } finally {
        relay.close();
      }
    }));

  it("do not start as a cluster without nodes when their map is gone, damaged or older than known", () =>
    withEtcd(Etcd.start(), async (scene, etcd) => {
      const directory = scene.newDirectory();
      const key = btoa("/flare/test");
      const first = await scene.start(directory);
      await ask(first, node(1));
      const { kvs } = await etcd.ask("/v3/kv/range", { key });
      const { value } = (kvs as { value: string }[])[0] as { value: string };
      await ask(first, node(2));
      await first.stop();
      await etcd.ask("/v3/kv/put", { key, value });
      const older = await failureOf(() => scene.start(directory));
      assertStringIncludes(
        older,
        'under "/flare/test" has version 1, and this index server has seen version 2; restore etcd, ',
      );
      assertStringIncludes(older, `; to accept it, remove "${join(directory, "etcd.known")}"`);
      await etcd.ask("/v3/kv/put", { key: btoa("/flare/test"), value: btoa("garbage") });
      const damaged = 'CORRUPT the node map in etcd under "/flare/test" is damaged: ';
      assertStringIncludes(await failureOf(() => scene.start(directory)), damaged);
      await etcd.ask("/v3/kv/deleterange", { key: btoa("/flare/test") });
      const mark = join(directory, "etcd.known");
      const message = await failureOf(() => scene.start(directory));
      assertStringIncludes(
        message,
        'CORRUPT the node map in etcd under "/flare/test" is missing; restore etcd, or get the map of ',
      );
      assertStringIncludes(message, `to start a cluster without nodes, remove the key and "${mark}"`);
      await runtime.files.remove(mark);
      assertEquals((await scene.start(directory)).nodeMap.nodes, []);
    }));

  it("need most members of etcd, whichever these are", () =>
    withEtcd(Etcd.start(3), async (scene, etcd) => {
      const server = await scene.start(scene.newDirectory());
      for (const member of [0, 1, 2]) {
        await etcd.kill(member);
        let answer = await ask(server, node(member + 1));
        for (let tries = 0; tries < 60 && REFUSED.test(answer); tries++) {
          await new Promise((resolve) => setTimeout(resolve, 250));
          answer = await ask(server, node(member + 1));
        }
        assertStringIncludes(answer, `NODE 127.0.0.1 ${member + 1} `);
        await etcd.revive(member);
      }
      await etcd.kill(0);
      await etcd.kill(1);
      assertMatch(await ask(server, node(9)), REFUSED);
      assertEquals(keysOf(server), [1, 2, 3]);
    }));

  it("serve their map while etcd's disk quota is used up, and change it again when there is room", () =>
    withEtcd(Etcd.start(1, false, { "quota-backend-bytes": String(1 << 20) }), async (scene, etcd) => {
      const server = await scene.start(scene.newDirectory());
      await ask(server, node(1));
      const key = btoa("/filler");
      const value = btoa("x".repeat(1 << 16));
      const full = async (): Promise<string> => {
        for (;;) await etcd.ask("/v3/kv/put", { key, value });
      };
      assertStringIncludes(await failureOf(full), "database space exceeded");
      assertMatch(await ask(server, node(2)), REFUSED);
      assert(scene.logged.some((line) => /^error failed to add node: etcd at .* database space exceeded$/.test(line)));
      assertStringIncludes(await ask(server, "stats nodes\r\n"), "STAT 127.0.0.1:1:role proxy");
      assertEquals([server.leadership.isLeading, server.leadership.failingSeconds], [true, 0]);
      const { header } = await etcd.ask("/v3/kv/range", { key });
      await etcd.ask("/v3/kv/compaction", { revision: (header as { revision: string }).revision, physical: true });
      await etcd.ask("/v3/maintenance/defragment", {});
      const { alarms } = await etcd.ask("/v3/maintenance/alarm", { action: "GET" });
      const { memberID } = (alarms as { memberID: string }[])[0] as { memberID: string };
      await etcd.ask("/v3/maintenance/alarm", { action: "DEACTIVATE", memberID, alarm: "NOSPACE" });
      assertStringIncludes(await ask(server, node(3)), "NODE 127.0.0.1 3 ");
      assertEquals(keysOf(server), [1, 3]);
    }));

  it("work slowly with an etcd that answers after a second, and without one that takes longer than two", () =>
    withEtcd(Etcd.start(), workSlowly));

  it("put their newer map back where an older one was restored while they run", () =>
    withEtcd(Etcd.start(), async (scene, etcd) => {
      const server = await scene.start(scene.newDirectory());
      await ask(server, node(1));
      const key = btoa("/flare/test");
      const { kvs } = await etcd.ask("/v3/kv/range", { key });
      const { value } = (kvs as { value: string }[])[0] as { value: string };
      await ask(server, node(2));
      await etcd.ask("/v3/kv/put", { key, value });
      await until("it is noticed", () => scene.logged.some((line) => line.includes("keeping the current version 2")));
      assertEquals(keysOf(server), [1, 2]);
      assertStringIncludes(await ask(server, node(3)), "NODE 127.0.0.1 3 ");
      const stored = await etcd.ask("/v3/kv/range", { key });
      const text = atob(((stored.kvs as { value: string }[])[0] as { value: string }).value);
      assertStringIncludes(text, "<version>3</version>");
      assertStringIncludes(text, "<count>3</count>");
    }));

  it("log in, again when etcd has forgotten it, and say if they cannot", () =>
    withEtcd(Etcd.start(), async (scene, etcd) => {
      await etcd.demandLogin("flare", "geheim");
      const directory = scene.newDirectory();
      const file = (content: string) => {
        const path = join(directory, "users");
        writeFileSync(path, content);
        return path;
      };
      assertStringIncludes(await failureOf(() => scene.start(directory)), "REFUSED etcd at ");
      const wrong = await failureOf(() => scene.start(directory, { indexDbAuthFile: file("flare:wrong\n") }));
      assertStringIncludes(wrong, 'refused: login as "flare": ');
      const server = await scene.start(directory, { indexDbAuthFile: file("flare:geheim\n") });
      assertStringIncludes(await ask(server, node(1)), "NODE 127.0.0.1 1 ");
      await etcd.kill();
      await etcd.revive();
      assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
    }));

  it("speak TLS with a client certificate", () =>
    withEtcd(Etcd.start(1, true), async (scene) => {
      const directory = scene.newDirectory();
      const indexDbCaCert = certificatePath("ca.pem");
      const own = { indexDbCert: certificatePath("operator.pem"), indexDbKey: certificatePath("operator.key") };
      const server = await scene.start(directory, { indexDbCaCert, ...own });
      assertStringIncludes(await ask(server, node(1)), "NODE 127.0.0.1 1 ");
      const stranger = { ...own, indexDbCaCert: certificatePath("stranger_ca.pem") };
      for (const options of [stranger, { indexDbCaCert }, {}]) {
        const failure = await failureOf(() => scene.start(scene.newDirectory(), options));
        assertStringIncludes(failure, "no member of etcd answers: ");
      }
    }));
});
