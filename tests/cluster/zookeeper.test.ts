/**
 * Index servers whose map is in ZooKeeper, a real one, where the original's have it: they share its znodes and its lock, take
 * over from each other, serve on while it is away or slow, resolve what they do not know, log in and speak TLS.
 *
 * Covers lib/index_server/zookeeper/znode_lock.ts and lib/index_server/zookeeper/zookeeper_election.ts.
 */

import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { EMPTY_BYTES, fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import type { HostPort } from "../../lib/base/host_port.ts";
import { decodeFlareXml, encodeFlareXml } from "../../lib/cluster/flare_xml.ts";
import { createNodeMap } from "../../lib/cluster/node_map.ts";
import {
  ANY_VERSION,
  ANYBODY,
  create,
  exists,
  getChildren,
  getData,
  Kind,
  remove,
  setData,
} from "../../lib/index_server/zookeeper/requests.ts";
import { ZooKeeperClient } from "../../lib/index_server/zookeeper/zookeeper_client.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { ask, failureOf, type IndexScene, keysOf, node, REFUSED, until, withScene } from "../support/index_scene.ts";
import { leadInTurn, workSlowly } from "../support/map_service_tests.ts";
import { TcpRelay } from "../support/tcp_relay.ts";
import { removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { certificatePath } from "../support/test_certificates.ts";
import { withoutZooKeeper, ZooKeeper } from "../support/zookeeper_server.ts";

const runtime = detectRuntime({ programName: "test", logLevel: "error" });
const withZooKeeper = (zooKeeper: Promise<ZooKeeper>, test: (scene: IndexScene, zooKeeper: ZooKeeper) => Promise<void>) =>
  withScene("zookeeper", zooKeeper, test);

const INDEX = "/flare/test/index";
const NODEMAP = `${INDEX}/nodemap`;
const LOCK = `${INDEX}/lock`;

/** The content of a znode. */
async function contentOf(zooKeeper: ZooKeeper, path: string): Promise<string | undefined> {
  const found = await zooKeeper.ask(getData(path));
  return found.ok ? latin1(found.value.data) : undefined;
}

async function childrenOf(zooKeeper: ZooKeeper, path: string): Promise<string[]> {
  const found = await zooKeeper.ask(getChildren(path));
  return found.ok ? found.value.sort() : [];
}

/** Makes the znodes as the original's tool does, with this map. */
async function layOut(zooKeeper: ZooKeeper, map: string): Promise<void> {
  const paths = ["/flare", "/flare/test", INDEX, LOCK, `${INDEX}/meta`, `${INDEX}/primary`, `${INDEX}/servers`];
  for (const path of paths) assert((await zooKeeper.ask(create(path, EMPTY_BYTES, ANYBODY))).ok);
  assert((await zooKeeper.ask(create(NODEMAP, fromLatin1(map), ANYBODY))).ok);
}

/** A session of the test's own, as another index server's. */
async function withSession<T>(zooKeeper: ZooKeeper, work: (client: ZooKeeperClient) => Promise<T>): Promise<T> {
  const nothing = () => undefined;
  const client = new ZooKeeperClient(runtime, zooKeeper, { onConnect: nothing, onDisconnect: nothing, onWatch: nothing });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

describe("index servers on ZooKeeper", { skip: withoutZooKeeper, timeout: 300_000 }, () => {
  it("keep their map there; the first one leads, and another one when that stops; the history has both", () =>
    withZooKeeper(ZooKeeper.start(), leadInTurn));

  it("make the original's znodes, list themselves, and write a map that the original reads", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const server = await scene.start(scene.newDirectory(), { serverPort: 20_001 });
      await ask(server, node(1));
      const own = ["flare-kv-history", "flare-kv-leader", "flare-kv-term"];
      assertEquals(await childrenOf(zooKeeper, INDEX), [...own, "lock", "meta", "nodemap", "primary", "servers"]);
      assertEquals(await childrenOf(zooKeeper, LOCK), []);
      assertEquals(await childrenOf(zooKeeper, `${INDEX}/servers`), ["127.0.0.1:20001"]);
      const text = (await contentOf(zooKeeper, NODEMAP)) as string;
      // What the original reads is its own text; ours is behind it.
      const end = "</boost_serialization>\n\n";
      const originals = encodeFlareXml(
        createNodeMap(
          server.nodeMap.version,
          server.nodeMap.nodes.map(({ data: _, ...rest }) => rest),
          17,
        ),
      );
      assert(text.startsWith(originals.slice(0, -end.length)), text);
      assertMatch(
        text.slice(originals.length - end.length),
        /^(<flare_kv_\w+>\w+<\/flare_kv_\w+>\n)+<\/boost_serialization>\n\n$/,
      );
      await server.stop();
      assertEquals(await childrenOf(zooKeeper, `${INDEX}/servers`), []);
      assertEquals((await zooKeeper.ask(exists(`${INDEX}/flare-kv-leader`))).ok, false);
    }));

  it("take over the original's map, and what it stores later, and keep their term", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const empty = encodeFlareXml(createNodeMap(7, [], 16));
      await layOut(zooKeeper, empty);
      const server = await scene.start(scene.newDirectory());
      assertEquals([server.nodeMap.version, server.leadership.term], [7, 1]);
      await ask(server, node(1));
      // The original replaces the text without what it does not know.
      const { nodes } = server.nodeMap;
      const others = createNodeMap(
        20,
        nodes.map(({ data: _, ...rest }) => rest),
        17,
      );
      await zooKeeper.ask(setData(NODEMAP, fromLatin1(encodeFlareXml(others)), ANY_VERSION));
      await until("it has the original's map", () => server.nodeMap.version === 20);
      assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
      assertEquals(decodeFlareXml((await contentOf(zooKeeper, NODEMAP)) as string).version, 21);
      await zooKeeper.ask(setData(NODEMAP, fromLatin1(encodeFlareXml(others)), ANY_VERSION));
      await server.stop();
      const next = await scene.start(scene.newDirectory());
      assertEquals(next.leadership.term, 2);
    }));

  it("say what the original's tool has stored about partitioning, and refuse what they cannot do", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      await layOut(zooKeeper, "");
      await zooKeeper.ask(create(`${INDEX}/meta/partition-size`, fromLatin1("512"), ANYBODY));
      const server = await scene.start(scene.newDirectory(), { partitionSize: 2048 });
      assertStringIncludes(await ask(server, "meta\r\n"), "META partition-size 512\r\n");
      // As in the original, the options are shown as they were given.
      assertMatch(await ask(server, "show variables\r\n"), /\npartition_size: +2048\r\n/);
      assert(scene.logged.some((line) => line.startsWith('notice "partition-size" is 512, ')));
      await zooKeeper.ask(setData(`${INDEX}/meta/partition-size`, fromLatin1("many"), ANY_VERSION));
      const failure = await failureOf(() => scene.start(scene.newDirectory()));
      assertStringIncludes(failure, 'INVALID_OPTION "partition-size", stored beside the node map: "many" is not ');
    }));

  it("start on the empty map that the original's tool has made", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      await layOut(zooKeeper, "");
      const server = await scene.start(scene.newDirectory());
      assertStringIncludes(await ask(server, node(1)), "NODE 127.0.0.1 1 ");
    }));

  it("store under the original's lock: they wait for it, and say who has it for too long", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const server = await scene.start(scene.newDirectory());
      await withSession(zooKeeper, async (client) => {
        const uuid = "ffffffff-ffff-4fff-8fff-ffffffffffff";
        const taken = await client.ask(create(`${LOCK}/${uuid}-lock-`, EMPTY_BYTES, ANYBODY, Kind.ephemeralSequential));
        assert(taken.ok);
        const asked = ask(server, node(1));
        const waiting = async () => (await childrenOf(zooKeeper, LOCK)).length === 2;
        while (!(await waiting())) await new Promise((resolve) => setTimeout(resolve, 20));
        // The original reads, changes and stores without a look at the version.
        const others = createNodeMap(30, [], 16);
        await client.ask(setData(NODEMAP, fromLatin1(encodeFlareXml(others)), ANY_VERSION));
        await client.ask(remove(taken.value));
        assertStringIncludes(await asked, "NODE 127.0.0.1 1 ");
        assertEquals([server.nodeMap.version, keysOf(server)], [31, [1]]);
        const again = await client.ask(create(`${LOCK}/${uuid}-lock-`, EMPTY_BYTES, ANYBODY, Kind.ephemeralSequential));
        assert(again.ok);
        assertMatch(await ask(server, node(2), 30_000), REFUSED);
        const text = `error failed to add node: ZooKeeper: "${again.value}" has had the lock for 15000 ms`;
        assert(scene.logged.includes(text), scene.logged.join("\n"));
      });
      assertEquals(await childrenOf(zooKeeper, LOCK), []);
      assertStringIncludes(await ask(server, node(3)), "NODE 127.0.0.1 3 ");
      assertEquals(keysOf(server), [1, 3]);
    }));

  it("serve their map while ZooKeeper is away, say so, and go on afterwards", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const server = await scene.start(scene.newDirectory());
      await ask(server, node(1));
      await zooKeeper.kill();
      await until("the fault is seen", () => server.leadership.failingSeconds > 0);
      assertMatch(await ask(server, node(2)), REFUSED);
      assertStringIncludes(await ask(server, "stats nodes\r\n"), "STAT 127.0.0.1:1:role proxy");
      const text =
        "error the stored node map is out of reach: the cluster serves on, without changes and failovers: ZooKeeper: ";
      assertEquals(scene.logged.filter((line) => line.startsWith(text)).length, 1);
      await zooKeeper.revive();
      await until("it is over", () => server.leadership.failingSeconds === 0 && server.leadership.isLeading);
      assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
      assert(scene.logged.some((line) => line.startsWith("notice the stored node map is in reach again, after ")));
    }));

  it("need most servers of ZooKeeper, whichever these are, and none that stands still", () =>
    withZooKeeper(ZooKeeper.start({ count: 3 }), async (scene, zooKeeper) => {
      const server = await scene.start(scene.newDirectory());
      const added = async (port: number) => {
        let answer = "";
        for (let tries = 0; tries < 60 && !answer.startsWith("NODE "); tries++) {
          if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 250));
          answer = await ask(server, node(port), 30_000);
        }
        assert(keysOf(server).includes(port), answer);
      };
      for (const index of [0, 1, 2]) {
        await zooKeeper.kill(index);
        await added(index + 1);
        await zooKeeper.revive(index);
        await zooKeeper.paused(index, () => added(index + 4));
      }
      await zooKeeper.kill(0);
      await zooKeeper.kill(1);
      await until("the fault is seen", () => server.leadership.failingSeconds > 0);
      assertMatch(await ask(server, node(9), 30_000), REFUSED);
      assertEquals(keysOf(server), [1, 2, 3, 4, 5, 6]);
    }));

  it("read back a store whose answer is lost, and store it once", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const relay = await TcpRelay.start(zooKeeper.members[0] as HostPort);
      try {
        const server = await scene.start(scene.newDirectory(), { indexDb: scene.url([relay.address]) });
        const before = await zooKeeper.ask(exists(NODEMAP));
        relay.swallowsAnswerTo = "</boost_serialization>";
        assertStringIncludes(await ask(server, node(1)), "NODE 127.0.0.1 1 ");
        const after = await zooKeeper.ask(exists(NODEMAP));
        assert(before.ok && after.ok);
        assertEquals([relay.swallowed, server.nodeMap.version, after.value.version - before.value.version], [1, 1, 1]);
        const text = "warning storing node map 1 failed, the map is stored: ZooKeeper: no answer, ";
        assert(
          scene.logged.some((line) => line.startsWith(text)),
          scene.logged.join("\n"),
        );
        assertEquals(await childrenOf(zooKeeper, LOCK), []);
      } finally {
        relay.close();
      }
    }));

  it("leave no lock behind when the answer to taking it is lost", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const relay = await TcpRelay.start(zooKeeper.members[0] as HostPort);
      try {
        const server = await scene.start(scene.newDirectory(), { indexDb: scene.url([relay.address]) });
        relay.swallowsAnswerTo = "-lock-";
        assertMatch(await ask(server, node(1)), REFUSED);
        assertEquals(relay.swallowed, 1);
        assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
        assertEquals(await childrenOf(zooKeeper, LOCK), []);
      } finally {
        relay.close();
      }
    }));

  it("go on in another session when theirs has expired, and are listed once more", () =>
    withZooKeeper(ZooKeeper.start({ sessionMsMax: 2000 }), async (scene, zooKeeper) => {
      const relay = await TcpRelay.start(zooKeeper.members[0] as HostPort);
      try {
        const indexDb = scene.url([relay.address]);
        const server = await scene.start(scene.newDirectory(), { indexDb, serverPort: 20_002 });
        await ask(server, node(1));
        const ownerOf = async (path: string) => {
          const found = await zooKeeper.ask(exists(path));
          return found.ok ? found.value.owner : undefined;
        };
        const listed = `${INDEX}/servers/127.0.0.1:20002`;
        const before = [await ownerOf(listed), await ownerOf(`${INDEX}/flare-kv-leader`)];
        relay.cut(true);
        while ((await ownerOf(listed)) !== undefined) await new Promise((resolve) => setTimeout(resolve, 100));
        assertEquals(await ownerOf(`${INDEX}/flare-kv-leader`), undefined);
        assertEquals(server.leadership.isLeading, false);
        relay.cut(false);
        await until("it leads again", () => server.leadership.isLeading && server.leadership.failingSeconds === 0);
        assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
        const after = [await ownerOf(listed), await ownerOf(`${INDEX}/flare-kv-leader`)];
        assertEquals(after.includes(undefined), false);
        assert(after.every((owner) => !before.includes(owner)));
        assertEquals(server.leadership.term, 2);
      } finally {
        relay.close();
      }
    }));

  it("keep the lead in sessions that are shorter than leader-lease", () =>
    withZooKeeper(ZooKeeper.start({ sessionMsMax: 2000 }), async (scene) => {
      const server = await scene.start(scene.newDirectory(), { leaderLeaseMs: 60_000 });
      for (let passedMs = 0; passedMs < 4000; passedMs += 100) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        assertEquals(server.leadership.isLeading, true);
      }
      assertEquals(server.leadership.term, 1);
    }));

  it("work slowly with a ZooKeeper that answers after a second, and without one that takes longer than two", () =>
    withZooKeeper(ZooKeeper.start(), workSlowly));

  it("do not start as a cluster without nodes when their map is gone, damaged or older than known", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const directory = scene.newDirectory();
      const known = join(directory, "zookeeper.known");
      const first = await scene.start(directory);
      await ask(first, node(1));
      const older = fromLatin1((await contentOf(zooKeeper, NODEMAP)) as string);
      await ask(first, node(2));
      await first.stop();
      const refusals: readonly (readonly [change: () => Promise<unknown>, problem: string])[] = [
        [
          () => zooKeeper.ask(setData(NODEMAP, older, ANY_VERSION)),
          "has version 1, and this index server has seen version 2; ",
        ],
        [() => zooKeeper.ask(setData(NODEMAP, fromLatin1("garbage"), ANY_VERSION)), "is damaged: "],
        [() => zooKeeper.ask(setData(NODEMAP, EMPTY_BYTES, ANY_VERSION)), "is empty; "],
        [() => zooKeeper.ask(remove(NODEMAP)), "is missing; restore ZooKeeper, or get the map of a running node ("],
      ];
      for (const [change, problem] of refusals) {
        await change();
        const failure = await failureOf(() => scene.start(directory));
        assertStringIncludes(failure, `CORRUPT the node map in ZooKeeper under "${NODEMAP}" ${problem}`);
      }
      // What is known of no map does not go for a new cluster either.
      const other = await failureOf(() => scene.start(scene.newDirectory()));
      assertStringIncludes(other, `is missing, while "${INDEX}" is there; `);
      assertStringIncludes(other, `to start a cluster without nodes, remove "${INDEX}" and "`);
      await zooKeeper.ask(create(NODEMAP, older, ANYBODY));
      await runtime.files.remove(known);
      assertEquals(keysOf(await scene.start(directory)), [1]);
    }));

  it("put their newer map back where an older one was restored while they run", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const server = await scene.start(scene.newDirectory());
      await ask(server, node(1));
      const older = fromLatin1((await contentOf(zooKeeper, NODEMAP)) as string);
      await ask(server, node(2));
      await zooKeeper.ask(setData(NODEMAP, older, ANY_VERSION));
      await until("it is noticed", () => scene.logged.some((line) => line.includes("keeping the current version 2")));
      assertEquals(keysOf(server), [1, 2]);
      await ask(server, node(3));
      assertEquals(decodeFlareXml((await contentOf(zooKeeper, NODEMAP)) as string).nodes.length, 3);
    }));

  it("do not lead on the map of a backup of ZooKeeper, which does not know their session either, until it is repaired", () =>
    withZooKeeper(ZooKeeper.start({ sessionMsMax: 2000 }), async (scene, zooKeeper) => {
      const server = await scene.start(scene.newDirectory());
      await ask(server, node(1));
      const backup = scene.newDirectory();
      await zooKeeper.kill();
      cpSync(zooKeeper.dataDirectory(), backup, { recursive: true });
      await zooKeeper.revive();
      const isWell = () => server.leadership.isLeading && server.leadership.failingSeconds === 0;
      await until("it leads again", isWell);
      assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
      await zooKeeper.kill();
      await until("the fault is seen", () => server.leadership.failingSeconds > 0);
      removeTemporaryDirectory(zooKeeper.dataDirectory());
      cpSync(backup, zooKeeper.dataDirectory(), { recursive: true });
      await zooKeeper.revive();
      // It lost the lead while ZooKeeper was away, and takes none on a map that it knows to be old.
      const problem = `cannot take the lead: the node map in ZooKeeper under "${NODEMAP}" has version 1, and this index`;
      await until("it says why it does not lead", () => scene.logged.some((line) => line.includes(problem)));
      await new Promise((resolve) => setTimeout(resolve, 2000));
      assertEquals(scene.logged.filter((line) => line.includes(problem)).length, 1);
      assertEquals([server.leadership.isLeading, ...keysOf(server)], [false, 1, 2]);
      assertMatch(await ask(server, node(3)), REFUSED);
      // What an operator does: the map of a running server, one version later.
      const { nodes, nextThreadType } = server.nodeMap;
      const repaired = fromLatin1(encodeFlareXml(createNodeMap(3, nodes, nextThreadType)));
      await zooKeeper.ask(setData(NODEMAP, repaired, ANY_VERSION));
      await until("it leads once more", isWell);
      assertStringIncludes(await ask(server, node(3)), "NODE 127.0.0.1 3 ");
      assertEquals(decodeFlareXml((await contentOf(zooKeeper, NODEMAP)) as string).nodes.length, 3);
    }));

  it("log in, and give what they make to their user alone", () =>
    withZooKeeper(ZooKeeper.start(), async (scene, zooKeeper) => {
      const directory = scene.newDirectory();
      const users = join(directory, "users");
      const started = (content: string, dataDir: string) => {
        writeFileSync(users, content);
        return scene.start(dataDir, { indexDbAuthFile: users });
      };
      const server = await started("flare:geheim\n", directory);
      assertStringIncludes(await ask(server, node(1)), "NODE 127.0.0.1 1 ");
      const refused = `REFUSED ZooKeeper refused "${NODEMAP}": no permission`;
      assertEquals(await failureOf(() => zooKeeper.ask(getData(NODEMAP))), refused);
      assertStringIncludes(await failureOf(() => scene.start(scene.newDirectory())), "REFUSED ZooKeeper refused ");
      assertStringIncludes(await failureOf(() => started("flare:wrong\n", scene.newDirectory())), ": no permission");
      const own = await zooKeeper.ask(getData(NODEMAP), { user: "flare", password: "geheim" });
      assert(own.ok && decodeFlareXml(latin1(own.value.data)).nodes.length === 1);
      await zooKeeper.kill();
      await zooKeeper.revive();
      await until("it leads again", () => server.leadership.isLeading && server.leadership.failingSeconds === 0);
      assertStringIncludes(await ask(server, node(2)), "NODE 127.0.0.1 2 ");
    }));

  it("speak TLS with a client certificate", () =>
    withZooKeeper(ZooKeeper.start({ secure: true }), async (scene) => {
      const indexDbCaCert = certificatePath("ca.pem");
      const own = { indexDbCert: certificatePath("operator.pem"), indexDbKey: certificatePath("operator.key") };
      const server = await scene.start(scene.newDirectory(), { indexDbCaCert, ...own });
      assertStringIncludes(await ask(server, node(1)), "NODE 127.0.0.1 1 ");
      const stranger = { ...own, indexDbCaCert: certificatePath("stranger_ca.pem") };
      for (const options of [stranger, { indexDbCaCert }, {}]) {
        const failure = await failureOf(() => scene.start(scene.newDirectory(), options));
        assertStringIncludes(failure, "CONNECTION_FAILED ZooKeeper: no server answers, ");
      }
    }));
});
