/** Options without effect: they are one list, each has its reason, and the log names the ones given. */

import { describe, it } from "node:test";
import { assertEquals, assertThrows } from "@std/assert";
import { FlareError } from "../../../lib/base/errors.ts";
import { optionsWithoutEffect, resolveSettings } from "../../../lib/base/settings.ts";
import { indexOptionTable } from "../../../lib/index_server/index_options.ts";
import { idleDaemonOptions, idleIndexOptions, idleNodeOptions } from "../../../lib/net/options_without_effect.ts";
import { nodeOptionTable } from "../../../lib/node_server/node_options.ts";

const idleFields = (table: object): string[] =>
  Object.entries(table)
    .filter(([, option]) => option.withoutEffect !== undefined)
    .map(([field]) => field);

describe("options without effect", () => {
  it("are all in the list, each with a reason", () => {
    assertEquals(idleFields(nodeOptionTable), [...Object.keys(idleDaemonOptions), ...Object.keys(idleNodeOptions)]);
    assertEquals(idleFields(indexOptionTable), [...Object.keys(idleDaemonOptions), ...Object.keys(idleIndexOptions)]);
    for (const { name, withoutEffect } of Object.values({ ...idleDaemonOptions, ...idleIndexOptions, ...idleNodeOptions })) {
      assertEquals((withoutEffect ?? "").length > 0, true, name);
    }
  });

  it("are named when they are given", () => {
    const settings = resolveSettings(nodeOptionTable, { flags: { "storage-ap": "5", "server-port": "1" } });
    assertEquals(optionsWithoutEffect(nodeOptionTable, settings), ["storage-ap"]);
  });

  it("say why they cannot have another value", () => {
    const reason = "replication to MySQL is not supported; cluster-replication sends every write to another cluster";
    assertThrows(() => resolveSettings(nodeOptionTable, { flags: { "mysql-replication": "true" } }), FlareError, reason);
  });
});
