/**
 * Index servers whose map is in etcd, a real one: they take over from each other, serve on while it is away, resolve what
 * they do not know, log in and speak TLS.
 *
 * Covers lib/index_server/coordinator_choice.ts.
 */

import { writeFileSync } from "node:fs";
import { createServer, connect as dial, type Server } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { FlareError } from "../../lib/base/errors.ts";
import { formatHostPort } from "../../lib/base/host_port.ts";
import { type IndexSettings, indexServerOptions } from "../../lib/index_server/index_options.ts";
import { type RunningIndex, startIndexServer } from "../../lib/index_server/index_server.ts";
import { detectRuntime } from "../../lib/runtime/detect.ts";
import { Etcd, withoutEtcd } from "../support/etcd_server.ts";
import { freePorts } from "../support/free_ports.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { certificatePath } from "../support/test_certificates.ts";
import { TextClient } from "../support/text_client.ts";

const runtime = detectRuntime({ programName: "test", logLevel: "error" });
const WAIT_MS = 15_000;
/** Nothing listens there: the index server does not ping it in the time of a test. */
const node = (port: number) => `node add 127.0.0.1 ${port}\r\n`;
/** Nothing is stored; after a while it does not lead any more either. */
const REFUSED = /^SERVER_ERROR failed to add node(: no index server leads now)?\r\n$/;

/** Index servers on one etcd, each with a data directory of its own. */
class Scene {
  readonly logged: string[] = [];
  readonly #etcd: Etcd;
  readonly #directories: string[] = [];
  readonly #servers: RunningIndex[] = [];

  constructor(etcd: Etcd) {
    this.#etcd = etcd;
  }

  get url(): string {
    const members = this.#etcd.members.map(({ host, port }) => formatHostPort(host, port));
    return `${this.#etcd.tls === undefined ? "etcd" : "etcds"}://${members.join(",")}/flare/test`;
  }

  newDirectory(): string {
    const directory = makeTemporaryDirectory();
    this.#directories.push(directory);
    return directory;
  }

  async start(dataDir: string, options: Partial<IndexSettings> = {}): Promise<RunningIndex> {
    const log = { write: (level: string, message: string) => void this.logged.push(`${level} ${message}`) };
    const { name, transport, clock, random, files, process } = runtime;
    const settings = indexServerOptions({
      dataDir,
      indexDb: this.url,
      bind: "127.0.0.1",
      serverName: "127.0.0.1",
      serverPort: 0,
      monitorIntervalMs: 86_400_000,
      ...options,
    });
    const server = await startIndexServer({ name, transport, clock, random, files, process, log }, settings);
    this.#servers.push(server);
    return server;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) await server.stop();
    for (const directory of this.#directories) removeTemporaryDirectory(directory);
    await this.#etcd.stop();
  }
}

async function withScene(etcd: Promise<Etcd>, test: (scene: Scene, etcd: Etcd) => Promise<void>): Promise<void> {
  const server = await etcd;
  const scene = new Scene(server);
  try {
    await test(scene, server);
  } finally {
    await scene.close();
  }
}

