/**
 * The library used from plain JavaScript: mistyped names and wrong types are refused at once, at every entry point, by name.
 * And from a program with types, but without Node's.
 */

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import ts from "typescript";
import type { Option } from "../../lib/base/option_schema.ts";
import { indexOptionTable } from "../../lib/index_server/index_options.ts";
import { nodeOptionTable } from "../../lib/node_server/node_options.ts";
import * as flare from "../../mod.ts";
import { repositoryRoot } from "../support/repository.ts";
import { skipUnless } from "../support/skip.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

// biome-ignore lint/suspicious/noExplicitAny: a program without types gives anything
const library = flare as any;
const runtime = flare.detectRuntime({ logLevel: "error" });
const address = { host: "127.0.0.1", port: 1 };
const server = { serverName: "127.0.0.1", serverPort: 0 };

/** A value that an option may have, and does not have; undefined if there is only one. */
function otherValue(option: Option<unknown>, value: unknown): unknown {
  const words = [...option.allowedValue.matchAll(/"([^"]+)"/g)].map(([, word]) => word);
  const numbers = [...option.allowedValue.matchAll(/\d+/g)].map(Number).reverse();
  return [true, false, ...numbers, ...words, "127.0.0.9", "memory://"].find(
    (other) => option.accepts(other) && option.format(other) !== option.format(value),
  );
}

/** The fault of a call; the call must not succeed. */
async function faultOf(call: () => unknown): Promise<flare.FlareError> {
  try {
    await call();
  } catch (error) {
    assertInstanceOf(error, flare.FlareError, String(error));
    return error;
  }
  throw new Error(`nothing was refused: ${call}`);
}

async function expectRefusals(cases: readonly (readonly [call: () => unknown, message: string])[]): Promise<void> {
  for (const [call, message] of cases) {
    const { code, message: said } = await faultOf(call);
    assertEquals([code, said.slice(0, message.length)], ["INVALID_OPTION", message], String(call));
  }
}

