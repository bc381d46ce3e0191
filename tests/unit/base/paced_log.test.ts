/** A line of the log that anybody can cause: once in a while, with how many were left out. Covers lib/base/sleep.ts, too. */

import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { PacedLog } from "../../../lib/base/paced_log.ts";
import { sleep } from "../../../lib/base/sleep.ts";
import { PlayedNetwork } from "../../support/played_network.ts";

describe("a paced log", () => {
  it("writes the first at once, then one in each interval, which counts those between", async () => {
    const network = new PlayedNetwork();
    const log = new PacedLog(network.runtime, "warning", 1000);
    for (const name of ["a", "b", "c"]) log.write(name);
    await network.pass(999);
    log.write("d");
    assertEquals(network.logged, ["warning a"]);
    await network.pass(1);
    log.write("e");
    assertEquals(network.logged, ["warning a", "warning e (and 3 more since the last such line)"]);
    await network.pass(1000);
    log.write("f");
    assertEquals(network.logged.at(-1), "warning f");
  });
});

describe("sleep", () => {
  it("ends when its time is over, not before", async () => {
    const network = new PlayedNetwork();
    let over = false;
    void sleep(network.clock, 50).then(() => {
      over = true;
    });
    await network.pass(49);
    assertEquals(over, false);
    await network.pass(1);
    assertEquals(over, true);
  });
});
