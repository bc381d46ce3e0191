/** Which commands can be sent to several servers, and how their answers are read. */

import { describe, it } from "node:test";
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { callServers, parseCall } from "../../../lib/admin/call.ts";
import type { ClusterAdmin } from "../../../lib/admin/cluster_admin.ts";
import { FlareError } from "../../../lib/base/errors.ts";

describe("a call", () => {
  it("knows by its first words whether one line or several are the answer", () => {
    for (const [command, shape] of [
      [["version"], "line"],
      [["stats"], "lines"],
      [["stats", "settings"], "lines"],
      [["stats", "reset"], "line"],
      [["stats detail  on"], "line"],
      [["stats", "detail", "dump"], "lines"],
      [["lru_crawler", "crawl", "all"], "line"],
      [["show", "variables"], "lines"],
    ] as const) {
      assertEquals(parseCall(command).shape, shape, command.join(" "));
    }
    assertEquals(parseCall([" stats ", "detail  on"]).text, "stats detail on");
  });

  it("is none that concerns items or the cluster, sends data, or does not end", () => {
    const others = ["flush_all", "set a 0 0 1", "incr a 1", "node role a 1 proxy 0 -1", "watch", "lru_crawler metadump all"];
    for (const text of [...others, "quit", "shutdown a 1", "statss", ""]) {
      const error = assertThrows(() => parseCall([text]), FlareError, "is not a command for several servers");
      assertEquals(error.code, "INVALID_OPTION");
    }
  });

  it("has an answer of each server, or why there is none", async () => {
    const asked: string[] = [];
    const client = (server: string) => ({
      line: (text: string) => {
        asked.push(`${server} ${text}`);
        if (server === "b:1") return Promise.reject(new FlareError("CONNECTION_FAILED", "it is away"));
        return Promise.resolve("VERSION 1");
      },
      lines: () => Promise.resolve(["STAT a 1", "STAT b 2"]),
    });
    const admin = { client } as unknown as ClusterAdmin;
    assertEquals(await callServers(admin, parseCall(["version"]), ["a:1", "b:1"]), [
      { server: "a:1", lines: ["VERSION 1"] },
      { server: "b:1", lines: [], problem: "it is away" },
    ]);
    assertEquals(asked, ["a:1 version", "b:1 version"]);
    const [figures] = await callServers(admin, parseCall(["stats"]), ["a:1"]);
    assertStringIncludes(figures?.lines.join() ?? "", "STAT b 2");
  });
});
