/** Which answers of an index server leave a change to be asked again. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { isLeaderless, isUndecided, LEADER_SILENT, NO_LEADER } from "../../../lib/cluster/index_leader.ts";

describe("an answer without a leader", () => {
  it("is told from a refusal, and from one that leaves open what was done", () => {
    const answers = [
      [`SERVER_ERROR failed to set state: ${NO_LEADER}`, true, true],
      [`SERVER_ERROR failed to set state: ${LEADER_SILENT}`, false, true],
      ["SERVER_ERROR failed to set state", false, false],
      [`ERROR: ${NO_LEADER}`, false, false],
      ["OK", false, false],
    ] as const;
    for (const [line, leaderless, undecided] of answers)
      assertEquals([isLeaderless(line), isUndecided(line)], [leaderless, undecided]);
  });
});
