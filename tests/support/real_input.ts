/**
 * Real data, loaded as an application would: the packages Debian knows (key = name, value = description stanza) through
 * the npm client `memcached`, with a `kill -9` in the middle of a second pass that overwrites everything. What was
 * acknowledged must be there afterwards, byte for byte; what was under way may be old or new.
 */

import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { latin1 } from "../../lib/base/bytes.ts";
import { clientRuntime, NodeDaemon } from "./daemon.ts";
import { Memcached } from "./npm_memcached.ts";

/** Where the data came from, and the data. */
export interface RealInput {
  readonly source: string;
  /** Key → value. */
  readonly records: ReadonlyMap<string, string>;
}

/** What was done and how long it took. */
export interface RealInputNumbers {
  readonly source: string;
  readonly records: number;
  readonly bytes: number;
  readonly loadSeconds: number;
  /** Of the second pass: answered, and sent without an answer. */
  readonly acknowledged: number;
  readonly inDoubt: number;
  /** From the start of the process until it serves. */
  readonly recoverySeconds: number;
  /** Records of the three kinds found: of the second pass, of the first though the second was sent, of the first. */
  readonly newer: number;
  readonly older: number;
  readonly untouched: number;
  readonly logBytes: number;
}

/** How to run it. */
export interface RealInputOptions {
  readonly directory: string;
  readonly fsync: "always" | "interval" | "os";
  readonly input: RealInput;
  readonly args?: readonly string[];
}

const DPKG_STATUS = "/var/lib/dpkg/status";
const BYTES_PER_RECORD = 2500;
const WRITERS = 32;
/** The part of the second pass after which the node is killed. */
const KILL_AT = 0.5;
const KEYS_PER_GET = 500;
const SETTLE_MS = 200;

/** Up to `limit` records of the best source this machine has. */
export function realInput(limit: number): RealInput {
  const { source, text } = readSource(limit * BYTES_PER_RECORD);
  const records = new Map<string, string>();
  for (const stanza of text.split("\n\n")) {
    const name = /^Package: (\S+)$/m.exec(stanza)?.[1];
    if (name === undefined) continue;
    records.set(name, stanza);
    if (records.size === limit) break;
  }
  return { source, records };
}

function readSource(bytesMax: number): { source: string; text: string } {
  try {
    const text = execFileSync("sh", ["-c", `apt-cache dumpavail | head -c ${bytesMax}`], {
      ...{ encoding: "utf8", maxBuffer: bytesMax + 1, stdio: ["ignore", "pipe", "ignore"] },
    });
    if (text.length > 0) return { source: "apt-cache dumpavail", text };
  } catch {
    // A system without apt: the next source.
  }
  if (existsSync(DPKG_STATUS)) return { source: DPKG_STATUS, text: readFileSync(DPKG_STATUS, "utf8") };
  return { source: "generated text", text: generatedText(bytesMax) };
}

/** Stanzas of about the shape of Debian's. */
function generatedText(bytes: number): string {
  const stanzas: string[] = [];
  for (let number = 0, size = 0; size < bytes; number++) {
    const depends = Array.from({ length: (number * 7919) % 60 }, (_, at) => `lib${(number * at) % 9973} (>= 1.${at})`);
    const stanza = `Package: package-${number}\nVersion: ${number % 13}.1\nDescription: Größe ${number}\nDepends: ${depends}`;
    stanzas.push(stanza);
    size += stanza.length;
  }
  return stanzas.join("\n\n");
}

/** Loads, kills, starts again and compares. @throws Error naming the first record that is not as acknowledged */
export async function proveRealInput(options: RealInputOptions): Promise<RealInputNumbers> {
  const { directory, fsync, input } = options;
  const { records } = input;
  const node = await NodeDaemon.start(clientRuntime(), directory, ["--fsync", fsync, ...(options.args ?? [])]);
  try {
    const loadMs = performance.now();
    const first = await storePass(node, records, 1, records.size);
    const loadSeconds = (performance.now() - loadMs) / 1000;
    if (first.acknowledged.size !== records.size)
      throw new Error(`only ${first.acknowledged.size} were stored: ${first.errors[0]}`);

    const second = await storePass(node, records, 2, Math.floor(records.size * KILL_AT));
    const logBytes = directoryBytes(`${directory}/log`);
    const startMs = performance.now();
    await node.start();
    const recoverySeconds = (performance.now() - startMs) / 1000;

    const counts = await compare(node, records, second);
    return {
      ...{ source: input.source, records: records.size, loadSeconds, recoverySeconds, logBytes, ...counts },
      ...{ acknowledged: second.acknowledged.size, inDoubt: second.sent.size - second.acknowledged.size },
      bytes: [...records.values()].reduce((sum, value) => sum + Buffer.byteLength(value), 0),
    };
  } catch (error) {
    console.error(node.program.output);
    throw error;
  } finally {
    await node.clear();
  }
}

