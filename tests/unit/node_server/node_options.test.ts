/**
 * The options of a node server.
 *
 * Covers lib/node_server/stats/node_variables.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { printConfig, resolveSettings } from "../../../lib/base/settings.ts";
import { nodeOptionTable, nodeServerOptions } from "../../../lib/node_server/node_options.ts";
import { showNodeVariables } from "../../../lib/node_server/stats/node_variables.ts";
import { readRepositoryFile } from "../../support/repository.ts";

const needed = { dataDir: "/d", indexServers: [{ host: "i", port: 1 }] };

describe("nodeOptionTable", () => {
  it("has each name and each letter once", () => {
    const options = Object.values(nodeOptionTable);
    assertEquals(new Set(options.map(({ name }) => name)).size, options.length);
    const letters = options.flatMap(({ short }) => short ?? []);
    assertEquals(letters.sort(), ["Z", "f", "p", "s"]);
  });

  it("has defaults that are allowed and can be written down", () => {
    for (const option of Object.values(nodeOptionTable)) {
      assertEquals(option.accepts(option.default), true, option.name);
      assertEquals(option.parse(option.format(option.default as never)), option.default, option.name);
    }
  });

  it("has the options of the original, reloadable where they were, and a few of its own that are", () => {
    const reloadable = Object.values(nodeOptionTable)
      .filter((option) => option.reloadable)
      .map(({ name }) => name);
    assertEquals(reloadable.sort(), [
      "admin-access",
      "anti-entropy",
      "anti-entropy-rate",
      "auth-exempt",
      "auth-file",
      "auth-timeout",
      "cluster-replication",
      "cluster-replication-mode",
      "cluster-replication-server-name",
      "cluster-replication-server-port",
      "cluster-user",
      "http-hosts",
      "http-token-file",
      "index-server-name",
      "index-server-port",
      "index-servers",
      "log-archive-backlog",
      "log-archive-interval",
      "log-archive-retention",
      "log-facility",
      "log-level",
      "max-connection",
      "max-total-thread-queue",
      "memory-limit",
      "moved-keys-delay",
      "net-read-timeout",
      "noreply-window-limit",
      "reconstruction-bwlimit",
      "reconstruction-interval",
      "replication-lag-max",
      "replication-lag-policy",
      "replication-timeout",
      "replication-type",
      "request-timeout",
      "slow-log-ms",
      "slow-log-size",
      "ssl-ca-cert",
      "ssl-chain-cert",
      "ssl-key",
      "ssl-min-version",
      "ssl-verify-mode",
      "storage-access-watch-threshold-ping-ng-msec",
      "storage-access-watch-threshold-warn-msec",
      "thread-pool-size",
      "time-watcher-enabled",
      "time-watcher-polling-interval-msec",
      "version-format",
    ]);
  });

  it("reads a config file of the original", () => {
    const text = [
      "# flared.conf",
      "data-dir = /var/lib/flare",
      "index-server-name = index.example.org",
      "index-server-port = 12120",
      "max-connection = 8192",
      "mutex-slot = 256",
      "net-read-timeout = 30 # seconds",
      "reconstruction-bwlimit = 2048",
      "replication-type = sync",
      "storage-type = tch",
      "storage-large = false",
      "thread-pool-size = 16",
    ].join("\n");
    const { values } = resolveSettings(nodeOptionTable, { file: { path: "flared.conf", text } });
    const options = nodeServerOptions(values);
    assertEquals(options.indexServers, [{ host: "index.example.org", port: 12120 }]);
    assertEquals([options.maxConnection, options.netReadTimeoutMs, options.replicationType], [8192, 30000, "sync"]);
    assertEquals(
      [options.reconstructionBwlimitBytesPerSecond, options.storageType, options.storageLarge],
      [2097152, "tch", false],
    );
  });

  it("prints a config file that gives the same settings", () => {
    const settings = resolveSettings(nodeOptionTable, {
      flags: { "data-dir": "/d", "index-servers": "a:1,b:2", fsync: "always" },
    });
    const printed = { path: "p", text: printConfig(nodeOptionTable, settings) };
    assertEquals(resolveSettings(nodeOptionTable, { file: printed }).values, settings.values);
  });
});

describe("nodeServerOptions", () => {
  it("has this project's defaults", () => {
    const options = nodeServerOptions(needed);
    assertEquals([options.storageType, options.memoryBytesMax, options.fsync], ["level", 268435456, "interval"]);
    assertEquals([options.maxConnection, options.serverPort, options.bind], [1024, 12121, "0.0.0.0"]);
    assertEquals([options.keyBytesMax, options.valueBytesMax, options.lineBytesMax], [8191, 2147483645, 1048576]);
    assertEquals([options.checkpointIntervalMs, options.logSegmentBytes], [60000, 134217728]);
  });

  it("lets cluster-replication-concurrency follow proxy-concurrency unless it is given", () => {
    assertEquals(nodeServerOptions({ ...needed, proxyConcurrency: 7 }).clusterReplicationConcurrency, 7);
    const given = { ...needed, proxyConcurrency: 7, clusterReplicationConcurrency: 3 };
    assertEquals(nodeServerOptions(given).clusterReplicationConcurrency, 3);
  });

  it("needs a data directory unless the storage is memory", () => {
    const { indexServers } = needed;
    assertThrows(() => nodeServerOptions({ indexServers }), FlareError, 'option "data-dir" is missing');
    assertEquals(nodeServerOptions({ indexServers, storageType: "memory" }).dataDir, "");
  });

  it("needs the index server named in one way", () => {
    const { dataDir } = needed;
    assertThrows(() => nodeServerOptions({ dataDir }), FlareError, "the index server is missing");
    assertThrows(() => nodeServerOptions({ ...needed, indexServerName: "j" }), FlareError, "use only one");
    assertEquals(nodeServerOptions({ dataDir, indexServerName: "j" }).indexServers, [{ host: "j", port: 12120 }]);
  });

  it("can be completed again", () => {
    const options = nodeServerOptions({ dataDir: "/d", indexServerName: "j" });
    assertEquals(nodeServerOptions(options), options);
  });
});

describe("showNodeVariables", () => {
  it("prints what the original prints, to the column", () => {
    const cases = JSON.parse(readRepositoryFile("tests/data/golden_text.json")) as { name: string; sample?: string }[];
    const recorded = cases.find(({ name }) => name === "show-variables")?.sample;
    const options = nodeServerOptions({
      dataDir: "/var/lib/flare/a",
      indexServers: [{ host: "127.0.0.1", port: 22120 }],
      maxConnection: 128,
      backLog: 30,
      serverName: "127.0.0.1",
      serverPort: 22121,
      storageType: "tch",
    });
    assertEquals([...showNodeVariables(options, "async"), "END", ""].join("\r\n"), recorded ?? "");
  });

  it("prints configured units and joins index servers", () => {
    const indexServers = [
      { host: "a", port: 1 },
      { host: "b", port: 2 },
    ];
    const lines = showNodeVariables(
      nodeServerOptions({ dataDir: "/d", indexServers, clusterReplication: true, netReadTimeoutMs: 7000 }),
      "sync",
    );
    assertEquals(lines.includes("replication_type:       sync"), true);
    assertEquals(lines.includes("index_server(s):        a:1, b:2"), true);
    assertEquals(lines.includes("net_read_timeout:       7"), true);
    assertEquals(lines.includes("cluster_replication:    1"), true);
  });
});
