/**
 * The task `chaos:leaders`: kills the leading index server again and again, prints each kill and how long it took, and fails if
 * something was found. It takes etcd or ZooKeeper, as Debian has them.
 * `npm run chaos:leaders -- [--service etcd|zookeeper] [--members N] [--kills N] [--seed N]`
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { KILL_SERVICES, killLeaders } from "./leader_kills.ts";

const { values } = parseArgs({
  options: {
    service: { type: "string", default: "etcd" },
    members: { type: "string", default: "3" },
    kills: { type: "string", default: "50" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});

/** The smallest, the middle and the largest. */
function spread(times: readonly number[]): string {
  const sorted = [...times].sort((left, right) => left - right);
  const [least, middle, most] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)].map((ms = 0) =>
    (ms / 1000).toFixed(2),
  );
  return `${least} to ${most} s, median ${middle} s`;
}

async function main(): Promise<void> {
  const service = KILL_SERVICES.find((each) => each === values.service);
  if (service === undefined) throw new Error(`--service "${values.service}": use one of ${KILL_SERVICES.join(", ")}`);
  const [members, kills] = [Number(values.members), Number(values.kills)];
  console.log(`seed ${values.seed}, ${kills} kills, ${service} with ${members} servers`);
  const report = await killLeaders({ service, members, kills, seed: values.seed, onNote: (line) => console.log(line) });
  const { findings, leaderMs, writeMs, ...figures } = report;
  console.log(
    Object.entries(figures)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
  console.log(`another index server leads after ${spread(leaderMs)}`);
  console.log(`with the master, a write is acknowledged after ${spread(writeMs)}`);
  for (const finding of findings) console.log(`found ${finding}`);
  console.log(findings.length === 0 ? "nothing found" : `FAILED: ${findings.length} findings`);
  if (findings.length > 0) process.exitCode = 1;
}

await main();
process.exit();
