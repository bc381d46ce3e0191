/**
 * The verbs that change the cluster: master, slave, part, balance, promote, down, activate, reconstruct, remove. Each shows its
 * plan, asks, executes it, and reports progress.
 */

import process from "node:process";
import { type Command, Option } from "commander";
import { type Change, describeStep, differences, type Preview } from "../lib/admin/change.ts";
import { eventLines, lostCopyText, previewRecord } from "../lib/admin/change_texts.ts";
import {
  activateChange,
  balanceChange,
  downChange,
  masterChange,
  partChange,
  promoteChange,
  reconstructChange,
  reconstructible,
  removeChange,
  slaveChange,
} from "../lib/admin/change_verbs.ts";
import type { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { parseBalanceTarget, parseNodeKey, parseRoleTarget } from "../lib/admin/node_targets.ts";
import { lostCopies } from "../lib/admin/only_copies.ts";
import { copyProgressText } from "../lib/admin/progress_text.ts";
import { differenceTable, nodeRecord, nodeTable } from "../lib/admin/report_tables.ts";
import type { TableStyle } from "../lib/admin/text_table.ts";
import { FlareError } from "../lib/base/errors.ts";
import { type ClusterNode, NodeState } from "../lib/cluster/node.ts";
import { findNode } from "../lib/cluster/node_map.ts";
import { addTableOptions, countOption, createVerb, withAdmin } from "./admin_connection.ts";
import { tableStyle } from "./colours.ts";
import { confirm, isWanted, processTerminal } from "./confirmation.ts";
import { ProgressLine, printJson, printLines } from "./output.ts";

interface ChangeFlags {
  readonly dryRun?: true;
  readonly force?: true;
  readonly yes?: true;
  readonly outputFormat: "table" | "json";
}

/** The verbs that change the cluster. */
export function changeCommands(): Command[] {
  return [
    masterCommand(),
    slaveCommand(),
    partCommand(),
    balanceCommand(),
    promoteCommand(),
    downCommand(),
    activateCommand(),
    reconstructCommand(),
    removeCommand(),
  ];
}

const roleForm = "host:port:balance:partition";
const withoutClean = "--without-clean";
const withoutCleanHelp = "do not empty the node first: its old items may come back";

function masterCommand(): Command {
  const command = changeVerb("master", "make nodes masters of new partitions")
    .argument(`<${roleForm}...>`)
    .addOption(retryOption())
    .option("--activate", "activate them without asking")
    .option(withoutClean, withoutCleanHelp)
    .option("--unsafe", "allow replacing a master that is down; its data is lost");
  return command.action((targets: string[], flags: { activate?: true; unsafe?: true }) =>
    withAdmin(command, async (admin) => {
      const parsed = targets.map(parseRoleTarget);
      const { activate = false, unsafe = false } = flags;
      const done = await run(admin, command, masterChange(parsed, { activate, unsafe, ...joinOptions(command) }));
      if (done && !activate)
        await offerActivation(
          admin,
          command,
          parsed.map(({ node }) => node),
        );
    }),
  );
}

/** Asks whether to activate a master that has copied its keys. */
async function offerActivation(admin: ClusterAdmin, command: Command, keys: readonly string[]): Promise<void> {
  const map = await admin.nodeMap();
  const ready = keys.filter((key) => findNode(map, key)?.state === NodeState.ready);
  if (ready.length === 0) return;
  const { force, yes } = command.opts<ChangeFlags>();
  if (force === undefined && yes === undefined && (await isWanted(`${ready.join(", ")}: ready. Activate?`, processTerminal))) {
    await carryOut(admin, command, activateChange(ready));
  } else {
    process.stderr.write(`ready, not active yet: flare activate ${ready.join(" ")}\n`);
  }
}

function slaveCommand(): Command {
  const command = changeVerb("slave", "make nodes slaves: they copy their partition, then serve their share of the reads")
    .argument(`<${roleForm}...>`)
    .addOption(retryOption())
    .addOption(new Option("--clean", "empty the node first (default)").conflicts("withoutClean"))
    .option("--unsafe", "allow copying from a master with less data than the node; the node's items are lost")
    .option(withoutClean, withoutCleanHelp);
  return command.action((targets: string[], flags: { unsafe?: true }) =>
    withAdmin(command, async (admin) => {
      const options = { ...joinOptions(command), unsafe: flags.unsafe === true };
      await run(admin, command, slaveChange(targets.map(parseRoleTarget), options));
    }),
  );
}

function partCommand(): Command {
  const command = changeVerb("part", "create a partition: the first node its master, the others its slaves")
    .argument(`<${roleForm}...>`)
    .addOption(retryOption())
    .option(withoutClean, withoutCleanHelp);
  return command.action((targets: string[]) =>
    withAdmin(command, async (admin) => {
      const options = joinOptions(command);
      await run(admin, command, partChange(targets.map(parseRoleTarget), options));
    }),
  );
}

function balanceCommand(): Command {
  const command = changeVerb("balance", "set the share of the reads of nodes").argument("<host:port:balance...>");
  return command.action((targets: string[]) =>
    withAdmin(command, async (admin) => {
      await run(admin, command, balanceChange(targets.map(parseBalanceTarget)));
    }),
  );
}

const promoteHelp = `
The master finishes its writes, replicates them to its slaves and holds further requests; the index server promotes the
slave, and the held requests continue there. Nothing is lost and no request fails. The former master then becomes a slave
with a fresh copy; until that is complete, the partition has one copy fewer. A master that cannot hold its requests (a C++
flared, or an older one) is refused, because a write during the switch could be lost. --unsafe allows it; use it while
nobody writes.`;

function promoteCommand(): Command {
  const command = changeVerb("promote", "make slaves masters of their partitions, in place of running masters")
    .argument("<host:port...>")
    .option("--no-copy", "leave the former master as a proxy, for example to stop it")
    .option("--unsafe", "allow it even if the master cannot hold its requests")
    .addHelpText("after", promoteHelp);
  return command.action((nodes: string[], flags: { copy: boolean; unsafe?: true }) =>
    withAdmin(command, async (admin) => {
      const options = { keepFormer: flags.copy, unsafe: flags.unsafe === true };
      await run(admin, command, promoteChange(nodes.map(parseNodeKey), options));
    }),
  );
}

function downCommand(): Command {
  const command = changeVerb("down", "take nodes out of service; a master's slave takes over").argument("<host:port...>");
  return command.action((nodes: string[]) =>
    withAdmin(command, async (admin) => {
      await run(admin, command, downChange(nodes.map(parseNodeKey)));
    }),
  );
}

function activateCommand(): Command {
  const command = changeVerb("activate", "put nodes into service")
    .argument("<host:port...>")
    .option("--unsafe", "accept a master that has lost its data, of which there is no copy; its partition is then empty");
  return command.action((nodes: string[], flags: { unsafe?: true }) =>
    withAdmin(command, async (admin) => {
      await run(admin, command, activateChange(nodes.map(parseNodeKey), { unsafe: flags.unsafe === true }));
    }),
  );
}

function reconstructCommand(): Command {
  const command = changeVerb("reconstruct", "rebuild nodes from another copy of their partition; a master hands over first")
    .argument("[host:port...]")
    .option("--all", "every node: each partition's slaves, then its master")
    .addOption(retryOption())
    .addOption(new Option("--safe", "require another active copy (default)").conflicts("unsafe"))
    .option("--unsafe", "do not require another active copy with the node's data")
    .option(withoutClean, withoutCleanHelp);
  return command.action((nodes: string[], flags: { all?: true; unsafe?: true }) =>
    withAdmin(command, async (admin) => {
      if (nodes.length > 0 === (flags.all === true)) {
        throw new FlareError("INVALID_OPTION", 'either nodes or "--all" must be given');
      }
      const keys = flags.all ? reconstructible(await admin.nodeMap()) : nodes.map(parseNodeKey);
      await run(admin, command, reconstructChange(keys, { unsafe: flags.unsafe === true, ...joinOptions(command) }));
    }),
  );
}

function removeCommand(): Command {
  const command = changeVerb("remove", "remove down and stopped nodes from the node map")
    .argument("<host:port...>")
    .addOption(retryOption());
  return command.action((nodes: string[]) =>
    withAdmin(command, async (admin) => {
      await run(admin, command, removeChange(nodes.map(parseNodeKey), { retries: retriesOf(command) }));
    }),
  );
}

function changeVerb(name: string, description: string): Command {
  return addTableOptions(createVerb(name, description))
    .option("-n, --dry-run", "show what would change and change nothing")
    .option("--force", "do not ask, except before an only copy is taken out of service")
    .option("-y, --yes", "answer yes to all questions");
}

function retryOption(): Option {
  return new Option("--retry <n>", "how often to retry each node").default("0");
}

/** @throws FlareError INVALID_OPTION */
function retriesOf(command: Command): number {
  return countOption("retry", command.opts<{ retry: string }>().retry, 0);
}

/** @throws FlareError INVALID_OPTION */
function joinOptions(command: Command): { readonly clean: boolean; readonly retries: number } {
  return { clean: command.getOptionValue("withoutClean") !== true, retries: retriesOf(command) };
}

/** Shows the plan, asks and executes it; false for a dry run. @throws FlareError */
async function run(admin: ClusterAdmin, command: Command, change: Change): Promise<boolean> {
  const flags = command.opts<ChangeFlags>();
  const preview = await admin.preview(change);
  const warnings = lostCopies(await admin.view(), change).map(lostCopyText);
  if (flags.dryRun) {
    if (flags.outputFormat === "json") await printJson({ ...previewRecord(preview), warnings });
    else await printLines([...previewLines(preview, tableStyle()), ...warnings]);
    return false;
  }
  const lastWord = warnings.length > 0 ? "--yes" : "--force";
  if (flags.yes === undefined && (flags.force === undefined || warnings.length > 0)) {
    const style = tableStyle(undefined, process.stderr);
    for (const line of [...previewLines(preview, style), ...warnings]) process.stderr.write(`${line}\n`);
    await confirm(warnings.length > 0 ? "Continue anyway?" : "Continue?", processTerminal, lastWord);
  }
  await carryOut(admin, command, change);
  return true;
}

async function carryOut(admin: ClusterAdmin, command: Command, change: Change): Promise<void> {
  const progress = new ProgressLine(0);
  const nodes: ClusterNode[] = [];
  for await (const event of admin.carryOut(change)) {
    if (event.kind === "done" && event.node !== undefined) nodes.push(event.node);
    if (event.kind === "progress") progress.show(() => copyProgressText(event.progress));
    else for (const line of eventLines(event)) progress.say(line);
  }
  if (command.opts<ChangeFlags>().outputFormat === "json") await printJson(nodes.map(nodeRecord));
  else if (nodes.length > 0) await printLines(nodeTable(nodes, tableStyle()));
}

function previewLines({ before, after, steps }: Preview, style: TableStyle): string[] {
  const nodes = differences(before, after);
  const difference = nodes.length === 0 ? ["the node map does not change"] : differenceTable(nodes, style);
  return [...steps.map(describeStep), "", ...difference];
}
