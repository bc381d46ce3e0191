/**
 * Loads all of Debian's package list through the npm client `memcached`, kills the node in the middle of overwriting it,
 * and prints what was found after the restart: `node --import tsx bench/real_input.ts [os|interval|always]…`.
 */

import process from "node:process";
import { proveRealInput, realInput } from "../tests/support/real_input.ts";
import { withTemporaryDirectory } from "../tests/support/temporary_directory.ts";

const POLICIES = ["os", "interval", "always"] as const;
const RECORDS_MAX = 1000000;

const given = process.argv.slice(2);
const input = realInput(RECORDS_MAX);
console.log(`${input.records.size} records from ${input.source}`);
for (const fsync of POLICIES) {
  if (given.length > 0 && !given.includes(fsync)) continue;
  await withTemporaryDirectory(async (directory) => {
    const numbers = await proveRealInput({ directory, fsync, input });
    const perSecond = Math.round(numbers.records / numbers.loadSeconds);
    const text = Object.entries(numbers).map(([name, value]) => `${name} ${typeof value === "number" ? round(value) : value}`);
    console.log(`fsync ${fsync}: ${text.join(", ")}, ${perSecond} sets per second`);
  });
}
process.exit(0);

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
