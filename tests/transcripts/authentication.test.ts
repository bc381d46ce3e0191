/**
 * Logging in over real sockets: the conversations with our own server, and with memcached (-Y for text, -S for SASL) in the
 * same run when there is one.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Address, Runtime } from "../../lib/runtime/runtime.ts";
import { ClosedCluster } from "../support/access_world.ts";
import { describePackets } from "../support/binary_packets.ts";
import { clientRuntime, waitUntil } from "../support/daemon.ts";
import { freePorts } from "../support/free_ports.ts";
import { skipUnless } from "../support/skip.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "../support/temporary_directory.ts";
import { TextClient } from "../support/text_client.ts";
import { isInstalled } from "../support/tools.ts";
import { type Conversation, SASL_CONVERSATIONS, TEXT_CONVERSATIONS, USERS } from "./authentication_conversations.ts";

const ANSWER_MS = 5000;

/** Says one thing after the other and compares each answer. */
async function play(runtime: Runtime, address: Address, { steps, closes }: Conversation): Promise<void> {
  const client = await TextClient.connect(runtime, address);
  try {
    for (const [send, answer] of steps) {
      await client.send(send);
      const said = await client.until((received) => answer !== "" && readable(send, received) === answer, ANSWER_MS);
      assertEquals(readable(send, said), answer);
      client.received = "";
    }
    if (!closes) return;
    await client.until(() => false, ANSWER_MS);
    assert(client.closed, "the connection is still open");
  } finally {
    client.close();
  }
}

/** Packets as `opcode status text`, text as it is. */
function readable(send: string, received: string): string {
  return send.startsWith("\x80") ? describePackets(received) : received;
}

describe("logging in", () => {
  let closed: ClosedCluster;

  before(async () => {
    closed = await ClosedCluster.start({ text: USERS });
  });

  after(() => closed.stop());

  for (const conversation of [...TEXT_CONVERSATIONS, ...SASL_CONVERSATIONS]) {
    it(conversation.name, () => play(closed.runtime, closed.cluster.addresses[0] as Address, conversation));
  }
});

/** A memcached for the time of a test. */
class Reference {
  readonly address: Address;
  readonly #process: ChildProcess;

  private constructor(port: number, args: readonly string[], environment: Readonly<Record<string, string>>) {
    this.address = { host: "127.0.0.1", port };
    const all = ["-u", "root", "-l", "127.0.0.1", "-p", String(port), "-U", "0", ...args];
    this.#process = spawn("memcached", all, { stdio: "ignore", env: { ...process.env, ...environment } });
  }

  static async start(
    runtime: Runtime,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Reference> {
    const reference = new Reference(await freePorts(1), args, environment);
    await waitUntil(async () => {
      const client = await TextClient.connect(runtime, reference.address).catch(() => undefined);
      client?.close();
      return client !== undefined;
    }, "memcached listens");
    return reference;
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}

const withoutMemcached = skipUnless(isInstalled("memcached"), "memcached");
describe("the same conversations with memcached -Y", { skip: withoutMemcached }, () => {
  let runtime: Runtime;
  let memcached: Reference;
  let directory: string;

  before(async () => {
    runtime = clientRuntime();
    directory = makeTemporaryDirectory();
    writeFileSync(join(directory, "users"), USERS);
    memcached = await Reference.start(runtime, ["-Y", join(directory, "users")]);
  });

  after(() => {
    memcached.stop();
    removeTemporaryDirectory(directory);
  });

  for (const conversation of TEXT_CONVERSATIONS.filter(({ differs }) => differs === undefined)) {
    it(conversation.name, () => play(runtime, memcached.address, conversation));
  }
});

const withoutSasl = skipUnless(isInstalled("memcached") && isInstalled("saslpasswd2"), "memcached and saslpasswd2 (sasl2-bin)");
describe("the same conversations with memcached -S", { skip: withoutSasl }, () => {
  let runtime: Runtime;
  let memcached: Reference;
  let directory: string;

  before(async () => {
    runtime = clientRuntime();
    directory = makeTemporaryDirectory();
    const database = join(directory, "passwords");
    for (const line of USERS.trimEnd().split("\n")) {
      const colon = line.indexOf(":");
      const args = ["-p", "-c", "-f", database, "-u", hostname(), line.slice(0, colon)];
      assertEquals(spawnSync("saslpasswd2", args, { input: `${line.slice(colon + 1)}\n` }).status, 0);
    }
    writeFileSync(join(directory, "memcached.conf"), `mech_list: plain\nsasldb_path: ${database}\n`);
    memcached = await Reference.start(runtime, ["-S"], { SASL_CONF_PATH: directory });
  });

  after(() => {
    memcached.stop();
    removeTemporaryDirectory(directory);
  });

  for (const conversation of SASL_CONVERSATIONS.filter(({ differs }) => differs === undefined)) {
    it(conversation.name, () => play(runtime, memcached.address, conversation));
  }
});
