/**
 * The options of an index server.
 *
 * Covers lib/index_server/index_variables.ts.
 */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { resolveSettings } from "../../../lib/base/settings.ts";
import { indexOptionTable, indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { showIndexVariables } from "../../../lib/index_server/index_variables.ts";
import { readRepositoryFile } from "../../support/repository.ts";

describe("indexOptionTable", () => {
  it("has each name once, with defaults that are allowed", () => {
    const options = Object.values(indexOptionTable);
    assertEquals(new Set(options.map(({ name }) => name)).size, options.length);
    for (const option of options) {
      assertEquals(option.parse(option.format(option.default as never)), option.default, option.name);
    }
  });

  it("reloads what the original reloads", () => {
    const reloadable = Object.values(indexOptionTable)
      .filter((option) => option.reloadable)
      .map(({ name }) => name);
    assertEquals(reloadable.sort(), [
      "admin-access",
      "auth-exempt",
      "auth-file",
      "auth-timeout",
      "cluster-user",
      "http-hosts",
      "http-token-file",
      "log-facility",
      "log-level",
      "max-connection",
      "monitor-interval",
      "monitor-read-timeout",
      "monitor-threshold",
      "net-read-timeout",
      "request-timeout",
      "ssl-ca-cert",
      "ssl-chain-cert",
      "ssl-key",
      "ssl-min-version",
      "ssl-verify-mode",
      "thread-pool-size",
    ]);
  });

  it("refuses the hashes the original refuses", () => {
    for (const word of ["bitshift", "adler32", "murmur"]) {
      const sources = { flags: { "key-hash-algorithm": word } };
      assertThrows(() => resolveSettings(indexOptionTable, sources), FlareError, 'is not one of "simple", "crc32", "jenkins"');
    }
  });
});

describe("indexServerOptions", () => {
  it("has the original's defaults, in the code's units", () => {
    const options = indexServerOptions({ dataDir: "/d" });
    assertEquals([options.serverPort, options.indexDb, options.keyHashAlgorithm], [12120, "file:///d", "simple"]);
    assertEquals([options.monitorIntervalMs, options.monitorReadTimeoutMs, options.monitorThreshold], [5000, 1000, 3]);
    assertEquals([options.partitionModularHint, options.partitionModularVirtual, options.partitionSize], [1, 4096, 1024]);
  });

  it("needs a data directory unless the map is kept in memory", () => {
    assertThrows(() => indexServerOptions({}), FlareError, 'option "data-dir" is missing');
    assertEquals(indexServerOptions({ indexDb: "memory://" }).indexDb, "memory://");
  });
});

describe("showIndexVariables", () => {
  it("prints what the original prints, to the column", () => {
    const cases = JSON.parse(readRepositoryFile("tests/data/golden_text.json")) as { name: string; sample?: string }[];
    const recorded = cases.find(({ name }) => name === "index-show-variables")?.sample;
    const options = indexServerOptions({
      dataDir: "/var/lib/flare/i",
      maxConnection: 128,
      monitorIntervalMs: 1000,
      serverName: "127.0.0.1",
      serverPort: 22120,
    });
    assertEquals([...showIndexVariables(options), "END", ""].join("\r\n"), recorded ?? "");
  });
});
