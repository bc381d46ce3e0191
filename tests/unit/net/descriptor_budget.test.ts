/**
 * How many connections fit into what a process may have open, and what a server says about it.
 *
 * Covers lib/net/given_runtime.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import { connectionsThatFit } from "../../../lib/net/descriptor_budget.ts";
import { ioFault } from "../../../lib/runtime/files/io_fault.ts";
import { detectRuntime, startCluster } from "../../../mod.ts";
import { TextClient } from "../../support/text_client.ts";

describe("connections that fit", () => {
  it("leave a reserve for each server, or half where there is little", () => {
    assertEquals(connectionsThatFit(1048576, 1), 1048448);
    assertEquals(connectionsThatFit(1024, 1), 896);
    assertEquals(connectionsThatFit(256, 1), 128);
    assertEquals(connectionsThatFit(100, 1), 50);
    assertEquals(connectionsThatFit(1024, 4), 128);
    assertEquals(connectionsThatFit(10, 20), 1);
  });
});

describe("an operation without a descriptor", () => {
  it("may succeed later", () => {
    for (const code of ["EMFILE", "ENFILE"]) {
      const fault = ioFault(Object.assign(new Error("open"), { code }), "open", "a");
      assertEquals([fault.code, fault.retriable], ["LIMIT_EXCEEDED", true]);
      assertEquals(fault.message, `cannot open "a": too many open files (${code})`);
    }
    const busy = ioFault(new Error("file busy"), "append to", "a");
    assertEquals([busy.code, busy.retriable], ["LIMIT_EXCEEDED", true]);
  });
});

describe("a server whose process may have few files open", () => {
  it("takes fewer connections and says so, and tells when it turns them away and when no longer", async () => {
    const lines: string[] = [];
    const real = detectRuntime({ logLevel: "error" });
    const runtime = {
      ...real,
      process: { ...real.process, descriptorsMax: () => 64 },
      log: { ...real.log, write: (level: string, message: string) => void lines.push(`${level} ${message}`) },
    };
    const cluster = await startCluster({ runtime, node: { maxConnection: 100 } });
    const address = cluster.addresses[0] as { host: string; port: number };
    assertMatch(
      lines.find((line) => line.includes("lowered") && line.includes('"100"')) ?? "",
      /^warning max-connection "100" is lowered to "16": the process may open "64" files and [^:]+ for "2" servers/,
    );
    const clients: TextClient[] = [];
    for (let i = 0; i < 14; i++) clients.push(await TextClient.connect(real, address));
    const stats = await (clients[0] as TextClient).ask("stats\r\n", /END\r\n$/);
    assertMatch(stats, /STAT max_connections 16\r/);
    const rejected = await Promise.all(
      Array.from({ length: 60 }, () => TextClient.connect(real, address).catch(() => undefined)),
    );
    await Promise.all(rejected.map((client) => client?.until(() => false, 2000)));
    assertEquals(lines.filter((line) => line.includes("no more are accepted")).length, 1);
    for (const client of [...clients.splice(1), ...rejected]) client?.close();
    for (let i = 0; i < 50 && !lines.some((line) => line.includes("accepted again")); i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assertMatch(
      lines.find((line) => line.includes("accepted again")) ?? "",
      /^notice connections are accepted again, "\d+" were refused$/,
    );
    const late = await TextClient.connect(real, address);
    assertEquals(await late.ask("ping\r\n"), "OK\r\n");
    late.close();
    for (const client of clients) client.close();
    await cluster.stop();
  });
});
