/**
 * A cluster in this process whose sessions can be had without a socket, with small limits and a clock that stands still,
 * so that the same requests get the same answers. What is said to it is the targets' business.
 */

import { fromLatin1 } from "../../lib/base/bytes.ts";
import { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { Connection, ConnectionHandler, Runtime } from "../../lib/runtime/runtime.ts";
import { detectRuntime } from "../../mod.ts";
import { SimRandom } from "../simulation/sim_random.ts";
import { FuzzedConnection } from "./fuzzed_connection.ts";
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./request_grammar.ts";

const NOW_MS = 1_700_000_000_000;
const LINE_BYTES_MAX = 16384;
const MIB = 1048576;

/** Makes the session of a new connection. */
export type Accept = (connection: Connection) => ConnectionHandler;

export class FuzzedCluster {
  /** One for each node. */
  readonly accepts: readonly Accept[];
  readonly #cluster: LocalCluster;
  readonly #faults: string[];

  private constructor(cluster: LocalCluster, accepts: readonly Accept[], faults: string[]) {
    this.#cluster = cluster;
    this.accepts = accepts;
    this.#faults = faults;
  }

  /** Starts one with so many partitions, and one more node that is a proxy if `withProxy`. */
  static async start(partitions: number, withProxy: boolean): Promise<FuzzedCluster> {
    const real = await detectRuntime({ logLevel: "error" });
    const accepts: Accept[] = [];
    const faults: string[] = [];
    const transport = Object.create(real.transport) as Runtime["transport"];
    transport.connect = (...given) => real.transport.connect(...given);
    transport.listen = (address, accept, options) => {
      accepts.push(accept);
      return real.transport.listen(address, accept, options);
    };
    const clock = Object.create(real.clock) as Runtime["clock"];
    clock.nowMs = () => NOW_MS;
    clock.monotonicMs = () => real.clock.monotonicMs();
    clock.setTimer = (callback, delayMs) => real.clock.setTimer(callback, delayMs);
    clock.clearTimer = (timer) => real.clock.clearTimer(timer);
    clock.defer = (callback) => real.clock.defer(callback);
    const log: Runtime["log"] = {
      write: (level, message) => void (level === "error" && faults.push(message)),
    };
    const cluster = await LocalCluster.start(
      { ...real, transport, clock, log },
      {
        partitions,
        nodes: partitions + (withProxy ? 1 : 0),
        memoryBytesMax: 16 * MIB,
        node: {
          keyBytesMax: KEY_BYTES_MAX,
          valueBytesMax: VALUE_BYTES_MAX,
          lineBytesMax: LINE_BYTES_MAX,
          requestMemoryBytesMax: MIB,
          outputHighWaterBytes: 1024,
        },
      },
    );
    // The index server listens first.
    return new FuzzedCluster(cluster, accepts.slice(1), faults);
  }

  /** What a node answers to chunks until it closes the connection, read slowly or at once. */
  async ask(node: number, chunks: readonly Uint8Array[], random: SimRandom, slowness: number): Promise<string> {
    const text = await new FuzzedConnection(random, slowness).talk(this.accepts[node] as Accept, chunks);
    const fault = this.#faults.pop();
    if (fault !== undefined) throw new Error(`the node reported: ${fault}`);
    return text;
  }

  /** Forgets all items. */
  async flush(): Promise<void> {
    for (let node = 0; node < this.accepts.length; node++) {
      const answer = await this.ask(node, [fromLatin1("flush_all\r\n")], new SimRandom("flush"), 0);
      if (answer !== "OK\r\n") throw new Error(`flush_all was answered ${JSON.stringify(answer)}`);
    }
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