function directoryBytes(directory: string): number {
  const names = execFileSync("ls", [directory], { encoding: "utf8" }).split("\n");
  return names.reduce((sum, name) => (name === "" ? sum : sum + statSync(`${directory}/${name}`).size), 0);
}

/** The value of a pass, and how the client sends it: in UTF-8, with a backslash before each line break. */
function passValue(value: string, pass: number): string {
  return `Pass: ${pass}\n${value}`;
}

function sentBytes(value: string): string {
  return latin1(Buffer.from(value.replace(/[\r\n]/g, "\\$&")));
}

interface Pass {
  readonly sent: ReadonlySet<string>;
  readonly acknowledged: ReadonlySet<string>;
  readonly errors: readonly string[];
}

/** Stores all records by several writers; at `killAt` acknowledgements (before the end) the node is killed under them. */
async function storePass(node: NodeDaemon, records: RealInput["records"], pass: number, killAt: number): Promise<Pass> {
  const client = new Memcached(`127.0.0.1:${node.port}`, {
    ...{ poolSize: WRITERS, retries: 0, failures: 0, remove: true, timeout: 20000, maxValue: 1 << 24 },
  });
  const sent = new Set<string>();
  const acknowledged = new Set<string>();
  const errors: string[] = [];
  const entries = records.entries();
  let killing = false;
  let dead = false;
  let giveUp = (): void => undefined;
  const gaveUp = new Promise<void>((resolve) => {
    giveUp = resolve;
  });
  const store = (key: string, value: string): Promise<void> =>
    new Promise((resolve) => {
      sent.add(key);
      client.set(key, passValue(value, pass), 0, (error: Error | undefined, stored: boolean) => {
        if (error === undefined && stored) acknowledged.add(key);
        else errors.push(`${key}: ${error?.message ?? "not stored"}`);
        resolve();
      });
    });
  const writers = Array.from({ length: WRITERS }, async () => {
    for (const [key, value] of entries) {
      if (dead) return;
      await store(key, value);
      // A client whose server is gone may keep a callback for itself: it gets a moment, no more.
      if (killing || killAt === records.size || acknowledged.size < killAt) continue;
      killing = true;
      node
        .end("SIGKILL")
        .then(() => {
          dead = true;
          return sleep(SETTLE_MS);
        })
        .then(giveUp);
    }
  });
  await Promise.race([Promise.all(writers), gaveUp]);
  client.end();
  return { sent, acknowledged, errors };
}

async function compare(
  node: NodeDaemon,
  records: RealInput["records"],
  { sent, acknowledged }: Pass,
): Promise<Pick<RealInputNumbers, "newer" | "older" | "untouched">> {
  const client = await node.connect();
  const keys = [...records.keys()];
  const counts = { newer: 0, older: 0, untouched: 0 };
  for (let from = 0; from < keys.length; from += KEYS_PER_GET) {
    const part = keys.slice(from, from + KEYS_PER_GET);
    const found = await client.gets(part);
    for (const key of part) {
      const value = records.get(key) as string;
      const item = found.get(key)?.value;
      const isNew = item === sentBytes(passValue(value, 2));
      if (!isNew && item !== sentBytes(passValue(value, 1))) {
        throw new Error(`"${key}" is neither as before nor as written: "${item?.slice(0, 100)}"`);
      }
      if (!isNew && acknowledged.has(key)) throw new Error(`"${key}" is as before, but its change was acknowledged`);
      if (isNew && !sent.has(key)) throw new Error(`"${key}" was never sent`);
      counts[isNew ? "newer" : sent.has(key) ? "older" : "untouched"]++;
    }
  }
  client.close();
  return counts;
}
