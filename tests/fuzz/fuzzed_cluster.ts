/**
 * A cluster in this process whose sessions need no sockets, with small limits and a clock that stands still, so that the same
 * requests get the same answers. The targets provide the input.
 */

import { fromLatin1 } from "../../lib/base/bytes.ts";
import { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { SimRandom } from "../../lib/testing/sim_random.ts";
import { detectRuntime } from "../../mod.ts";
import { type Accept, recordedTransport } from "../support/recorded_transport.ts";
import { FuzzedConnection } from "./fuzzed_connection.ts";
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./request_grammar.ts";

const NOW_MS = 1_700_000_000_000;
const LINE_BYTES_MAX = 16384;
const MIB = 1048576;
const USERS_PATH = "users";
const SHORT_MS = 300;
/** Makes of a node what it was at its start. */
const RESET = [
  ...["flush_all", "lru_crawler disable", "lru_crawler enable", "lru_crawler sleep 100", "lru_crawler tocrawl 0"],
  ...["cache_memlimit 16", "stats detail off"],
];

export class FuzzedCluster {
  /** One for each node. */
  readonly accepts: readonly Accept[];
  readonly #cluster: LocalCluster;
  readonly #faults: string[];
  /** What lets in those who ask on their own account. */
  readonly #login: string;

  private constructor(cluster: LocalCluster, accepts: readonly Accept[], faults: string[], login: string) {
    this.#cluster = cluster;
    this.accepts = accepts;
    this.#faults = faults;
    this.#login = login;
  }

  /**
   * Starts one with the given number of partitions, and one more node that is a proxy if `withProxy`.
   * @param users the file of users, if there is one; the first of them is the servers' own
   */
  static async start(partitions: number, withProxy: boolean, users = ""): Promise<FuzzedCluster> {
    const real = detectRuntime({ logLevel: "error" });
    const faults: string[] = [];
    const { transport, accepts } = recordedTransport(real.transport);
    const clock = Object.create(real.clock) as Runtime["clock"];
    clock.nowMs = () => NOW_MS;
    clock.monotonicMs = () => real.clock.monotonicMs();
    // The answer to a wrong password is delayed, which nobody has to wait for here.
    clock.setTimer = (callback, delayMs, keepsProcess) =>
      real.clock.setTimer(callback, users !== "" && delayMs < SHORT_MS ? 0 : delayMs, keepsProcess);
    clock.clearTimer = (timer) => real.clock.clearTimer(timer);
    clock.defer = (callback) => real.clock.defer(callback);
    const files = Object.create(real.files) as Runtime["files"];
    files.read = (path) => (path === USERS_PATH ? Promise.resolve(fromLatin1(users)) : real.files.read(path));
    files.permissions = (path) => (path === USERS_PATH ? Promise.resolve(0o600) : real.files.permissions(path));
    const [user = "", password = ""] = users.split("\n", 1)[0]?.split(":") ?? [];
    const log: Runtime["log"] = {
      write: (level, message) => void (level === "error" && faults.push(message)),
    };
    const cluster = await LocalCluster.start(
      { ...real, transport, clock, files, log },
      {
        partitions,
        nodes: partitions + (withProxy ? 1 : 0),
        memoryBytesMax: 16 * MIB,
        ...(users === "" ? {} : { access: { authFile: USERS_PATH, clusterUser: user } }),
        node: {
          keyBytesMax: KEY_BYTES_MAX,
          valueBytesMax: VALUE_BYTES_MAX,
          lineBytesMax: LINE_BYTES_MAX,
          requestMemoryBytesMax: MIB,
          outputHighWaterBytes: 1024,
        },
      },
    );
    const login = users === "" ? "" : `set login 0 0 ${user.length + 1 + password.length}\r\n${user} ${password}\r\n`;
    // The index server listens first.
    return new FuzzedCluster(cluster, accepts.slice(1), faults, login);
  }

  /** What a node answers to chunks until it closes the connection, read slowly or at once. */
  async ask(node: number, chunks: readonly Uint8Array[], random: SimRandom, slowness: number): Promise<string> {
    const text = await new FuzzedConnection(random, slowness).talk(this.accepts[node] as Accept, chunks);
    const fault = this.#faults.pop();
    if (fault !== undefined) throw new Error(`the node reported: ${fault}`);
    return text;
  }

  /** Drops all items and all scheduled actions of the nodes. */
  async flush(): Promise<void> {
    for (let node = 0; node < this.accepts.length; node++) {
      await this.say(node, `${RESET.join("\r\n")}\r\n`, "OK\r\n".repeat(RESET.length));
    }
  }

  /** Says something on a connection of its own that is let in. @throws Error when it is answered otherwise */
  async say(node: number, text: string, expected: string): Promise<void> {
    const answer = await this.ask(node, [fromLatin1(this.#login + text)], new SimRandom("say"), 0);
    if (answer === (this.#login === "" ? "" : "STORED\r\n") + expected) return;
    throw new Error(`${JSON.stringify(text)} was answered ${JSON.stringify(answer)}`);
  }

  /**
   * All memory for incomplete requests must be there again when no connection is open: a value that takes nearly all of it
   * arrives in two chunks. @throws Error when it is refused
   */
  async checkNothingIsHeld(): Promise<void> {
    const head = fromLatin1(`set held 0 0 ${VALUE_BYTES_MAX}\r\n`);
    const half = new Uint8Array(VALUE_BYTES_MAX / 2).fill(0x61);
    const connections = Array.from({ length: HOLDERS }, () => new FuzzedConnection(new SimRandom("held"), 0));
    const sessions = connections.map((connection) => {
      const session = (this.accepts[0] as Accept)(connection);
      session.onOpen();
      session.onData(head);
      session.onData(half);
      return session;
    });
    const last = await this.ask(0, [head, half, half, fromLatin1("\r\n")], new SimRandom("held"), 0);
    for (const session of sessions) session.onClose();
    if (last !== "STORED\r\n") throw new Error(`memory of requests that are gone is still counted: ${JSON.stringify(last)}`);
  }

  async stop(): Promise<void> {
    await this.#cluster.stop();
  }
}

/** Connections that hold a request at the same time, each less than 2048 bytes: nearly the MiB there is. */
const HOLDERS = 500;
