/**
 * Everything recorded of the original index server, asked of ours: the same bytes in, the same bytes out. Versions are
 * ours, and so is the number of threads: there is no thread for the clock. `meta` has a line more, which nodes skip that do
 * not know it.
 *
 * Covers lib/index_server/index_replies.ts, lib/index_server/index_commands.ts and lib/index_server/index_handler.ts.
 */

import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { VERSION } from "../../../lib/base/version.ts";
import type { ClusterNode } from "../../../lib/cluster/node.ts";
import type { NodeMap } from "../../../lib/cluster/node_map.ts";
import { createNodeMap } from "../../../lib/cluster/node_map.ts";
import { parseNodeLine } from "../../../lib/cluster/node_map_codec.ts";
import { indexServerOptions } from "../../../lib/index_server/index_options.ts";
import { startIndexServer } from "../../../lib/index_server/index_server.ts";
import { MemoryCoordinator } from "../../../lib/index_server/memory_coordinator.ts";
import { IndexWorld } from "../../support/index_world.ts";
import { OUR_META_LINES } from "../../transcripts/our_joins.ts";

interface Case {
  name: string;
  role: string;
  send: string;
  expect: string;
  closed: boolean;
  template?: boolean;
}

const recorded = JSON.parse(readFileSync(new URL("../../data/golden_text.json", import.meta.url), "utf8")) as Case[];

/** What the recorded servers knew before the first case. */
const MAPS: Readonly<Record<string, NodeMap>> = {
  index: mapOf("127.0.0.1 22121 0 0 0 1 16", "127.0.0.1 22122 1 0 0 1 17", "127.0.0.1 22123 2 0 -1 0 18"),
  "index-empty": mapOf("127.0.0.1 22141 2 0 -1 0 16"),
  "index-lifecycle": mapOf(),
};

/** What is answered otherwise; see `golden_decisions.ts`. */
const CHANGED: Readonly<Record<string, string>> = { "index-set": "ERROR\r\n" };
/** What the recorded servers do not count. */
const OURS =
  /^STAT (rejected_http_requests|index_(leads|leader|leader_since|term|replaced_by|moved|db|db_failing_seconds)) \S+\r\n/gm;
/** How the answer to `meta` ends. */
const META_END = "META partition-modular-virtual 4096\r\nEND\r\n";

const cases = recorded.filter(({ role }) => Object.hasOwn(MAPS, role));

function mapOf(...lines: string[]): NodeMap {
  return createNodeMap(
    lines.length === 0 ? 0 : 7,
    lines.map((line) => parseNodeLine(`NODE ${line}`) as ClusterNode),
    16 + lines.length,
  );
}

function patternOf(expected: string): RegExp {
  const pattern = expected
    .replaceAll("1.3.4", VERSION)
    .replace(/[.*+?^$()|[\]\\]/g, "\\$&")
    .replaceAll("{INT}", "\\d+")
    .replaceAll("{FLOAT}", "\\d+\\.\\d{6}")
    .replaceAll("{DATADIR}", "/data");
  return new RegExp(`^${pattern}$`);
}

/** As the recorded servers were started. */
function optionsOf(role: string): Parameters<typeof indexServerOptions>[0] {
  return {
    dataDir: "/data",
    serverName: "127.0.0.1",
    serverPort: 22120,
    maxConnection: 128,
    netReadTimeoutMs: 600_000_000,
    monitorIntervalMs: role === "index-lifecycle" ? 600_000 : 1000,
  };
}

for (const [role, map] of Object.entries(MAPS)) {
  describe(`recorded cases of ${role}`, () => {
    const world = new IndexWorld();
    const starting = startIndexServer(world, indexServerOptions(optionsOf(role)), new MemoryCoordinator(map));
    if (role === "index-lifecycle") for (const port of [5, 6, 7, 9]) world.node(`127.0.0.1:${port}`).reachable = false;
    for (const { name, send, expect, closed, template } of cases.filter((each) => each.role === role)) {
      it(name, async () => {
        await starting;
        const heard = await world.ask(send);
        const reply = heard.reply.replace(OURS, "");
        const expected = expect.replace(META_END, `${META_END.slice(0, -5)}${OUR_META_LINES}END\r\n`);
        if (template === true) assertEquals(reply.replace(patternOf(expect), ""), "");
        else assertEquals(reply, CHANGED[name] ?? expected.replaceAll("1.3.4", VERSION));
        assertEquals(heard.closed, closed);
      });
    }
  });
}

describe("recorded cases", () => {
  it("are all there", () => {
    assertEquals(cases.length, 104);
  });
});
