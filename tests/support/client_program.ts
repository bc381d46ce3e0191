/**
 * Clients in other languages: each has a program in `tests/clients/programs` that holds a conversation, checks every answer,
 * says `ok` for each, and leaves items. The conversation is held through the proxy alone, and with all nodes of the
 * cluster as the client's list of servers; then the test looks at what was left, over connections of its own.
 */

import { spawnSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { unzipSync } from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { ClientCluster, type StoredItem, VALUE_BYTES_MAX } from "./client_cluster.ts";
import { skipUnless } from "./daemon.ts";
import { repositoryRoot } from "./repository.ts";
import { runTool } from "./tools.ts";

/** A client in another language. */
export interface ClientProgram {
  /** The client's name, as its users know it. */
  readonly name: string;
  readonly debianPackage: string;
  /** Programs that may run it, the first that passes the probe does. */
  readonly interpreters: readonly string[];
  /** Arguments that make the interpreter succeed if the client is installed. */
  readonly probe: readonly string[];
  /** Arguments of the interpreter before the program. */
  readonly flags?: readonly string[];
  /** In `tests/clients/programs`. */
  readonly program: string;
  readonly protocols: readonly ("text" | "binary")[];
  /** How often the program says `ok`. */
  readonly checks: number | { readonly text: number; readonly binary: number };
  /** What it leaves, by the part of the key behind the prefix; undefined = nothing. */
  readonly stored: Readonly<Record<string, StoredItem | undefined>>;
}

/** The text the programs store, as latin-1: it has a word beyond ASCII, and what looks like the end of an answer. */
export const TEXT = "w\xc3\xb6rld\r\nEND\r\n";
/** Every byte, four times. */
export const BINARY = String.fromCharCode(...Array.from({ length: 1024 }, (_, at) => at & 255));
/** A megabyte and a half. */
export const LARGE = "0123456789abcdef".repeat(3 << 15);
/** Longer than the cluster takes. */
export const TOO_LARGE = "x".repeat(VALUE_BYTES_MAX + (1 << 20));
/** Seconds for items that shall live a while. */
export const LIFETIME_SECONDS = 1000;

/**
 * What the programs leave.
 * @param flags that the client gives to texts, to bytes, and to numbers that can be counted with
 * @param without what this client's program leaves out
 */
export function commonItems(
  flags: { readonly text: number; readonly bytes: number; readonly counter: number },
  without: readonly string[] = [],
): Record<string, StoredItem | undefined> {
  const { text, bytes, counter } = flags;
  const items = {
    text: { flags: text, value: TEXT },
    binary: { flags: bytes, value: BINARY },
    large: { flags: bytes, value: LARGE },
    empty: { flags: bytes, value: "" },
    added: { flags: bytes, value: "3" },
    joined: { flags: bytes, value: "<middle>" },
    swapped: { flags: bytes, value: "second" },
    counter: { flags: counter, value: "42" },
    lasting: { flags: bytes, value: "x", lifetimeSeconds: LIFETIME_SECONDS },
    fading: { flags: bytes, value: "x", lifetimeSeconds: LIFETIME_SECONDS },
    "many-7": { flags: text, value: "7" },
    "quiet-42": { flags: bytes, value: "42" },
    missing: undefined,
    expired: undefined,
    removed: undefined,
  };
  return Object.fromEntries(Object.entries(items).filter(([name]) => !without.includes(name)));
}

/** Expects a value that zlib or gzip made of `LARGE`. */
export function inflatesToLarge(value: string): void {
  assertEquals(latin1(unzipSync(fromLatin1(value))) === LARGE, true);
}

/** Expects a value that is much shorter than `LARGE`, packed in some form of the client's own. */
export function isCompressed(value: string): void {
  assert(value.length > 0 && value.length < LARGE.length / 10, `${value.length} bytes`);
}

/** The tests of some clients, with a cluster for all. */
export function describeClients(language: string, clients: readonly ClientProgram[]): void {
  describe(`clients for ${language}`, () => {
    let cluster: ClientCluster;

    before(async () => {
      cluster = await ClientCluster.start();
    });

    after(async () => {
      await cluster.stop();
    });

    for (const client of clients) {
      const interpreter = client.interpreters.find((name) => spawnSync(name, client.probe).status === 0);
      const skip = skipUnless(interpreter !== undefined, `${client.name} (${client.debianPackage})`);
      const run = (servers: readonly string[], prefix: string, protocol: string): Promise<number> =>
        runProgram([interpreter ?? "", ...(client.flags ?? [])], client.program, [servers.join(","), prefix, protocol]);

      for (const protocol of client.protocols) {
        it(`${client.name} says and hears what it should (${protocol} protocol)`, { skip }, async () => {
          const { checks } = client;
          for (const servers of [[cluster.proxy], cluster.servers]) {
            const prefix = `${client.program.replace(/\W.*/, "")}-${protocol}-${servers.length}`;
            assertEquals(await run(servers, prefix, protocol), typeof checks === "number" ? checks : checks[protocol]);
            for (const [name, item] of Object.entries(client.stored)) {
              if (item === undefined) await cluster.assertMissing(`${prefix}:${name}`);
              else await cluster.assertStored(`${prefix}:${name}`, item);
            }
          }
          assertEquals(await run(cluster.servers, "flush", protocol), 1);
          for (const name of Object.keys(client.stored)) {
            await cluster.assertMissing(`${client.program.replace(/\W.*/, "")}-${protocol}-1:${name}`);
          }
        });
      }
    }
  });
}

/** Runs a program; gives how many checks it says it passed. @throws Error if it failed or had anything to complain about */
async function runProgram(command: readonly string[], program: string, args: readonly string[]): Promise<number> {
  const [interpreter = "", ...flags] = command;
  const path = `${repositoryRoot}tests/clients/programs/${program}`;
  const { status, stdout, stderr } = await runTool(interpreter, [...flags, path, ...args]);
  if (status !== 0 || stderr !== "") throw new Error(`${program} ended with ${status}:\n${stdout}${stderr}`);
  return stdout.match(/^ok /gm)?.length ?? 0;
}
