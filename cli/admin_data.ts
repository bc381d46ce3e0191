/** The verbs for data: dump, dumpkey, and get and set for single items. */

import { existsSync } from "node:fs";
import process from "node:process";
import { type Command, Option } from "commander";
import type { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { itemsOf } from "../lib/admin/cluster_host.ts";
import { DumpTally } from "../lib/admin/dump_end_line.ts";
import { DumpFormat, encodeEndLine, encodeItems, encodeKeys } from "../lib/admin/dump_format.ts";
import { type DumpSelection, type DumpSource, dumpSources } from "../lib/admin/dump_sources.ts";
import { activeNode } from "../lib/admin/node_report.ts";
import { addressOf, parseNodeKey } from "../lib/admin/node_targets.ts";
import { streamProgressText } from "../lib/admin/progress_text.ts";
import { isUnreachable } from "../lib/admin/unreachable.ts";
import { FlareError } from "../lib/base/errors.ts";
import { sleep } from "../lib/base/sleep.ts";
import type { Client } from "../lib/client/client.ts";
import { dumpItems, dumpKeys } from "../lib/client/dump.ts";
import type { Item } from "../lib/client/item.ts";
import { addTableOptions, bandwidthOption, countOption, createVerb, withAdmin } from "./admin_connection.ts";
import { askForEach, sayFailures } from "./key_outcomes.ts";
import { ExitStatus } from "./main.ts";
import { ProgressLine, printJson, printLines, writeOut } from "./output.ts";
import { type Write, writeResult } from "./output_file.ts";

const askAttempts = 60;
const askPauseMs = 1000;

/** The formats of dumps, for the help. */
export const formatHelp = `
Formats, one record per item; both preserve all bytes:
  default  key flag size version expire 'value'
           key second 0 version blocked deleted: a deletion, which backups have
           in key and value \\\\ is a backslash, \\' a quote, \\n \\r \\t as usual, \\xHH any byte
  csv      key,flag,size,version,expire,value as in RFC 4180
size is the length of the value in bytes; expire is an absolute second, 0 is never. The last line, "# end of dump items=…
bytes=… crc32=…", marks the dump as complete. tch, the binary file of Tokyo Cabinet, is not supported.`;

/** The verbs for data. */
export function dataCommands(): Command[] {
  return [dumpCommand(), dumpkeyCommand(), getCommand(), setCommand()];
}

interface DumpFlags {
  readonly output?: string;
  readonly format: string;
  readonly bwlimit?: string;
  readonly raw?: true;
  readonly partition?: string;
  readonly partitionSize?: string;
}

function dumpCommand(): Command {
  const command = createVerb("dump", "write items to a file or stdout, each once", { lettersTaken: ["p"] })
    .argument("[host:port...]", "the nodes to read; default: the master of every partition")
    .option("-o, --output <path>", "the file to write")
    .addOption(formatOption())
    .option("--raw", "everything on the nodes, including items they no longer own")
    .addHelpText("after", formatHelp);
  addRangeOptions(command);
  return command.action((nodes: string[], flags: DumpFlags) =>
    dump(command, nodes, flags, "items", async function* (admin, { node, range }) {
      for await (const items of dumpItems(admin.runtime, addressOf(node), range, admin.connection)) {
        yield { count: items.length, bytes: encodeItems(items, knownFormat(flags.format)) };
      }
    }),
  );
}

function dumpkeyCommand(): Command {
  const command = createVerb("dumpkey", "write keys to a file or stdout, each once", { lettersTaken: ["p"] })
    .argument("[host:port...]", "the nodes to read; default: the master of every partition")
    .option("-o, --output <path>", "the file to write")
    .addOption(new Option("-f, --format <format>", "default or csv").choices(["default", "csv"]).default("default"));
  addRangeOptions(command);
  return command.action((nodes: string[], flags: DumpFlags) =>
    dump(command, nodes, flags, "keys", async function* (admin, { node, range }) {
      for await (const keys of dumpKeys(admin.runtime, addressOf(node), range, admin.connection)) {
        yield { count: keys.length, bytes: encodeKeys(keys, knownFormat(flags.format)) };
      }
    }),
  );
}

function addRangeOptions(command: Command): void {
  command
    .option("-p, --partition <n>", "only this partition …")
    .option("-s, --partition-size <n>", "… out of this many (default: the current number)")
    .option("--bwlimit <bytes>", "bytes per second of each node, such as 65536 or 64k")
    .option("--all", "every partition (default without nodes)");
}

type DumpChunks = (admin: ClusterAdmin, source: DumpSource) => AsyncGenerator<{ count: number; bytes: Uint8Array }>;

function dump(command: Command, nodes: readonly string[], flags: DumpFlags, what: string, chunksOf: DumpChunks): Promise<void> {
  return withAdmin(command, async (admin) => {
    knownFormat(flags.format);
    const { map, partitionCountMax } = await admin.view();
    const selection = {
      nodes: nodes.map(parseNodeKey),
      raw: flags.raw === true,
      bytesPerSecond: bandwidthOption(flags.bwlimit),
      ...(flags.partition === undefined ? {} : { partition: countOption("partition", flags.partition, 0) }),
      ...(flags.partitionSize === undefined ? {} : { partitionSize: countOption("partition-size", flags.partitionSize, 1, 1) }),
    };
    const sources = dumpSources(map, partitionCountMax, selection);
    const total = await itemsOf(
      admin,
      sources.map(({ node }) => node),
    );
    const progress = new ProgressLine();
    const startedMs = performance.now();
    const tally = new DumpTally();
    const readAll = async (write: Write): Promise<void> => {
      for (const source of sources) {
        for await (const chunk of chunksOf(admin, source)) {
          await write(chunk.bytes);
          tally.add(chunk.count, chunk.bytes);
          progress.show(() => streamProgressText(what, tally.items, total, performance.now() - startedMs));
        }
        await requireSame(admin, sources, selection);
      }
      if (what === "items") await write(encodeEndLine(tally));
    };
    await writeResult(flags.output, (write) =>
      readAll(write).catch((error: unknown) => {
        progress.say(`the dump failed after ${tally.items} ${what}${leftBehind(flags.output)}`);
        throw error;
      }),
    );
    progress.say(streamProgressText(what, tally.items, undefined, performance.now() - startedMs));
  });
}

/** The state of the output file after a failed dump. */
function leftBehind(path: string | undefined): string {
  if (path === undefined || path === "-") return "";
  return existsSync(path) ? `; "${path}" is unchanged` : `; "${path}" was not written`;
}

/**
 * Checks that the nodes still own what was read from them: after a change of masters or a new partition, items would be
 * silently missing. @throws FlareError REFUSED
 */
async function requireSame(admin: ClusterAdmin, sources: readonly DumpSource[], selection: DumpSelection): Promise<void> {
  const { map, partitionCountMax } = await patiently(admin, () => admin.view());
  let problem = "";
  try {
    if (JSON.stringify(dumpSources(map, partitionCountMax, selection)) === JSON.stringify(sources)) return;
  } catch (error) {
    if (!(error instanceof FlareError)) throw error;
    problem = ` (${error.message})`;
  }
  throw new FlareError("REFUSED", `the masters of the cluster changed while it was dumped${problem}: dump again`);
}

/** Retries: an index server that is briefly unreachable is no reason to discard a dump. */
async function patiently<T>(admin: ClusterAdmin, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!isUnreachable(error) || attempt === askAttempts) throw error;
    }
    await sleep(admin.runtime.clock, askPauseMs, true);
  }
}

