/**
 * The verbs for many keys of a live cluster: `scan`, which lists them, and `delete`, by name or by prefix. Data goes to stdout,
 * progress to stderr, and deletions by prefix ask first.
 */

import type { Command } from "commander";
import type { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { itemsOf } from "../lib/admin/cluster_host.ts";
import { DumpTally } from "../lib/admin/dump_end_line.ts";
import { DumpFormat, encodeEndLine, encodeItems, encodeKeys, keyWord } from "../lib/admin/dump_format.ts";
import { streamProgressText } from "../lib/admin/progress_text.ts";
import { EMPTY_BYTES } from "../lib/base/bytes.ts";
import { FlareError } from "../lib/base/errors.ts";
import type { Client } from "../lib/client/client.ts";
import type { ScanItem } from "../lib/client/scan.ts";
import { buildPartitionMap } from "../lib/cluster/partition_map.ts";
import { countOption } from "./admin_connection.ts";
import { nodeVerb, textOrBase64, withNode } from "./admin_data.ts";
import { confirm, processTerminal } from "./confirmation.ts";
import { askForEach, sayFailures } from "./key_outcomes.ts";
import { ProgressLine, printJson, printLines, writeOut } from "./output.ts";

/** Items buffered before they are written. */
const writtenItems = 500;
const keyHelp = `
Keys are printed as in a dump: \\\\ is a backslash, \\xHH any byte. With --values each line is an item as "flare dump" writes
it, which "flare restore" reads.`;

/** The verbs for many keys. */
export function scanCommands(): Command[] {
  return [scanCommand(), deleteCommand()];
}

interface ScanFlags {
  readonly prefix?: string;
  readonly limit?: string;
  readonly rate?: string;
  readonly values?: true;
}

function scanCommand(): Command {
  const command = nodeVerb("scan", "list the keys of the whole cluster in key order, or those with a prefix")
    .option("--prefix <text>", "only keys with this prefix")
    .option("--limit <n>", "at most this many")
    .option("--rate <n>", "at most this many per second")
    .option("--values", "whole items, not only keys")
    .addHelpText("after", keyHelp);
  return command.action((flags: ScanFlags) =>
    withNode(command, async (client, admin) => {
      const json = command.getOptionValue("outputFormat") === "json";
      const total = flags.prefix === undefined ? await itemsTotal(admin) : undefined;
      const progress = new ProgressLine();
      const startedMs = performance.now();
      const tally = new DumpTally();
      let count = 0;
      for await (const items of batches(client, flags)) {
        if (json) await printLines(items.map((item, i) => `${count + i === 0 ? "[" : ","}${jsonText(scanRecord(item))}`));
        else if (flags.values) {
          const bytes = encodeItems(items.map(withValue), DumpFormat.default);
          tally.add(items.length, bytes);
          await writeOut(bytes);
        } else await writeOut(keyLines(items));
        count += items.length;
        progress.show(() => streamProgressText("keys", count, total, performance.now() - startedMs));
      }
      if (json) await printLines([count === 0 ? "[]" : "]"]);
      else if (flags.values) await writeOut(encodeEndLine(tally));
      progress.say(streamProgressText("keys", count, undefined, performance.now() - startedMs));
    }),
  );
}

interface DeleteFlags extends Omit<ScanFlags, "values"> {
  readonly dryRun?: true;
  readonly force?: true;
}

function deleteCommand(): Command {
  const command = nodeVerb("delete", "delete keys, those named or all with a prefix")
    .argument("[key...]")
    .option("--prefix <text>", "all keys of the cluster with this prefix")
    .option("--limit <n>", "with --prefix: at most this many")
    .option("--rate <n>", "with --prefix: at most this many per second")
    .option("-n, --dry-run", "with --prefix: print the keys and delete nothing")
    .option("--force", "with --prefix: do not ask");
  return command.action((keys: string[], flags: DeleteFlags) =>
    withNode(command, async (client) => {
      const json = command.getOptionValue("outputFormat") === "json";
      const { prefix } = flags;
      if (prefix === undefined) return deleteNamed(client, keys, flags, json);
      if (keys.length > 0) throw new FlareError("INVALID_OPTION", 'either keys or "--prefix" must be given, not both');
      if (prefix === "") throw new FlareError("INVALID_OPTION", 'option "prefix" must not be empty');
      return deleteByPrefix(client, { ...flags, prefix }, json);
    }),
  );
}

async function deleteNamed(client: Client, keys: readonly string[], flags: DeleteFlags, json: boolean): Promise<void> {
  if (keys.length === 0) throw new FlareError("INVALID_OPTION", 'either keys or "--prefix" must be given');
  const useless = (["limit", "rate", "dryRun", "force"] as const).find((name) => flags[name] !== undefined);
  if (useless !== undefined) {
    throw new FlareError("INVALID_OPTION", `option "${useless === "dryRun" ? "dry-run" : useless}" needs "--prefix"`);
  }
  const outcomes = await askForEach(keys, (key) => client.delete(key));
  const records = outcomes.map((each) =>
    "answer" in each ? { key: each.key, deleted: each.answer } : { key: each.key, error: each.error.message },
  );
  if (json) await printJson(records);
  else await printLines(records.filter(({ deleted }) => deleted).map(() => "DELETED"));
  sayFailures(outcomes, (deleted) => !deleted);
}

async function deleteByPrefix(client: Client, flags: DeleteFlags & { readonly prefix: string }, json: boolean): Promise<void> {
  const { prefix } = flags;
  const progress = new ProgressLine();
  const countingMs = performance.now();
  let total = 0;
  for await (const items of batches(client, flags)) {
    total += items.length;
    if (flags.dryRun && !json) await writeOut(keyLines(items));
    progress.show(() => streamProgressText("keys found", total, undefined, performance.now() - countingMs));
  }
  const begin = total === 1 ? "key that begins" : "keys that begin";
  const what = `${total} ${begin} with ${keyWord(new TextEncoder().encode(prefix))}`;
  if (flags.dryRun) {
    if (json) await printJson({ prefix, wouldDelete: total });
    return progress.say(`${what} would be deleted`);
  }
  if (total > 0 && !flags.force) await confirm(`Delete ${what}?`, processTerminal);
  const { deleted, elapsedMs, complete } = await client.deletePrefix(prefix, {
    ...limits(flags),
    onProgress: (so) => progress.show(() => streamProgressText("keys", so.deleted, Math.max(total, so.deleted), so.elapsedMs)),
  });
  progress.say(streamProgressText("keys", deleted, undefined, elapsedMs));
  if (json) await printJson({ prefix, deleted, complete });
  else await printLines([`DELETED ${deleted}`]);
  if (!complete) progress.say("the limit is reached; there may be more");
}

/** The items of a scan, up to the limit. */
async function* batches(client: Client, flags: ScanFlags): AsyncGenerator<ScanItem[]> {
  const { limit = Number.POSITIVE_INFINITY, ratePerSecond = 0 } = limits(flags);
  const pageSize = Math.min(1000, limit);
  const options = { prefix: flags.prefix ?? "", pageSize, ratePerSecond, values: flags.values === true };
  let batch: ScanItem[] = [];
  let count = 0;
  for await (const item of client.scan(options)) {
    batch.push(item);
    count++;
    if (count === limit) break;
    if (batch.length < (ratePerSecond === 0 ? writtenItems : 1)) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function limits(flags: ScanFlags): { limit?: number; ratePerSecond?: number } {
  return {
    ...(flags.limit === undefined ? {} : { limit: countOption("limit", flags.limit, 1, 1) }),
    ...(flags.rate === undefined ? {} : { ratePerSecond: countOption("rate", flags.rate, 1, 1) }),
  };
}

/** The expected number of items: the sum over the masters. */
async function itemsTotal(admin: ClusterAdmin): Promise<number> {
  const { map, partitionCountMax } = await admin.view();
  const masters = buildPartitionMap(map, partitionCountMax).active.flatMap(({ master }) => master?.key ?? []);
  return itemsOf(admin, masters);
}

function keyLines(items: readonly ScanItem[]): Uint8Array {
  return encodeKeys(
    items.map(({ key }) => key),
    DumpFormat.default,
  );
}

function withValue(item: ScanItem): ScanItem & { readonly value: Uint8Array } {
  return { ...item, value: item.value ?? EMPTY_BYTES };
}

function scanRecord({ key, value, valueBytes, flags, version, expire }: ScanItem): unknown {
  const numbers = { flags, bytes: valueBytes, version, expire };
  return { ...textOrBase64("key", key), ...numbers, ...(value === undefined ? {} : textOrBase64("value", value)) };
}

function jsonText(record: unknown): string {
  return JSON.stringify(record, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}
