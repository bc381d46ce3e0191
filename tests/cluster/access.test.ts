/**
 * Clusters with logins: everything between the servers works as without, clients and operators log in, forbidden requests are
 * refused, and the users change at run time.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import memjs from "memjs";
import { ClusterAdmin } from "../../lib/admin/cluster_admin.ts";
import { verifyCluster } from "../../lib/admin/verify.ts";
import { concatBytes, latin1 } from "../../lib/base/bytes.ts";
import { dumpItems } from "../../lib/client/dump.ts";
import { NodeRole } from "../../lib/cluster/node.ts";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import { RunningNode } from "../../lib/node_server/node_server.ts";
import type { Address, Connection, Runtime } from "../../lib/runtime/runtime.ts";
import { Client, FlareError, startIndexServer } from "../../mod.ts";
import { ClosedCluster, connectAs, loginOf, recordingRuntime, USERS, writeUsers } from "../support/access_world.ts";
import { describePackets, packet } from "../support/binary_packets.ts";
import { clientRuntime, HOST, waitUntil } from "../support/daemon.ts";
import { startOpenCluster } from "../support/open_servers.ts";
import { runProgram, startProgram } from "../support/spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";

const KEYS = Array.from({ length: 60 }, (_, number) => `key-${number}`);
const ALICE = { user: "alice", password: "secret" };
const BOSS = { user: "boss", password: "chief" };

function addressOf(node: { readonly port: number } | undefined): { host: string; port: number } {
  return { host: HOST, port: node?.port ?? 0 };
}

describe("a cluster whose servers all ask who is there", () => {
  let runtime: Runtime;
  let cluster: LocalCluster;
  let directory: string;
  let closed: ClosedCluster;

  before(async () => {
    closed = await ClosedCluster.start({
      ...{ partitions: 2, slaves: 1, nodes: 5, replicationType: "sync", monitorIntervalMs: 100 },
      access: { adminAccess: "user:boss" },
    });
    ({ runtime, cluster, directory } = closed);
  });

  after(() => closed.stop());

  it("proxies and replicates", async () => {
    const proxy = new Client({ runtime, ...addressOf(cluster.nodes[4]), ...ALICE });
    for (const key of KEYS) assertEquals(await proxy.set(key, `value of ${key}`), "STORED");
    for (const node of cluster.nodes) {
      const client = new Client({ runtime, ...addressOf(node), ...ALICE });
      assertEquals((await client.getMany(KEYS)).length, KEYS.length, node.key);
      client.close();
    }
    proxy.close();
    for (const [master, slave] of [
      [0, 1],
      [2, 3],
    ] as const) {
      const [there, here] = [cluster.nodes[master]?.storage.stats().items, cluster.nodes[slave]?.storage.stats().items];
      assertEquals(here, there);
    }
  });

  it("turns away who says nothing or something wrong", async () => {
    for (const address of [cluster.indexAddress, ...cluster.addresses]) {
      const stranger = await TextClient.connect(runtime, address);
      assertEquals(await stranger.ask("stats\r\n"), "CLIENT_ERROR unauthenticated\r\n");
      assertEquals(await stranger.ask(loginOf("alice", "Secret")), "CLIENT_ERROR authentication failure\r\n");
      stranger.close();
    }
    const silent = new Client({ runtime, ...addressOf(cluster.nodes[0]) });
    await assertRejects(() => silent.get("key-0"), FlareError, "unauthenticated");
    silent.close();
    const wrong = new Client({ runtime, ...addressOf(cluster.nodes[0]), user: "alice", password: "wrong" });
    const error = await assertRejects(() => wrong.get("key-0"), FlareError, 'with "CLIENT_ERROR authentication failure"');
    assert(!(error as Error).message.includes("wrong"));
    wrong.close();
  });

  it("serves memjs by SASL", async () => {
    const { user: username, password } = ALICE;
    const client = memjs.Client.create(`${HOST}:${cluster.nodes[4]?.port}`, { username, password, retries: 0 });
    assertEquals(await client.set("by memjs", "a value", { expires: 0 }), true);
    assertEquals(latin1((await client.get("by memjs")).value ?? new Uint8Array(0)), "a value");
    client.close();
    const stranger = memjs.Client.create(`${HOST}:${cluster.nodes[4]?.port}`, { username, password: "wrong", retries: 0 });
    await assertRejects(() => stranger.get("by memjs"));
    stranger.close();
  });

  it("serves operators who log in", async () => {
    const admin = new ClusterAdmin({ runtime, indexServer: cluster.indexAddress, ...BOSS });
    assertEquals((await admin.nodeMap()).nodes.length, 5);
    const report = await verifyCluster(admin, {});
    assertEquals(report.findings.length, 0);
    let items = 0;
    for await (const batch of dumpItems(runtime, addressOf(cluster.nodes[0]), {}, admin.connection)) items += batch.length;
    assert(items > 0);
    admin.close();
    const index = `${cluster.indexAddress.host}:${cluster.indexAddress.port}`;
    writeFileSync(join(directory, "password"), "chief\n", { mode: 0o600 });
    const verb = ["stats", "-i", index];
    const listed = await runProgram("flare", [...verb, "--user", "boss", "--password-file", join(directory, "password")]);
    assertEquals(listed.status, 0, listed.stderr);
    assertStringIncludes(listed.stdout, cluster.nodes[0]?.key ?? "?");
    assertEquals((await runProgram("flare", verb, { FLARE_USER: "boss", FLARE_PASSWORD: "chief" })).status, 0);
    const refused = await runProgram("flare", verb);
    assertEquals(refused.status, 1);
    assertStringIncludes(refused.stderr, "unauthenticated");
    assertEquals((await runProgram("flare", [...verb, "--user", "boss"])).status, 2);
  });

  it("copies to a new slave and goes on when a master stops", async () => {
    const [master, slave] = cluster.nodes;
    const spare = cluster.nodes[4];
    assert(master !== undefined && slave !== undefined && spare !== undefined);
    await cluster.addSlave(spare, 0);
    assertEquals(spare.storage.stats().items, master.storage.stats().items);
    await master.stop();
    await waitUntil(() => slave.role === NodeRole.master || spare.role === NodeRole.master, "a slave takes over");
    const client = new Client({ runtime, ...addressOf(cluster.nodes[2]), ...ALICE });
    for (const key of KEYS) assertEquals(await client.set(key, "later"), "STORED");
    assertEquals((await client.getMany(KEYS)).length, KEYS.length);
    client.close();
  });

  it("counts attempts and failures", async () => {
    const client = await connectAs(runtime, addressOf(cluster.nodes[2]), "alice", "secret");
    const before = await statsOf(client);
    const other = await TextClient.connect(runtime, addressOf(cluster.nodes[2]));
    await other.ask(loginOf("alice", "wrong"));
    other.close();
    const after = await statsOf(client);
    assertEquals(Number(after.get("auth_cmds")), Number(before.get("auth_cmds")) + 1);
    assertEquals(Number(after.get("auth_errors")), Number(before.get("auth_errors")) + 1);
    client.close();
  });

  it("shows the file's path and nothing of what is in it", async () => {
    const client = await connectAs(runtime, addressOf(cluster.nodes[2]), "alice", "secret");
    const said = (await client.ask("stats settings\r\n", /END\r\n$/)) + (await client.ask("show variables\r\n", /END\r\n$/));
    assertStringIncludes(said, `STAT auth_enabled_sasl yes\r\nSTAT auth_enabled_ascii ${join(directory, "users")}\r\n`);
    assertStringIncludes(said, `STAT auth-file ${join(directory, "users")}\r\n`);
    for (const password of ["secret", "chief", "of-the-cluster"]) assert(!said.includes(password));
    client.close();
  });
});

async function statsOf(client: TextClient): Promise<Map<string, string>> {
  const answer = await client.ask("stats\r\n", /END\r\n$/);
  return new Map([...answer.matchAll(/^STAT (\S+) (.*)\r$/gm)].map(([, name = "", value = ""]) => [name, value]));
}

describe("commands of nodes and operators", () => {
  let runtime: Runtime;
  let cluster: LocalCluster;
  let closed: ClosedCluster;

  before(async () => {
    closed = await ClosedCluster.start({ access: { adminAccess: "user:boss" }, node: { adminAddress: `${HOST}:0` } });
    ({ runtime, cluster } = closed);
  });

  after(() => closed.stop());

  const atNode = {
    "node sync 9999\r\nEND\r\n": "node",
    "dump\r\n": "dump",
    "dump_key\r\n": "dump_key",
    "watch fetchers\r\n": "watch",
    "kill 999999\r\n": "kill",
    "flush_all\r\n": "flush_all",
    "delete_prefix 10 px\r\n": "delete_prefix",
    "cache_memlimit 64\r\n": "cache_memlimit",
    "lru_crawler disable\r\n": "lru_crawler",
    "lru_crawler crawl all\r\n": "lru_crawler",
    "lru_crawler sleep 1\r\n": "lru_crawler",
    "stats reset\r\n": "stats",
    "stats detail on\r\n": "stats",
    "stats sizes_enable\r\n": "stats",
    "<a:1>get x\r\n": "get",
    "<a:1>set x 0 0 1\r\nx\r\n": "set",
    "<a:1>delete x\r\n": "delete",
    "<a:1>mg x v\r\n": "mg",
    "<a:1>version\r\n": "version",
  } as const;
  const ofAnybody = [
    "get x",
    "set x 0 0 1\r\nx",
    "incr n 1",
    "touch x 0",
    "mg x v",
    "version",
    "stats",
    "stats detail dump",
    "scan 10",
    "lru_crawler metadump all",
    "ping",
    "show variables",
  ];

  it("are refused to a client at a node", async () => {
    const client = await connectAs(runtime, addressOf(cluster.nodes[0]), "alice", "secret");
    for (const [command, word] of Object.entries(atNode)) {
      assertEquals(await client.ask(`${command}`, /\r\n/), `CLIENT_ERROR ${word} not allowed\r\n`);
    }
    assertEquals(await client.ask("flush_all noreply\r\n<a:1>set x 0 0 1 noreply\r\nx\r\nmn\r\n"), "MN\r\n");
    for (const command of ofAnybody) {
      const answer = await client.ask(`${command}\r\nmn\r\n`, /MN\r\n$/);
      assert(!answer.includes("not allowed"), `${command}: ${answer}`);
    }
    assertEquals(describePackets(await client.ask(packet({ opcode: 0x08 }), /\.$/)), "8 20 Auth failure.");
    assertEquals(describePackets(await client.ask(packet({ opcode: 0x18 }), /\.$/)), "18 20 Auth failure.");
    client.close();
  });

  it("are refused to a client at the index server", async () => {
    const client = await connectAs(runtime, cluster.indexAddress, "alice", "secret");
    const { port } = addressOf(cluster.nodes[0]);
    const refused = [`node add ${HOST} 1`, `node remove ${HOST} ${port}`, `node role ${HOST} ${port} proxy 0 -1`];
    for (const command of [...refused, `node state ${HOST} ${port} down`, `shutdown ${HOST} ${port}`, "kill 999999"]) {
      assertEquals(await client.ask(`${command}\r\n`), `CLIENT_ERROR ${command.split(" ")[0]} not allowed\r\n`);
    }
    for (const command of ["ping", "version", "meta", "stats", "stats nodes", "show variables", "verbosity 1"]) {
      const answer = await client.ask(`${command}\r\nping\r\n`, /OK\r\n$/);
      assert(!answer.includes("not allowed"), `${command}: ${answer}`);
    }
    client.close();
  });

  it("are carried out for those on the list, for the servers, and at the admin address", async () => {
    const admin = cluster.nodes[0]?.addresses.at(-1) as Address;
    for (const [address, user, password] of [
      [addressOf(cluster.nodes[0]), "boss", "chief"],
      [addressOf(cluster.nodes[0]), "node", "of-the-cluster"],
      [admin, "alice", "secret"],
    ] as const) {
      const client = await connectAs(runtime, address, user, password);
      assertEquals(await client.ask("set x 0 0 1\r\nx\r\n"), "STORED\r\n");
      assertEquals(await client.ask("delete_prefix 10 px\r\n"), "DELETED 1\r\n");
      assertEquals(await client.ask("flush_all\r\n"), "OK\r\n");
      assertEquals(await client.ask("kill 999999\r\n"), "CLIENT_ERROR thread not found\r\n");
      assertEquals(await client.ask("dump\r\n", /END\r\n$/), "END\r\n");
      client.close();
    }
    const stranger = await TextClient.connect(runtime, admin);
    assertEquals(await stranger.ask("flush_all\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    stranger.close();
  });

  it("have an address of their own at an index server, too", async () => {
    const options = { indexDb: "memory://", bind: HOST, serverPort: 0, adminAccess: "none", adminAddress: `${HOST}:0` };
    const index = await startIndexServer({ runtime, ...options });
    const answers: string[] = [];
    for (const address of index.addresses) {
      const client = await TextClient.connect(runtime, address);
      answers.push(await client.ask("kill 999999\r\n"));
      client.close();
    }
    assertEquals(answers, ["CLIENT_ERROR kill not allowed\r\n", "CLIENT_ERROR thread not found\r\n"]);
    await index.stop();
  });

  it("follow the list when it changes, also for connections that are open", async () => {
    const node = cluster.nodes[0] as RunningNode;
    const { options } = node;
    const client = await connectAs(runtime, addressOf(node), "alice", "secret");
    assertEquals(await client.ask("flush_all\r\n"), "CLIENT_ERROR flush_all not allowed\r\n");
    await node.reload({ ...options, adminAccess: "127.0.0.0/8" });
    assertEquals(await client.ask("flush_all\r\n"), "OK\r\n");
    await node.reload({ ...options, adminAccess: "10.0.0.0/8, ::1, unix" });
    assertEquals(await client.ask("flush_all\r\n"), "CLIENT_ERROR flush_all not allowed\r\n");
    await node.reload(options);
    client.close();
  });
});

describe("the file of users while a server runs", () => {
  it("is read again, and kept as it was when it is broken", async () => {
    const { runtime, lines } = await recordingRuntime();
    const directory = makeTemporaryDirectory();
    const authFile = writeUsers(directory, USERS, 0o644);
    const cluster = await startOpenCluster({ runtime, access: { authFile, clusterUser: "node" } });
    try {
      assert(
        lines.some((line) => line.startsWith("warning") && line.includes("mode 644")),
        lines.join("\n"),
      );
      const address = addressOf(cluster.nodes[0]);
      const early = await connectAs(runtime, address, "alice", "secret");
      writeUsers(directory, USERS.replace("secret", "changed"));
      await cluster.reload();
      await (await connectAs(runtime, address, "alice", "changed")).close();
      await assertRejects(() => connectAs(runtime, address, "alice", "secret"), Error, "authentication failure");
      assertEquals(await early.ask("mn\r\n"), "MN\r\n");
      for (const [text, message] of [
        ["alice changed\n", 'line 1: no ":"'],
        ["alice:changed\n", '"node" is not in auth-file'],
        ["", "is empty"],
      ] as const) {
        lines.length = 0;
        writeUsers(directory, text);
        await cluster.reload();
        assert(
          lines.some((line) => line.startsWith("error the users stay") && line.includes(message)),
          lines.join("\n"),
        );
        await (await connectAs(runtime, address, "alice", "changed")).close();
      }
      lines.length = 0;
      // The log tells of at most one a second.
      await waitUntil(async () => {
        await assertRejects(() => connectAs(runtime, address, "al\u0007ice", "guess-work"), Error, "authentication failure");
        return lines.some((line) => line.includes('login as "al?ice" from "127.0.0.1:'));
      }, "the log tells of it");
      assert(!lines.some((line) => line.includes("guess-work")));
      early.close();
    } finally {
      await cluster.stop();
      removeTemporaryDirectory(directory);
    }
  });

  it("has to be there at the start", async () => {
    const runtime = clientRuntime();
    const directory = makeTemporaryDirectory();
    const missing = join(directory, "missing");
    const start = (access: Record<string, string>) => startOpenCluster({ runtime, access }).then((cluster) => cluster.stop());
    await assertRejects(
      () => start({ authFile: missing, clusterUser: "n" }),
      FlareError,
      `auth-file "${missing}" does not exist`,
    );
    await assertRejects(() => start({ authFile: directory, clusterUser: "n" }), FlareError, `"${directory}"`);
    const authFile = writeUsers(directory, "n:two words\nm:x\n");
    await assertRejects(() => start({ authFile, clusterUser: "n" }), FlareError, "contains a space");
    await assertRejects(() => start({ authFile, clusterUser: "o" }), FlareError, '"o" is not in auth-file');
    await assertRejects(() => start({ authFile }), FlareError, '"auth-file" needs "cluster-user"');
    await assertRejects(() => start({ clusterUser: "n" }), FlareError, 'needs "auth-file"');
    await assertRejects(() => start({ adminAccess: "10.0.0.0/40" }), FlareError, '"admin-access": "10.0.0.0/40" is not');
    removeTemporaryDirectory(directory);
  });

  it("may be for some only", async () => {
    const runtime = clientRuntime();
    const directory = makeTemporaryDirectory();
    const access = { authFile: writeUsers(directory), clusterUser: "node", authExempt: "127.0.0.0/8, unix" };
    const cluster = await startOpenCluster({ runtime, access });
    const client = await TextClient.connect(runtime, addressOf(cluster.nodes[0]));
    assertEquals(await client.ask("mn\r\n"), "MN\r\n");
    const login = packet({ opcode: 0x21, key: "PLAIN", value: "\0alice\0secret" });
    assertEquals(describePackets(await client.ask(login, /ed$/)), "21 0 Authenticated");
    await cluster.nodes[0]?.reload({ ...(cluster.nodes[0] as RunningNode).options, authExempt: "10.0.0.0/8" });
    const stranger = await TextClient.connect(runtime, addressOf(cluster.nodes[0]));
    assertEquals(await stranger.ask("mn\r\n"), "CLIENT_ERROR unauthenticated\r\n");
    for (const one of [client, stranger]) one.close();
    await cluster.stop();
    removeTemporaryDirectory(directory);
  });
});

describe("a node with a password among servers that ask for none", () => {
  it("joins, serves, and tells nobody its password", async () => {
    const runtime = clientRuntime();
    const heard: Uint8Array[] = [];
    const directory = makeTemporaryDirectory();
    const cluster = await startOpenCluster({ runtime: eavesdropping(runtime, heard), partitions: 1 });
    const authFile = writeUsers(directory);
    const node = await RunningNode.start(runtime, {
      ...{ bind: HOST, serverName: HOST, serverPort: 0, storageType: "memory", indexServers: [cluster.indexAddress] },
      ...{ authFile, clusterUser: "node", authExempt: "127.0.0.1" },
    });
    try {
      const client = new Client({ runtime, ...addressOf(node), ...ALICE });
      for (const key of KEYS) assertEquals(await client.set(key, key), "STORED");
      assertEquals((await client.getMany(KEYS)).length, KEYS.length);
      client.close();
      const text = latin1(concatBytes(heard));
      assertStringIncludes(text, "version\r\n");
      assertStringIncludes(text, "set key-0 ");
      assert(!text.includes("of-the-cluster") && !text.includes("set login"), "the password was revealed");
      assertEquals(cluster.nodes[0]?.storage.stats().items, KEYS.length);
    } finally {
      await node.stop();
      await cluster.stop();
      removeTemporaryDirectory(directory);
    }
  });
});

/** The same runtime, whose listeners keep what they hear. */
function eavesdropping(runtime: Runtime, heard: Uint8Array[]): Runtime {
  const { transport } = runtime;
  return {
    ...runtime,
    transport: {
      connect: (...parameters) => transport.connect(...parameters),
      listen: (address, accept, options) => {
        const listen = (connection: Connection) => {
          const handler = accept(connection);
          const onData = handler.onData.bind(handler);
          handler.onData = (chunk) => {
            heard.push(chunk.slice());
            onData(chunk);
          };
          return handler;
        };
        return transport.listen(address, listen, options);
      },
    },
  };
}