describe("a program without types", () => {
  it("gets errors about mistyped options of a cluster before anything starts", async () => {
    await expectRefusals([
      [() => library.startCluster({ partitons: 2 }), 'unknown option "partitons"; did you mean "partitions"?'],
      [() => library.startCluster({ partitions: "2" }), 'option "partitions": the string "2" is not an integer from 1 to 64'],
      [
        () => library.startCluster({ fsync: "never" }),
        'option "fsync": the string "never" is not one of "always", "interval", "os"',
      ],
      [() => library.startCluster("data"), 'options: the string "data" is not an object with options'],
      [() => library.startCluster({ node: { maxConn: 5 } }), 'unknown option "node.maxConn"; did you mean "maxConnection"?'],
      [() => library.startCluster({ access: { adminAddress: "a:1" } }), 'unknown option "access.adminAddress"; did you mean'],
      [() => library.startCluster({ tls: { key: 5 } }), 'option "tls.key": "5" is not the path of a PEM file'],
      [
        () => library.startCluster({ tls: { cert: "-----BEGIN" } }),
        'option "tls.cert": the string "-----BEGIN" is not the path',
      ],
      [() => library.startCluster({ tls: { sslKey: "k" } }), 'unknown option "tls.sslKey"'],
      [() => library.startCluster({ logLevel: "warn" }), 'option "logLevel": the string "warn" is not one of'],
      [() => library.startCluster({ runtime: Promise.resolve() }), 'option "runtime": a promise (await it) is not a runtime'],
      [() => library.detectRuntime({ loglevel: "error" }), 'unknown option "loglevel"; did you mean "logLevel"?'],
    ]);
  });

  it("gets errors about mistyped options of one server, and about an invalid runtime", async () => {
    await expectRefusals([
      [() => library.startNodeServer({ runtime: 5 }), 'option "runtime": "5" is not a runtime'],
      [
        () => library.startIndexServer({ runtime: Promise.resolve() }),
        'option "runtime": a promise (await it) is not a runtime',
      ],
      [() => library.startNodeServer(), 'options: "undefined" is not an object with options'],
      [() => library.startNodeServer(runtime), 'unknown option "name"'],
      [() => library.startNodeServer({ sslChainCert: "c.pem" }), 'unknown option "sslChainCert"'],
      [() => library.startNodeServer({ daemonize: true }), 'unknown option "daemonize"'],
      [() => library.startNodeServer({ threadPoolSize: 5 }), 'unknown option "threadPoolSize"'],
      [() => library.startIndexServer({ tls: { cert: "c.pem", port: 5 } }), 'unknown option "tls.port"'],
      [() => library.startNodeServer({ serverPrt: 1 }), 'unknown option "serverPrt"; did you mean "serverPort"?'],
      [
        () => library.startNodeServer({ indexServers: ["127.0.0.1:12120"] }),
        'option "indexServers": ["127.0.0.1:12120"] is not an array of { host, port }',
      ],
      [() => library.startIndexServer({ serverPort: "1" }), 'option "serverPort": the string "1" is not an integer'],
      [() => library.startNodeServer({ engine: "leveldb" }), 'option "engine": the string "leveldb" is not "level"'],
    ]);
  });

  it("gets errors about options that a running server cannot change, and none about others", async () => {
    await using index = await library.startIndexServer({ runtime, ...server, indexDb: "memory://" });
    const settings = { ...server, indexServers: [index.address], storageType: "memory" };
    await using node = await library.startNodeServer({ runtime, ...settings });
    for (const [running, table] of [[index, indexOptionTable] as const, [node, nodeOptionTable] as const]) {
      const before = running.options;
      let refused = 0;
      for (const [field, option] of Object.entries<Option<unknown>>(table)) {
        const value = otherValue(option, before[field]);
        if (option.reloadable || value === undefined) continue;
        const [from, to] = [before[field], value].map((each) => option.format(each));
        const message = `option "${field}" cannot change from "${from}" to "${to}" without`;
        await expectRefusals([[() => running.reload({ maxConnection: 7, [field]: value }), message]]);
        refused++;
      }
      assert(refused > 10, `${refused}`);
      assertEquals(running.options, before);
      await running.reload({ ...before, maxConnection: 8 });
      assertEquals(running.options, { ...before, maxConnection: 8 });
    }
    await node.reload({ ...settings, maxConnection: 9 });
    assertEquals(node.options.maxConnection, 9);
    await expectRefusals([[() => node.reload({ tls: {} }), 'unknown option "tls"']]);
  });

  it("gets errors about what a client cannot send", async () => {
    const client = new library.Client({ runtime, ...address });
    await expectRefusals([
      [() => new library.Client("127.0.0.1:12121"), 'options: the string "127.0.0.1:12121" is not an object with options'],
      [() => new library.Client(runtime), 'unknown option "name"'],
      [() => new library.Client({ host: "[::1" }), 'option "host": the string "[::1" is not a host name or an IP address'],
      [() => new library.Client({ host: "" }), 'option "host": the string "" is not a host name or an IP address'],
      [() => new library.Client({ port: 0 }), 'option "port": "0" is not an integer from 1 to 65535'],
      [() => new library.Client({ tls: { ca: "ca.pem" } }), 'option "tls.ca": the string "ca.pem" is not the content of a PEM'],
      [() => new library.Client({ tls: { cert: "-----BEGIN A" } }), 'option "tls.key" is missing: give "cert" and "key"'],
      [() => new library.Client({ ...address, timeout: 5 }), 'unknown option "timeout"'],
      [() => new library.Client({ ...address, replyTimeoutMs: "5" }), 'option "replyTimeoutMs": the string "5" is not'],
      [() => client.set("key", 5), 'value "5" is not a string or a Uint8Array: give String(…) of it'],
      [() => client.set("key", { a: 1 }), 'value {"a":1} is not a string or a Uint8Array'],
      [() => client.set("key"), 'value "undefined" is not a string or a Uint8Array'],
      [() => client.set(5, "value"), 'key "5" is not a string or a Uint8Array'],
      [() => client.set("key", "value", 60), 'options: "60" is not an object with options'],
      [() => client.set("key", "value", { expire: 60 }), 'unknown option "expire"'],
      [() => client.set("key", "value", { exptime: "60" }), 'option "exptime": the string "60" is not an integer'],
      [() => client.cas("key", "value", "5"), 'option "version": the string "5" is not an integer'],
      [() => client.get(undefined), 'key "undefined" is not a string or a Uint8Array'],
      [() => client.getMany("key"), 'keys: the string "key" is not an array of keys'],
      [() => client.incr("key", "1"), 'delta: the string "1" is not an integer'],
      [() => client.touch("key", "60"), 'exptime: the string "60" is not an integer'],
      [() => client.scan({ limit: 5 }), 'unknown option "limit"'],
      [() => client.deletePrefix(5), 'prefix "5" is not a string or a Uint8Array'],
      [() => client.deletePrefix("a", { onProgress: true }), 'option "onProgress": "true" is not a function'],
      [() => client.line(5), 'a command: "5" is not a string'],
    ]);
    client.close();
  });

  it("gets errors about what an operator cannot request", async () => {
    const admin = new library.ClusterAdmin({ runtime, indexServer: address });
    const target = { node: "127.0.0.1:1", balance: 1, partition: 0 };
    await expectRefusals([
      [() => new library.ClusterAdmin(address), 'unknown option "host"'],
      [() => new library.ClusterAdmin({ indexServer: "a:1" }), 'option "indexServer": the string "a:1" is not an object like'],
      [() => admin.client(address), 'a server: {"host":"127.0.0.1","port":1} is not a string like'],
      [() => library.downChange("127.0.0.1:1"), 'the nodes of a change: the string "127.0.0.1:1" is not an array'],
      [() => library.activateChange([address]), 'a node: {"host":"127.0.0.1","port":1} is not a string like'],
      [() => library.masterChange([{ ...target, partition: "0" }]), 'option "partition": the string "0" is not an integer'],
      [() => library.slaveChange([target], { clear: true }), 'unknown option "clear"; did you mean "clean"?'],
      [() => library.reconstructChange([], { unsfe: true }), 'unknown option "unsfe"; did you mean "unsafe"?'],
      [() => admin.carryOut(library.downChange([]), { poll: 5 }).next(), 'unknown option "poll"; did you mean "pollMs"?'],
    ]);
    admin.close();
  });
});