async function ask(server: RunningIndex, text: string): Promise<string> {
  const client = await TextClient.connect(runtime, server.addresses[0]);
  try {
    await client.send(text);
    return await client.until((received) => /(OK|END|ERROR[^\r]*)\r\n$/.test(received), WAIT_MS);
  } finally {
    client.close();
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!condition()) {
    assert(performance.now() < endMs, `not in ${WAIT_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function failureOf(work: () => Promise<unknown>): Promise<string> {
  const { code, message } = (await assertRejects(work, FlareError)) as FlareError;
  return `${code} ${message}`;
}

const keysOf = (server: RunningIndex) => server.nodeMap.nodes.map(({ port }) => port);

describe("index servers on etcd", { skip: withoutEtcd, timeout: 300_000 }, () => {
  it("keep their map there; the first one leads, and another one when that stops", () =>
    withScene(Etcd.start(), async (scene) => {
      const directory = scene.newDirectory();
      const first = await scene.start(directory);
      assertStringIncludes(await ask(first, node(1)), "NODE 127.0.0.1 1 2 0 -1 0 16\r\n");
      await first.stop();
      const again = await scene.start(directory);
      assertEquals([keysOf(again), again.leadership.term], [[1], 2]);
      const second = await scene.start(scene.newDirectory());
      assertEquals([second.leadership.isLeading, second.leadership.leader?.address], [false, again.address]);
      assertStringIncludes(await ask(second, node(2)), "NODE 127.0.0.1 2 2 0 -1 0 17\r\n");
      assertEquals(
        [keysOf(again), keysOf(second)],
        [
          [1, 2],
          [1, 2],
        ],
      );
      await again.stop();
      await until("the other one leads", () => second.leadership.isLeading);
      assertEquals(second.leadership.term, 3);
      assertStringIncludes(await ask(second, node(3)), "NODE 127.0.0.1 3 2 0 -1 0 18\r\n");
    }));

  it("serve their map while etcd is away, say so, and go on afterwards", () =>
    withScene(Etcd.start(), async (scene, etcd) => {
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
    withScene(Etcd.start(), async (scene, etcd) => {
      const relay = await Relay.start(etcd.members[0]?.port as number);
      try {
        const server = await scene.start(scene.newDirectory(), { indexDb: `etcd://127.0.0.1:${relay.port}/flare/test` });
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

  it("do not start as a cluster without nodes when their map is gone or damaged", () =>
    withScene(Etcd.start(), async (scene, etcd) => {
      const directory = scene.newDirectory();
      await (await scene.start(directory)).stop();
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
    withScene(Etcd.start(3), async (scene, etcd) => {
      const server = await scene.start(scene.newDirectory());
      for (const member of [0, 1, 2]) {
        await etcd.kill(member);
        let answer = await ask(server, node(member + 1));
        for (let tries = 0; tries < 40 && REFUSED.test(answer); tries++) answer = await ask(server, node(member + 1));
        assertStringIncludes(answer, `NODE 127.0.0.1 ${member + 1} `);
        await etcd.revive(member);
      }
      await etcd.kill(0);
      await etcd.kill(1);
      assertMatch(await ask(server, node(9)), REFUSED);
      assertEquals(keysOf(server), [1, 2, 3]);
    }));

  it("log in, again when etcd has forgotten it, and say if they cannot", () =>
    withScene(Etcd.start(), async (scene, etcd) => {
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
    withScene(Etcd.start(1, true), async (scene) => {
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

describe("the option index-db", () => {
  it("is checked together with what belongs to it", async () => {
    const directory = makeTemporaryDirectory();
    const file = join(directory, "file");
    writeFileSync(file, "u:p\n");
    const cases: readonly (readonly [options: Partial<IndexSettings>, message: string])[] = [
      [
        { indexDb: "zookeeper://h:1/c" },
        'must begin with "file://", "etcd://" or "etcds://", or be "memory://", not "zookeeper://h:1/c"',
      ],
      [{ indexDb: "etcd://h:1" }, 'option "index-db": "etcd://h:1" names no key; it is etcd://HOST:PORT[,HOST:PORT]/KEY'],
      [{ indexDb: "etcd://h:1/" }, "names no key"],
      [{ indexDb: "etcd:///k" }, 'has no server ""'],
      [{ indexDb: "etcd://h:1,b:x/k" }, 'has no server "b:x"'],
      [{ indexDb: "etcd://h:1,b:0/k" }, 'has no server "b:0"'],
      [
        { indexDbAuthFile: file },
        'option "index-db-auth-file" has no effect: "index-db" does not begin with etcd:// or etcds://',
      ],
      [{ indexDb: "etcd://h:1/k", indexDbCaCert: file }, 'option "index-db-ca-cert" has no effect'],
      [{ indexDb: "etcds://h:1/k", indexDbCert: file }, 'options "index-db-cert" and "index-db-key": one needs the other'],
      [{ indexDb: "etcds://h:1/k", indexDbCaCert: file }, `option "index-db-ca-cert": "${file}" contains no PEM "CERTIFICATE"`],
      [{ indexDb: "etcd://h:1/k", indexDbAuthFile: `${file}s` }, `option "index-db-auth-file": file "${file}s" does not exist`],
    ];
    try {
      for (const [options, message] of cases) {
        const failure = await failureOf(() =>
          startIndexServer(runtime, indexServerOptions({ dataDir: directory, ...options })),
        );
        assertStringIncludes(failure, "INVALID_OPTION ");
        assertStringIncludes(failure, message);
      }
    } finally {
      removeTemporaryDirectory(directory);
    }
  });
});

/** Passes connections on; the answer to one request gets lost, with its connection. */
class Relay {
  /** The path of that request. */
  swallowsAnswerTo: string | undefined;
  swallowed = 0;
  readonly #server: Server;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = dial(port, "127.0.0.1");
      let swallows = false;
      near.on("data", (bytes) => {
        if (this.swallowsAnswerTo !== undefined && bytes.toString("latin1").includes(this.swallowsAnswerTo)) {
          this.swallowsAnswerTo = undefined;
          swallows = true;
        }
        far.write(bytes);
      });
      far.on("data", (bytes) => {
        if (!swallows) return void near.write(bytes);
        this.swallowed++;
        near.destroy();
      });
      near.on("error", () => far.destroy());
      far.on("error", () => near.destroy());
      near.on("close", () => far.destroy());
      far.on("close", () => near.end());
    });
  }

  get port(): number {
    return (this.#server.address() as { readonly port: number }).port;
  }

  static async start(port: number): Promise<Relay> {
    const relay = new Relay(port);
    const own = await freePorts(1);
    await new Promise<void>((resolve) => relay.#server.listen(own, "127.0.0.1", resolve));
    return relay;
  }

  close(): void {
    this.#server.close();
  }
}