describe("connections that take their time", () => {
  it("are ended while they have not logged in, and while a request does not come to its end", async () => {
    const runtime = clientRuntime();
    const directory = makeTemporaryDirectory();
    const access = { authFile: writeUsers(directory), clusterUser: "node", authTimeoutMs: 1000, requestTimeoutMs: 1000 };
    const cluster = await startOpenCluster({ runtime, access, node: { valueBytesMax: 200000 } });
    const address = addressOf(cluster.nodes[0]);
    const silent = await TextClient.connect(runtime, address);
    const refused = await TextClient.connect(runtime, address);
    const [idle, line, block, skipped, trickle] = await Promise.all(
      Array.from({ length: 5 }, () => connectAs(runtime, address, "alice", "secret")),
    );
    assert(idle !== undefined && line !== undefined && block !== undefined && skipped !== undefined && trickle !== undefined);
    await line.send("get a");
    await block.send("set a 0 0 100\r\nhalf of it");
    await skipped.send("set a 0 0 300000\r\nmuch too much");
    await trickle.send("set a 0 0 100000\r\n");
    const drops = setInterval(() => void trickle.send("x"), 50);
    const complaints = setInterval(() => void refused.send("version\r\n"), 100);
    const slow = [silent, refused, line, block, skipped, trickle];
    for (const client of slow) await client.until(() => false, 6000);
    clearInterval(drops);
    clearInterval(complaints);
    for (const client of slow) assert(client.closed);
    assertEquals(await idle.ask("mn\r\n"), "MN\r\n");
    idle.close();
    await cluster.stop();
    removeTemporaryDirectory(directory);
  });
});

describe("servers that strangers can reach", () => {
  it("say so at the start, loudly, unless they ask who is there", async () => {
    const directory = makeTemporaryDirectory();
    const up = ["up", "--storage", "memory", "--data-dir", directory, "--port", "0", "--index-port", "0", "--http-port", "0"];
    const authFile = writeUsers(directory);
    for (const [args, warned] of [
      [["--bind", "0.0.0.0"], true],
      [["--bind", "127.0.0.1"], false],
      [["--bind", "0.0.0.0", "--auth-file", authFile, "--cluster-user", "node"], false],
    ] as const) {
      const program = startProgram("flare", [...up, ...args]);
      await program.waitFor("\nready");
      assertEquals(program.output.includes("ANYBODY WHO CAN REACH"), warned, program.output);
      program.kill("SIGTERM");
      assertEquals((await program.finished).status, 0);
    }
    removeTemporaryDirectory(directory);
  });
});
