/**
 * Searches with one seed after another until one finds something wrong; prints a line of JSON. The runner starts it in a copy
 * of the sources that has a bug: `search.ts NAME FIRST_SEED SEEDS`.
 */

import process from "node:process";
import { SEARCHES } from "./searches.ts";

const [name = "", first = "1", seeds = "1"] = process.argv.slice(2);
const search = SEARCHES[name];
if (search === undefined) throw new Error(`there is no search "${name}"; there are ${Object.keys(SEARCHES).join(", ")}`);

async function find(): Promise<{ seed: number; message: string } | undefined> {
  for (let seed = Number(first); seed < Number(first) + Number(seeds); seed++) {
    try {
      await (search as (seed: string) => Promise<void>)(String(seed));
    } catch (error) {
      return { seed, message: (error as Error).message };
    }
  }
  return undefined;
}

const found = await find();
console.log(JSON.stringify(found ?? { seed: undefined }));
process.exit();