function getCommand(): Command {
  const command = nodeVerb("get", "print values").argument("<key...>");
  return command.action((keys: string[]) =>
    withNode(command, async (client) => {
      const outcomes = await askForEach(keys, (key) => client.gets(key));
      const items = outcomes.flatMap((each) => ("answer" in each && each.answer !== undefined ? [each.answer] : []));
      if (command.getOptionValue("outputFormat") === "json") await printJson(items.map(itemRecord));
      else for (const { value } of items) await writeOut(new Uint8Array([...value, 0x0a]));
      sayFailures(outcomes, (item) => item === undefined);
    }),
  );
}

function setCommand(): Command {
  const command = nodeVerb("set", "store a value")
    .argument("<key>")
    .argument("<value>", "- reads stdin")
    .option("--flags <n>", "0 to 4294967295", "0")
    .option("--expire <seconds>", "relative up to 2592000, above that an absolute second; 0 is never", "0");
  return command.action((key: string, value: string, flags: { flags: string; expire: string }) =>
    withNode(command, async (client) => {
      const bytes = value === "-" ? await readStdin() : value;
      const options = { flags: countOption("flags", flags.flags, 0), exptime: countOption("expire", flags.expire, 0) };
      const result = await client.set(key, bytes, options);
      if (command.getOptionValue("outputFormat") === "json") await printJson({ key, result });
      else await printLines([result]);
      if (result !== "STORED") process.exitCode = ExitStatus.failed;
    }),
  );
}

/** A verb that uses one node. */
export function nodeVerb(name: string, description: string): Command {
  return addTableOptions(createVerb(name, description)).option(
    "--node <host:port>",
    "the node to use; default: one from the node map",
  );
}

/** Runs such a verb with its node. */
export function withNode(command: Command, work: (client: Client, admin: ClusterAdmin) => Promise<void>): Promise<void> {
  return withAdmin(command, async (admin) => {
    const { node } = command.opts<{ node?: string }>();
    await work(admin.client(node === undefined ? activeNode(await admin.nodeMap()) : parseNodeKey(node)), admin);
  });
}

function itemRecord({ key, value, flags, version }: Item): unknown {
  return { key: new TextDecoder().decode(key), flags, version, ...textOrBase64("value", value) };
}

/** Bytes as a JSON field: base64 under `…Base64` if they are not UTF-8. */
export function textOrBase64(name: string, bytes: Uint8Array): Record<string, string> {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const isText = sameBytes(new TextEncoder().encode(text), bytes);
  return isText ? { [name]: text } : { [`${name}Base64`]: Buffer.from(bytes).toString("base64") };
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `--format`. */
export function formatOption(): Option {
  return new Option("-f, --format <format>", "default or csv").choices(["default", "csv", "tch"]).default("default");
}

/** The format of that option. @throws FlareError UNSUPPORTED */
export function knownFormat(name: string): DumpFormat {
  if (name === DumpFormat.default || name === DumpFormat.csv) return name;
  throw new FlareError("UNSUPPORTED", `format "${name}" is the binary file of Tokyo Cabinet: use "default" or "csv"`);
}
