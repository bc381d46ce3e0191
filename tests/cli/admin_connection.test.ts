/** How the operator's verbs find their cluster, read their options and ask before they act. */

import { describe, it } from "node:test";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  bandwidthOption,
  countOption,
  indexServerAddresses,
  secondsOption,
  timeoutOption,
} from "../../cli/admin_connection.ts";
import { confirm, isWanted, type Terminal } from "../../cli/confirmation.ts";
import { FlareError } from "../../mod.ts";

describe("the index server", () => {
  it("is the one named by option, environment or default", () => {
    const environment = { FLARE_INDEX_SERVER: "env:1", FLARE_INDEX_SERVER_PORT: "2" };
    const port = { FLARE_INDEX_SERVER_PORT: "2" };
    const cases: readonly (readonly [Parameters<typeof indexServerAddresses>[0], Record<string, string>, string])[] = [
      [{}, {}, "127.0.0.1:12120"],
      [{}, port, "127.0.0.1:2"],
      [{}, environment, "env:1"],
      [{}, { FLARE_INDEX_SERVER: "env" }, "env:12120"],
      [{}, { FLARE_INDEX_SERVER: "", FLARE_INDEX_SERVER_PORT: "" }, "127.0.0.1:12120"],
      [{ indexServer: "flag" }, environment, "flag:2"],
      [{ indexServer: "flag:3" }, environment, "flag:3"],
      [{ indexServerPort: "4" }, environment, "env:4"],
      [{ indexServer: "flag:3", indexServerPort: "4" }, environment, "flag:4"],
      [{ indexServer: "[::1]:5" }, {}, "::1:5"],
      [{ indexServer: "a, b:3,[::1]:5" }, port, "a:2 b:3 ::1:5"],
      [{}, { FLARE_INDEX_SERVER: "a:1,b" }, "a:1 b:12120"],
    ];
    for (const [options, variables, expected] of cases) {
      const addresses = indexServerAddresses(options, variables);
      assertEquals(addresses.map(({ host, port: number }) => `${host}:${number}`).join(" "), expected);
    }
  });

  it("has a port that is one", () => {
    for (const text of ["0", "65536", "x", "-1", ""]) {
      assertThrows(() => indexServerAddresses({ indexServerPort: text }, {}), FlareError, `"${text}" is not an integer`);
    }
    assertThrows(() => indexServerAddresses({ indexServer: "a,,b" }, {}), FlareError, "a name in the list is empty");
    assertThrows(() => indexServerAddresses({ indexServer: "h:99999" }, {}), FlareError, '"99999" is not an integer');
  });
});

describe("numbers", () => {
  it("are read with their units", () => {
    assertEquals([countOption("n", undefined, 7), countOption("n", "12", 7)], [7, 12]);
    assertEquals([secondsOption("n", undefined, 10), secondsOption("n", "0.25", 10)], [10000, 250]);
    assertEquals(["0", "100", "2k", "3M", "1g"].map(bandwidthOption), [0, 100, 2048, 3145728, 1073741824]);
    assertEquals(bandwidthOption(undefined), 0);
  });

  it("are refused when malformed", () => {
    assertThrows(() => countOption("retry", "-1", 0), FlareError, 'option "retry": "-1" is not an integer from 0 on');
    assertThrows(() => countOption("keys", "0", 0, 1), FlareError, 'option "keys": "0" is not an integer from 1 on');
    assertThrows(() => secondsOption("wait", "1s", 0), FlareError, 'option "wait": "1s" is not a number of seconds');
    assertThrows(() => timeoutOption("0"), FlareError, 'option "timeout": "0" must be more than 0');
    assertThrows(() => bandwidthOption("1x"), FlareError, 'option "bwlimit": "1x" is not a number of bytes per second');
  });
});

describe("confirmation", () => {
  const answering = (answer: string, asked: string[] = []): Terminal => ({
    present: true,
    ask: async (question) => {
      asked.push(question);
      return answer;
    },
  });
  const nobody: Terminal = { present: false, ask: () => Promise.reject(new Error("asked nobody")) };

  it("takes yes for yes and all else for no", async () => {
    const asked: string[] = [];
    for (const answer of ["y", "Y", " yes ", "YES"]) await confirm("Do that?", answering(answer, asked));
    assertEquals(asked[0], "Do that? (y/n): ");
    for (const answer of ["", "n", "yep", "no"]) {
      assertEquals(
        (await assertRejects(() => confirm("Do that?", answering(answer)), FlareError)).message,
        "nothing was changed",
      );
    }
    assertEquals([await isWanted("?", answering("y")), await isWanted("?", answering(""))], [true, false]);
  });

  it("is not given when nobody can be asked", async () => {
    const error = await assertRejects(() => confirm("Do that?", nobody), FlareError);
    assertEquals([error.code, error.message], ["REFUSED", "nothing was changed: without a terminal --force is required"]);
    assertEquals(await isWanted("?", nobody), false);
  });
});
