/** The read-only verbs: list, check, stats, summary, ping, threads, verify. */

import { lookup } from "node:dns/promises";
import process from "node:process";
import type { Command } from "commander";
import type { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { summarize } from "../lib/admin/cluster_summary.ts";
import { keyWord } from "../lib/admin/dump_format.ts";
import type { NodeReport } from "../lib/admin/node_report.ts";
import { parseNodeKey } from "../lib/admin/node_targets.ts";
import type { ReplicationReport } from "../lib/admin/replication_report.ts";
import {
  indexTable,
  nodeRecord,
  nodeTable,
  replicationRecord,
  replicationTable,
  reportRecord,
  statsTable,
  summaryTable,
  threadTable,
} from "../lib/admin/report_tables.ts";
import { requestRates } from "../lib/admin/request_rates.ts";
import { isUnreachable } from "../lib/admin/unreachable.ts";
import {
  differenceText,
  findingText,
  isSuspicious,
  replicaText,
  type VerifyReport,
  verifyCluster,
} from "../lib/admin/verify.ts";
import { FlareError } from "../lib/base/errors.ts";
import { sleep } from "../lib/base/sleep.ts";
import { utcText } from "../lib/base/utc_time.ts";
import { parseKeyHashAlgorithm } from "../lib/cluster/key_hash.ts";
import type { ClusterNode } from "../lib/cluster/node.ts";
import { checkCommand } from "./admin_check.ts";
import { addTableOptions, countOption, createVerb, secondsOption, withAdmin } from "./admin_connection.ts";
import { indexCommand } from "./admin_index.ts";
import { tableStyle } from "./colours.ts";
import { ExitStatus } from "./main.ts";
import { printJson, printLines } from "./output.ts";

const REPLICATION_HELP = "show who is in sync, or why not, and how far the slaves are behind";

interface StatsFlags {
  readonly qps?: true;
  readonly replication?: true;
  readonly index?: true;
  readonly wait: string;
  readonly count: string;
  readonly delimiter?: string;
}

/** The read-only verbs. */
export function reportCommands(): Command[] {
  return [
    listCommand(),
    checkCommand(),
    statsCommand(),
    summaryCommand(),
    pingCommand(),
    threadsCommand(),
    indexCommand(),
    verifyCommand(),
  ];
}

function listCommand(): Command {
  const command = addTableOptions(createVerb("list", "list the nodes of the cluster with their roles and states"));
  command.option("--numeric-hosts", "show addresses instead of names");
  command.option("--replication", REPLICATION_HELP);
  return command.action((options: { numericHosts?: true; replication?: true }) =>
    withAdmin(command, async (admin) => {
      if (options.replication) {
        const reports = await admin.replication();
        const shown = options.numericHosts ? await Promise.all(reports.map(withReportedAddress)) : reports;
        return printReplication(command, shown);
      }
      const { nodes } = await admin.nodeMap();
      const shown = options.numericHosts ? await Promise.all(nodes.map(withAddress)) : nodes;
      if (isJson(command)) await printJson(shown.map(nodeRecord));
      else await printLines(nodeTable(shown, tableStyle()));
    }),
  );
}

async function printReplication(command: Command, reports: readonly ReplicationReport[], delimiter?: string): Promise<void> {
  if (isJson(command)) await printJson(reports.map(replicationRecord));
  else await printLines(replicationTable(reports, tableStyle(delimiter)));
}

function statsCommand(): Command {
  const command = addTableOptions(createVerb("stats", "show statistics of the nodes"));
  command
    .argument("[host:port...]", "only these nodes")
    .option("-q, --qps", "also requests per second: all, reads, writes")
    .option("--replication", REPLICATION_HELP)
    .option("--index", "the index servers instead: which one leads, since when, in which term")
    .option("-w, --wait <seconds>", "pause between two tables", "1")
    .option("-c, --count <n>", "number of tables; 0 repeats until interrupted", "1")
    .option("-d, --delimiter <text>", "separate the columns with this instead of padding them");
  return command.action((nodes: string[], options: StatsFlags) =>
    withAdmin(command, async (admin) => {
      const keys = nodes.map(parseNodeKey);
      const waitMs = secondsOption("wait", options.wait, 1);
      const count = countOption("count", options.count, 1);
      let before: { reports: NodeReport[]; atMs: number } | undefined;
      const tables = ["qps", "replication", "index"] as const;
      const [first, second] = tables.filter((name) => options[name]);
      if (second !== undefined) throw new FlareError("INVALID_OPTION", `--${first} and --${second} are two tables`);
      for (let round = options.qps ? 0 : 1; count === 0 || round <= count; round++) {
        if (round > 1 || before !== undefined) await sleep(admin.runtime.clock, waitMs, true);
        if (options.replication) {
          await printReplication(command, await admin.replication(keys), options.delimiter);
          continue;
        }
        if (options.index) {
          const indexServers = await admin.indexReports();
          if (isJson(command)) await printJson(indexServers);
          else await printLines(indexTable(indexServers, utcText, tableStyle(options.delimiter)));
          continue;
        }
        const reports = await admin.stats(keys);
        const atMs = performance.now();
        const rates = before === undefined ? undefined : requestRates(before.reports, reports, atMs - before.atMs);
        if (options.qps) before = { reports, atMs };
        // The first round only provides the base of the rates.
        if (round === 0) continue;
        if (isJson(command)) await printJson(reports.map((report) => reportRecord(report, rates?.get(report.node.key))));
        else {
          const shownRates = options.qps ? (rates ?? new Map()) : undefined;
          await printLines(statsTable(reports, shownRates, tableStyle(options.delimiter)));
        }
      }
    }),
  );
}

function summaryCommand(): Command {
  const command = addTableOptions(createVerb("summary", "show the whole cluster in one line"));
  return command.action(() =>
    withAdmin(command, async (admin) => {
      const summary = summarize(admin.index.server, await admin.stats());
      if (isJson(command)) await printJson([summary]);
      else await printLines(summaryTable([summary], tableStyle()));
    }),
  );
}

function pingCommand(): Command {
  const command = addTableOptions(createVerb("ping", "check whether servers are alive"));
  command
    .argument("[host:port...]", "node servers or index servers; default: the index servers")
    .option("--wait", "wait until all of them answer");
  return command.action((names: string[], options: { wait?: true }) =>
    withAdmin(command, async (admin) => {
      const keys = names.length === 0 ? admin.indexKeys : names.map(parseNodeKey);
      if (options.wait) await Promise.all(keys.map((key) => admin.waitUntilAlive(key)));
      const answers = await Promise.all(keys.map((key) => pingAnswer(admin, key)));
      if (isJson(command)) await printJson(answers.map(({ node, problem }) => ({ node, alive: problem === "" })));
      else if (answers.every(({ problem }) => problem === "")) await printLines(["alive"]);
      for (const { problem } of answers) if (problem !== "") process.stderr.write(`flare: ${problem}\n`);
      if (answers.some(({ problem }) => problem !== "")) process.exitCode = ExitStatus.failed;
    }),
  );
}

async function pingAnswer(admin: ClusterAdmin, node: string): Promise<{ node: string; problem: string }> {
  try {
    await admin.ping(node);
    return { node, problem: "" };
  } catch (error) {
    if (!isUnreachable(error) && !(error instanceof FlareError && error.code === "REFUSED")) throw error;
    return { node, problem: `"${node}" is not alive: ${(error as FlareError).message}` };
  }
}

function threadsCommand(): Command {
  const command = addTableOptions(createVerb("threads", "show the threads of a server, and what they do"));
  command.argument("<host:port>", "the server");
  return command.action((name: string) =>
    withAdmin(command, async (admin) => {
      const threads = await admin.threads(parseNodeKey(name));
      if (isJson(command)) await printJson(threads);
      else await printLines(threadTable(threads, tableStyle()));
    }),
  );
}

function verifyCommand(): Command {
  const command = addTableOptions(createVerb("verify", "compare slaves with their masters, and read keys through every node"));
  command
    .option("--key-hash-algorithm <name>", "override the index server's")
    .option("--use-test-data", "write test keys and delete them afterwards")
    .option("--repair", "give slaves what their masters have where they differ")
    .option("--keys <n>", "keys to read through every node in each partition", "1000")
    .option("--meta", "take the parameters from the index server (always the case)")
    .option("--64bit", "hash as 64-bit programs do (no effect: all hashes are those of Flare)")
    .option("--verbose", "report progress")
    .option("--quiet", "print nothing; only set the exit status");
  return command.action(
    (options: { keyHashAlgorithm?: string; useTestData?: true; repair?: true; keys: string; verbose?: true; quiet?: true }) =>
      withAdmin(command, async (admin) => {
        const { keyHashAlgorithm: name } = options;
        const algorithm = name === undefined ? undefined : parseKeyHashAlgorithm(name);
        if (name !== undefined && algorithm === undefined) {
          throw new FlareError("INVALID_OPTION", `option "key-hash-algorithm": "${name}" is unknown`);
        }
        const report = await verifyCluster(admin, {
          ...(algorithm === undefined ? {} : { keyHashAlgorithm: algorithm }),
          useTestData: options.useTestData === true,
          repair: options.repair === true,
          keysPerPartitionMax: countOption("keys", options.keys, 1000, 1),
          onProgress: (line) => options.verbose && process.stderr.write(`${line}\n`),
        });
        if (isSuspicious(report)) process.exitCode = ExitStatus.failed;
        if (options.quiet) return;
        if (isJson(command)) await printJson(verifyRecord(report));
        else await printLines(verifyLines(report));
      }),
  );
}

function verifyLines({ replicas, differences, keys, nodes, partitions, strayKeys, findings }: VerifyReport): string[] {
  const found = replicas.reduce((sum, replica) => sum + replica.differences, 0);
  return [
    ...differences.map(differenceText),
    ...(found > differences.length ? [`… and ${found - differences.length} more keys that differ`] : []),
    ...findings.map(findingText),
    ...replicas.map(replicaText),
    `${keys} keys of ${partitions} partitions on ${nodes} nodes: ${findings.length} problems, ${strayKeys} stray keys`,
  ];
}

function verifyRecord(report: VerifyReport): unknown {
  const findings = report.findings.map(({ node, key, problem }) => ({ node, key: keyWord(key), problem }));
  const differences = report.differences.map(({ slave, master, key, masterVersion, replicaVersion, isRepaired }) => {
    const [masterText = null, slaveText = null] = [masterVersion, replicaVersion].map((version) => version?.toString());
    return { slave, master, key: keyWord(key), masterVersion: masterText, slaveVersion: slaveText, repaired: isRepaired };
  });
  return { ...report, differences, findings };
}

function isJson(command: Command): boolean {
  return command.getOptionValue("outputFormat") === "json";
}

async function withReportedAddress(report: ReplicationReport): Promise<ReplicationReport> {
  return { ...report, node: await withAddress(report.node) };
}

async function withAddress(node: ClusterNode): Promise<ClusterNode> {
  try {
    const { address } = await lookup(node.host);
    return { ...node, host: address, key: `${address}:${node.port}` };
  } catch {
    // A name that cannot be resolved is shown as it is.
    return node;
  }
}
