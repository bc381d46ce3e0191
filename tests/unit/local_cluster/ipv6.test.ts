/** A cluster whose servers know each other by IPv6 addresses, where the machine has them. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { detectRuntime, startCluster } from "../../../mod.ts";
import { skipWhere } from "../../support/skip.ts";
import { TextClient } from "../../support/text_client.ts";

const runtime = detectRuntime({ logLevel: "error" });
const hasIpv6 = await runtime.transport
  .listen({ host: "::1", port: 0 }, (connection) => {
    connection.destroy();
    throw new Error("nobody connects here");
  })
  .then((listener) => listener.close().then(() => true))
  .catch(() => false);

describe("a cluster at an IPv6 address", { skip: skipWhere(!hasIpv6, "this machine has no IPv6") }, () => {
  it("answers, and its nodes find each other", async () => {
    const cluster = await startCluster({ runtime, bind: "[::1]", partitions: 2, nodes: 3 });
    const keys = Array.from({ length: 20 }, (_, i) => `key${i}`);
    const [first, , proxy] = cluster.addresses;
    assertEquals([first?.host, proxy?.host, cluster.indexAddress.host], ["::1", "::1", "::1"]);
    const writer = await TextClient.connect(runtime, proxy as NonNullable<typeof proxy>);
    for (const key of keys) assertEquals(await writer.ask(`set ${key} 0 0 1\r\nx\r\n`), "STORED\r\n");
    const reader = await TextClient.connect(runtime, first as NonNullable<typeof first>);
    const answer = await reader.ask(`get ${keys.join(" ")}\r\n`, /END\r\n$/);
    assertEquals(answer, `${keys.map((key) => `VALUE ${key} 0 1\r\nx\r\n`).join("")}END\r\n`);
    for (const client of [writer, reader]) client.close();
    await cluster.stop();
  });
});

describe("a cluster", () => {
  it("is refused an address that is none", async () => {
    const error = await assertRejects(() => startCluster({ runtime, bind: "[::1" }), FlareError);
    assertEquals(
      [error.code, error.message],
      ["INVALID_OPTION", 'option "bind": the string "[::1" is not a host name or an IP address'],
    );
  });
});
