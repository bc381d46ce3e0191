/**
 * The task `sim:planted`: plants one bug after another into a copy of the sources and looks for it with the run that has to
 * find it; prints the table of docs/simulation.md. With `--bug none` the runs search the sources as they are and must find
 * nothing.
 * `npm run sim:planted -- [--bug NAME] [--seeds N]`
 */

import process from "node:process";
import { parseArgs } from "node:util";
import type { PlantedBug } from "./bug.ts";
import { plantedBugs } from "./bugs.ts";
import { PlantedCopy } from "./planted_copy.ts";
import { SEARCHES } from "./searches.ts";

const { values } = parseArgs({
  options: { bug: { type: "string" }, seeds: { type: "string", default: "300" } },
});

async function find(bug: PlantedBug | undefined, search: string): Promise<{ seed: string; message: string }> {
  const copy = new PlantedCopy(bug);
  try {
    const { seed, message } = await copy.search(search, 1, Number(values.seeds));
    return { seed: seed === undefined ? "none" : String(seed), message: message ?? "" };
  } finally {
    copy.remove();
  }
}

async function searchSound(): Promise<void> {
  for (const search of Object.keys(SEARCHES)) {
    const { seed, message } = await find(undefined, search);
    console.log(`${search}: ${seed === "none" ? `nothing in ${values.seeds} seeds` : `seed ${seed}: ${message}`}`);
    if (seed !== "none") process.exitCode = 1;
  }
}

async function searchPlanted(bugs: readonly PlantedBug[]): Promise<void> {
  console.log("| bug | what is wrong | search | first seed |\n|---|---|---|---|");
  for (const bug of bugs) {
    const { seed, message } = await find(bug, bug.search);
    console.log(`| ${bug.name} | ${bug.about} | \`${bug.search}\` | ${seed} |`);
    console.error(`${bug.name}: ${message.slice(0, 200)}`);
    if (seed === "none") process.exitCode = 1;
  }
}

const chosen = plantedBugs.filter(({ name }) => values.bug === undefined || values.bug === name);
if (values.bug === "none") await searchSound();
else if (chosen.length === 0) throw new Error(`there is no planted bug "${values.bug}"`);
else await searchPlanted(chosen);
