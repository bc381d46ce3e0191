/**
 * The real programs with a problem in their data or address: a port in use, a directory in use, a flipped bit in the change
 * log, a damaged engine file. Clear messages, the right status, and everything else intact.
 */

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clientRuntime, HOST, NodeDaemon } from "../support/daemon.ts";
import { runProgram } from "../support/spawn.ts";
import { withTemporaryDirectory } from "../support/temporary_directory.ts";

const KEYS = Array.from({ length: 500 }, (_, number) => `key-${number}`);
const valueFor = (key: string): string => `the value of ${key}: ${"v".repeat(200)}`;

/** Starts a node, stores all keys, and hands it over; whatever happens, nothing runs on. */
async function withFilledNode(test: (node: NodeDaemon, directory: string) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const node = await NodeDaemon.start(clientRuntime(), directory, []);
    try {
      const client = await node.connect();
      for (const key of KEYS) {
        const value = valueFor(key);
        assertEquals(await client.ask(`set ${key} 7 0 ${value.length}\r\n${value}\r\n`), "STORED");
      }
      client.close();
      await test(node, directory);
    } finally {
      await node.clear();
    }
  });
}

/** Flips one bit of a file at the given place of a text in it. */
function flipBit(path: string, text: string, offset: number): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf(text);
  assert(at >= 0, `"${path}" does not hold "${text}"`);
  bytes[at + offset] = (bytes[at + offset] as number) ^ 1;
  writeFileSync(path, bytes);
}

function filesWith(directory: string, ending: string, text: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, name))
    .filter((path) => readFileSync(path).includes(text));
}

/** The lines a program wrote for people, without the ones of its log. */
function faultLines(stderr: string): string[] {
  return stderr.split("\n").filter((line) => line.startsWith("flared: "));
}

describe("flared", () => {
  it("ends with status 1 and one line when its port or its directory is in use, and the other goes on", async () => {
    await withFilledNode(async (node, directory) => {
      const [index] = node.index.addresses;
      assert(index !== undefined && "port" in index);
      const args = ["--bind", HOST, "--server-name", HOST, "--index-servers", `${HOST}:${index.port}`];

      await withTemporaryDirectory(async (other) => {
        const taken = await runProgram("flared", ["--data-dir", other, "--server-port", String(node.port), ...args]);
        assertEquals(taken.status, 1, taken.stderr);
        assertEquals(faultLines(taken.stderr).length, 1, taken.stderr);
        assertMatch(taken.stderr, new RegExp(`"${HOST}:${node.port}".*in use`));
      });

      const locked = await runProgram("flared", ["--data-dir", directory, "--server-port", "0", ...args]);
      assertEquals(locked.status, 1, locked.stderr);
      assertEquals(faultLines(locked.stderr).length, 1, locked.stderr);
      assertMatch(locked.stderr, new RegExp(`flared: "?${directory}.*${node.pid}`));
      assert(!locked.stderr.includes("    at "), locked.stderr);

      const client = await node.connect();
      const found = await client.gets(KEYS);
      assertEquals(found.size, KEYS.length);
      client.close();
    });
  });

  it("steps over a flipped bit in the middle of the change log, says so, counts it, and has everything else", async () => {
    await withFilledNode(async (node, directory) => {
      await node.end("SIGKILL");
      const lost = KEYS[KEYS.length >> 1] as string;
      const [segment] = filesWith(join(directory, "log"), ".log", valueFor(lost));
      assert(segment !== undefined);
      flipBit(segment, valueFor(lost), 20);

      await node.start();
      assertMatch(
        node.program.output,
        /error flared log segment "[^"]*changes-[^"]*" is corrupt from byte [0-9]+ to [0-9]+: 1 record/,
      );
      const client = await node.connect();
      const found = await client.gets(KEYS);
      client.close();
      for (const key of KEYS) {
        if (key === lost) assertEquals(found.get(key), undefined);
        else assertEquals(found.get(key)?.value, valueFor(key), key);
      }
      assertEquals(Number((await node.stats()).get("curr_items")), KEYS.length - 1);
    });
  });

  it("answers SERVER_ERROR for a record damaged in the engine, and has everything else", async () => {
    await withFilledNode(async (node, directory) => {
      const { status } = await node.end("SIGTERM");
      assertEquals(status, 0);
      const damaged = KEYS[KEYS.length >> 1] as string;
      const engine = join(directory, "engine");
      const paths = ["ldb", "sst", "log"].flatMap((ending) => filesWith(engine, `.${ending}`, valueFor(damaged)));
      const [path] = paths;
      assert(path !== undefined, readdirSync(engine).join(" "));
      flipBit(path, valueFor(damaged), 20);

      const failure = await node.start().then(
        () => undefined,
        (error: Error) => error.message,
      );
      // Either the engine notices at once and the program says so, or the record is refused when it is read.
      if (failure !== undefined) {
        assertMatch(failure, /flared: .*(corrupt|checksum)/i);
        return;
      }
      const client = await node.connect();
      let refused = 0;
      for (const key of KEYS) {
        const found = await client.gets([key]).catch((error: Error) => {
          assertMatch(error.message, /SERVER_ERROR .*corrupt/i);
          return undefined;
        });
        if (found === undefined) refused++;
        else assertEquals(found.get(key)?.value, valueFor(key), key);
      }
      client.close();
      assert(refused > 0, "the damage went unnoticed");

      // Whoever needs everything gets an error, instead of an end without the record.
      const [index] = node.index.addresses;
      assert(index !== undefined && "port" in index);
      const backup = join(directory, "backup.txt");
      const dump = await runProgram("flare", ["dump", "--index-server", `${HOST}:${index.port}`, "-o", backup]);
      assertEquals(dump.status, 1, dump.stderr);
      assertMatch(dump.stderr, /corrupt/);
      assert(!existsSync(backup));
      const stats = await node.stats();
      assert(Number(stats.get("corrupt_records")) + Number(stats.get("damaged_tables")) > 0);
    });
  });

  it("says what is wrong with an engine that cannot be opened, and ends with status 1", async () => {
    await withFilledNode(async (node, directory) => {
      await node.end("SIGTERM");
      const engine = join(directory, "engine");
      const manifest = readdirSync(engine).find((name) => name.startsWith("MANIFEST"));
      assert(manifest !== undefined);
      writeFileSync(join(engine, manifest), "this is no manifest");
      const message = await node.start().then(
        () => "it started",
        (error: Error) => error.message,
      );
      assertMatch(message, /flared: ".*MANIFEST-[0-9]+" has 19 bytes, it had [0-9]+ at the last stop; put it back/);
      assertEquals((await node.program.finished).status, 1);
    });
  });
});
