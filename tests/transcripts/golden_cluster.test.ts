/**
 * The recorded conversations between C++ daemons, each played once for every server in it: that server is ours, the
 * others are the recording. What ours says to whom is compared byte for byte.
 *
 * Covers lib/node_server/flush/cluster_flush.ts and lib/node_server/flush/partition_flush.ts.
 */

import { after, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { readRepositoryFile } from "../support/repository.ts";
import { GROUPS } from "./golden_cluster_plan.ts";
import { type Group, type Scenario, Stage } from "./golden_cluster_stage.ts";

const SCENARIOS: readonly Scenario[] = JSON.parse(readRepositoryFile("tests/data/golden_cluster.json"));

function scenariosOf(group: Group): Scenario[] {
  const first = SCENARIOS.findIndex(({ name }) => name === group.first);
  const last = SCENARIOS.findIndex(({ name }) => name === group.last);
  return SCENARIOS.slice(first, last + 1);
}

/** The servers of some scenarios that ours can take the place of. */
function rolesOf(scenarios: readonly Scenario[]): string[] {
  const speakers = scenarios.flatMap(({ messages }) => messages.flatMap(({ from, to }) => [from, to]));
  return [...new Set(speakers)].filter((role) => role !== "client" && !role.startsWith("fake-"));
}

function takesPart(role: string, { name, topology, messages }: Scenario, group: Group): boolean {
  if (group.preludes?.[name]?.without?.includes(role) === true) return false;
  return topology[role] !== undefined || messages.some(({ from, to }) => from === role || to === role);
}

for (const group of GROUPS) {
  const scenarios = scenariosOf(group);
  const topology = Object.assign({}, ...scenarios.map((scenario) => scenario.topology));
  for (const role of group.roles ?? rolesOf(scenarios)) {
    describe(`recorded from "${group.first}" on, ${role} is ours`, () => {
      const stage = new Stage(role, group, topology);
      after(() => stage.close());
      const mine = scenarios.filter((scenario) => takesPart(role, scenario, group));
      for (const scenario of mine) it(scenario.name, () => stage.play(scenario));
    });
  }
}

describe("the recordings", () => {
  it("are all there, in one group each", () => {
    assertEquals(SCENARIOS.length, 150);
    assertEquals(
      GROUPS.flatMap(scenariosOf).map(({ name }) => name),
      SCENARIOS.map(({ name }) => name),
    );
  });

  it("know what is prepared for them and where ours differs", () => {
    for (const group of GROUPS) {
      const names = new Set(scenariosOf(group).map(({ name }) => name));
      for (const name of [...Object.keys(group.preludes ?? {}), ...Object.keys(group.deviations ?? {})]) {
        assert(names.has(name.split("/")[0] ?? ""), name);
      }
    }
  });
});