describe("a program with types", () => {
  it("needs no types but the library's own", {
    skip: skipUnless(existsSync(`${repositoryRoot}dist/mod.d.ts`), "a build (npm run build)"),
  }, async () => {
    await withTemporaryDirectory((directory) => {
      const file = join(directory, "program.mts");
      const program = (body: string) => `import * as flare from ${JSON.stringify(`${repositoryRoot}dist/mod.js`)};\n${body}`;
      const problems = (body: string) => {
        writeFileSync(file, program(body));
        const options: ts.CompilerOptions = {
          ...{ strict: true, noEmit: true, skipLibCheck: false, types: [], lib: ["lib.es2022.d.ts"] },
          ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, exactOptionalPropertyTypes: true },
        };
        const found = ts.getPreEmitDiagnostics(ts.createProgram([file], options));
        return found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
      };
      assertEquals(
        problems(`
          const cluster = await flare.startCluster({ partitions: 2, node: { maxConnection: 5 } });
          const ports: number[] = cluster.addresses.map(({ port }) => port);
          const client = new flare.Client(cluster.addresses[0]);
          const value: Uint8Array | undefined = (await client.get("key"))?.value;
          export { ports, value };`),
        [],
      );
      assertEquals(
        problems(`
          import { startFailingCluster } from ${JSON.stringify(`${repositoryRoot}dist/testing.js`)};
          const failing = await startFailingCluster({ seed: 1, node: { maxConnection: 5 } });
          const app = new flare.Client({ ...failing.address("node1.sim"), runtime: failing.runtime("app") });
          const names: readonly string[] = (await failing.check()).findings.map(({ name }) => name);
          export { app, names };`),
        [],
      );
      const [wrong, ...others] = problems("await flare.startCluster({ partitons: 2 });");
      assert(wrong?.includes("'partitons' does not exist") && others.length === 0, wrong);
    });
  });
});
