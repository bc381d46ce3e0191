/**
 * A short run of every fuzz target: the kept inputs, then a fixed seed and a fresh one. `npm run fuzz` runs for any time; a
 * failure prints the seed and the input to add to the corpus.
 */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { corpusOf } from "./corpus.ts";
import { fuzz, runCorpus } from "./fuzz_runner.ts";
import type { FuzzTarget } from "./fuzz_target.ts";
import { shrink } from "./shrink.ts";
import { httpTarget } from "./targets/http_requests.ts";
import { TARGETS } from "./targets.ts";

const FIXED_SEED = "1";
const SECONDS = 0.4;
const EXECUTIONS = 3000;

describe("fuzz targets", () => {
  for (const target of TARGETS) {
    it(`${target.name}: ${target.oracle}`, async (t) => {
      assert((await runCorpus(target)) >= corpusOf(target.name).length);
      for (const seed of [FIXED_SEED, String(Date.now() % 1000000)]) {
        const report = await fuzz(target, seed, { seconds: SECONDS, executions: EXECUTIONS });
        t.diagnostic(`seed ${seed}: ${report.executions} executions, ${report.met} different things met`);
        assertEquals(report.failure, undefined);
        assert(report.executions > 0 && report.met > 0);
      }
    });
  }
});

describe("HTTP", () => {
  it("commands nothing in 100,000 requests", async () => {
    const report = await fuzz(httpTarget, String(Date.now() % 1000000), { seconds: 300, executions: 100000 });
    assertEquals(report.failure, undefined);
    assertEquals(report.executions, 100000);
  });
});

describe("the fuzzer", () => {
  /** Fails on "bug" anywhere behind "x". */
  const planted: FuzzTarget = {
    name: "planted",
    oracle: "there is no bug",
    open: () =>
      Promise.resolve({
        generate: (random) => fromLatin1(Array.from({ length: 30 }, () => random.pick(["b", "u", "g", "x", "-"])).join("")),
        run(input) {
          const text = String.fromCharCode(...input);
          if (/x.*bug/.test(text)) throw new Error(`found in ${text.length} bytes`);
          return new Set([text.slice(0, 2)]);
        },
        close: () => Promise.resolve(),
      }),
  };

  it("finds a planted bug, makes it small, and finds it again with the same seed", async () => {
    const first = await fuzz(planted, "7", { seconds: 20, executions: 100000 });
    assert(first.failure?.includes('"input":"xbug"') === true, first.failure);
    assert(first.failure?.includes("found in 4 bytes") === true, first.failure);
    const second = await fuzz(planted, "7", { seconds: 20, executions: 100000 });
    assertEquals(second.failure, first.failure);
    assertEquals(second.executions, first.executions);
  });

  it("takes nothing away that is needed", async () => {
    const smallest = await shrink(fromLatin1("--a--b--a--"), (candidate) => {
      const text = String.fromCharCode(...candidate);
      return Promise.resolve(/b.*-/.test(text));
    });
    assertEquals(String.fromCharCode(...smallest), "b-");
  });

  it("reports memory that grows without an end", async () => {
    const kept: Uint8Array[] = [];
    const leaking: FuzzTarget = {
      name: "leaking",
      oracle: "nothing is kept",
      open: () =>
        Promise.resolve({
          generate: (random) => Uint8Array.of(random.between(0, 255)),
          run() {
            kept.push(new Uint8Array(65536).fill(1));
            return new Set(["kept"]);
          },
          close: () => Promise.resolve(),
        }),
    };
    const report = await fuzz(leaking, "1", { seconds: 60, executions: 2000 });
    if (report.finalBytes !== undefined) assert(report.failure?.includes("memory grew"), report.failure ?? "nothing found");
    assert(kept.length > 0);
  });
});
