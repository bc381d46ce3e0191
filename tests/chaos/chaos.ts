/**
 * The task `chaos`: one run of a real cluster under real faults. It takes Linux and root. Prints each fault, what was found,
 * and how long writes stood still; fails if something was found that the replication type excludes.
 * `npm run chaos -- [--seed N] [--seconds N] [--faults kill,pause,…] [--replication sync|async] [--fsync always|interval|os]
 * [--partitions N] [--slaves N] [--interval MS] [--runtime node|deno|bun] [--directory DIR] [--plant BUG] [--each]`
 */

import { mkdirSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { countFindings, type Finding } from "../../lib/testing/judge.ts";
import { plantedBugs } from "../simulation/planted/bugs.ts";
import { PlantedCopy } from "../simulation/planted/planted_copy.ts";
import { OWN_RUNTIME, type RuntimeName } from "../support/spawn.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { FAULT_KINDS, type FaultKind } from "./chaos_faults.ts";
import { type ChaosOptions, type ChaosReport, runChaos } from "./run_chaos.ts";
import { unexpectedFindings } from "./verdict.ts";

const EXPLAINED_MAX = 10;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    seconds: { type: "string", default: "300" },
    faults: { type: "string", default: FAULT_KINDS.join() },
    replication: { type: "string", default: "sync" },
    fsync: { type: "string", default: "always" },
    partitions: { type: "string", default: "1" },
    slaves: { type: "string", default: "2" },
    interval: { type: "string", default: "5000" },
    runtime: { type: "string", default: OWN_RUNTIME },
    directory: { type: "string" },
    plant: { type: "string" },
    each: { type: "boolean", default: false },
  },
});

/** One of the possible words. */
function word<Word extends string>(name: keyof typeof values, words: readonly Word[]): Word {
  const given = words.find((each) => each === values[name]);
  if (given === undefined) throw new Error(`--${name} "${values[name]}": use one of ${words.join(", ")}`);
  return given;
}

function wantedKinds(): readonly FaultKind[] {
  return values.faults.split(",").map((name) => {
    const kind = FAULT_KINDS.find((each) => each === name);
    if (kind === undefined) throw new Error(`--faults "${name}": use some of ${FAULT_KINDS.join()}`);
    return kind;
  });
}

/** The sources with the bug that was asked for. */
function plantedCopy(): PlantedCopy | undefined {
  if (values.plant === undefined) return undefined;
  const bug = plantedBugs.find(({ name }) => name === values.plant);
  if (bug === undefined)
    throw new Error(`--plant "${values.plant}": use one of ${plantedBugs.map(({ name }) => name).join(", ")}`);
  return new PlantedCopy(bug);
}

function print({ findings, silences, notes: _, ...figures }: ChaosReport, unexpected: readonly Finding[]): void {
  for (const { kind, explanation } of unexpected.slice(0, EXPLAINED_MAX)) console.log(`found ${kind}: ${explanation}`);
  console.log(
    Object.entries({ ...figures, ...countFindings(findings) })
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
  for (const { partition, longest, unexcused } of silences) {
    const text = [longest, unexcused].map(({ fromUs, toUs }) => `${seconds(toUs - fromUs)} s from ${seconds(fromUs)} s on`);
    console.log(`partition ${partition}: no write for ${text[0]}; with a healthy replica for ${text[1]}`);
  }
}

function seconds(us: number): string {
  return (us / 1e6).toFixed(1);
}

/** One run, printed as it goes. */
async function run(kinds: readonly FaultKind[]): Promise<ChaosReport> {
  const directory = values.directory ?? makeTemporaryDirectory();
  mkdirSync(directory, { recursive: true });
  const copy = plantedCopy();
  const interruption = new AbortController();
  process.once("SIGINT", () => interruption.abort());
  const options: ChaosOptions = {
    directory,
    kinds,
    sources: copy?.directory,
    signal: interruption.signal,
    seed: values.seed,
    seconds: Number(values.seconds),
    intervalMs: Number(values.interval),
    partitions: Number(values.partitions),
    slaves: Number(values.slaves),
    runtime: word<RuntimeName>("runtime", ["node", "deno", "bun"]),
    replication: word("replication", ["sync", "async"]),
    fsync: word("fsync", ["always", "interval", "os"]),
    onNote: (line) => console.log(line),
  };
  console.log(`seed ${options.seed}, ${options.replication}, fsync ${options.fsync}, ${kinds.join()}`);
  const report = await runChaos(options);
  copy?.remove();
  const unexpected = unexpectedFindings(report.findings, options.replication);
  print(report, unexpected);
  if (values.directory === undefined) removeTemporaryDirectory(directory);
  console.log(unexpected.length === 0 ? "nothing unexpected" : `FAILED: ${unexpected.length} findings, seed ${options.seed}`);
  if (unexpected.length > 0) process.exitCode = 1;
  return report;
}

/** A row of the table in docs/chaos.md. */
function row(kind: FaultKind, { acknowledgedWrites, findings, silences }: ChaosReport): string {
  const found = Object.entries(countFindings(findings)).filter(([, count]) => count > 0);
  const longest = Math.max(...silences.map(({ unexcused }) => unexcused.toUs - unexcused.fromUs));
  const shown = found.map(([name, count]) => `${name} ${count}`).join(", ");
  return `| \`${kind}\` | ${acknowledgedWrites} | ${shown || "nothing"} | ${seconds(longest)} |`;
}

async function main(): Promise<void> {
  const kinds = wantedKinds();
  if (!values.each) {
    await run(kinds);
    return;
  }
  const rows: string[] = [];
  for (const kind of kinds) rows.push(row(kind, await run([kind])));
  console.log("| fault | acknowledged writes | found | no write for, in s |\n|---|---|---|---|");
  for (const line of rows) console.log(line);
}

await main();
process.exit();
