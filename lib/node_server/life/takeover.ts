/**
 * A new partition has become active: its nodes take over keys from the other masters, whose last copies may still be on their
 * way. Until those have arrived, nobody answers for a key: the masters that give keys away hold requests until the new master
 * has every write of theirs, and the nodes that take over hold them until each of those masters has said so. Copies never wait.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { type ClusterNode, NodeRole } from "../../cluster/node.ts";
import { findNode } from "../../cluster/node_map.ts";
import { Peer } from "../../net/peer/peer.ts";
import { WorkerRegistry } from "../../net/worker.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import type { ReachMap } from "../forward/moved.ts";
import type { NodeComponents } from "../node_components.ts";
import { Gate, within } from "./gate.ts";

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "options" | "partitionFlush" | "replicator" | "routing" | "runtime" | "tls">;

/** The pause before a master is asked again. */
const PAUSE_MS = 50;
const ANSWER_BYTES_MAX = 8192;
/** What nodes that do not know the question answer. */
const UNKNOWN = "ERROR";

export class Takeover extends Gate {
  readonly #parts: Parts;
  readonly #reachMap: ReachMap;
  readonly #connectTimeoutMs: number;
  #holds = 0;

  constructor(parts: Parts, reachMap: ReachMap, connectTimeoutMs: number) {
    super();
    this.#parts = parts;
    this.#reachMap = reachMap;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** There is a new map, by which this partition is not being created any more, but active. */
  onActive(partition: number): void {
    const { routing } = this.#parts;
    const { active } = routing.partitionMap;
    const { self } = routing;
    const taker = active[partition]?.master;
    if (self === undefined || taker === undefined) return;
    const masters = active.flatMap(({ master }) => (master === undefined || master.key === self.key ? [] : [master]));
    if (self.partition !== partition) {
      if (active[self.partition]?.master?.key === self.key) void this.#hold(this.#delivered(taker.key), "its copies");
    } else {
      const givers = self.role === NodeRole.master ? masters : [taker];
      const { version } = routing.nodeMap;
      const all = Promise.all(givers.map((giver) => this.#hasGiven(giver, version)));
      void this.#hold(all, givers.map(({ key }) => `"${key}"`).join(", "));
    }
  }

  /**
   * The answer to `node yield`: whether the node `taker` has every write of its keys that was executed here by an older map
   * than this one.
   */
  async yieldTo(taker: string, version: Uint64): Promise<string> {
    const { routing } = this.#parts;
    await this.#reachMap(version);
    if (routing.nodeMap.version < version) return `SERVER_ERROR node map version is ${routing.nodeMap.version}, not ${version}`;
    if (await this.#inTime(Promise.all([this.over, this.#delivered(taker)]))) return "OK";
    return `SERVER_ERROR writes are on their way to "${taker}"`;
  }

  /** Holds requests until `done`. */
  async #hold(done: Promise<unknown>, whose: string): Promise<void> {
    const { options, runtime } = this.#parts;
    this.#holds++;
    this.begin();
    const isDone = await this.#inTime(done);
    this.#holds--;
    if (this.#holds === 0) this.end();
    if (isDone) return;
    const text = `a partition was added, and it is not known whether everything has arrived (${whose})`;
    runtime.log.write("warning", `${text}: this node goes on after ${options.replicationTimeoutMs} ms with what there is`);
  }

  /** Resolves when another node has every write that was executed here before. */
  async #delivered(key: string): Promise<void> {
    const { partitionFlush, replicator, runtime } = this.#parts;
    await partitionFlush.finished();
    // Those that waited for the storage have their copies in this turn.
    await new Promise<void>((resolve) => runtime.clock.defer(resolve));
    await replicator.settled(key);
  }

  /** Asks a master until it has given its keys away, or is none any more, or nobody waits for that. */
  async #hasGiven(giver: ClusterNode, version: Uint64): Promise<void> {
    const { options, routing, runtime } = this.#parts;
    const { serverName, serverPort } = options;
    const line = fromLatin1(`node yield ${serverName} ${serverPort} ${version}\r\n`);
    while (findNode(routing.nodeMap, giver.key)?.role === NodeRole.master) {
      const answer = await this.#ask(giver, line);
      if (answer === "OK" || answer === UNKNOWN || !this.holding) return;
      runtime.log.write("info", `"${giver.key}" has not given its keys away yet: ${answer}`);
      await sleep(runtime.clock, PAUSE_MS);
    }
  }

  /** The answer of a node, or why there is none. */
  async #ask(node: ClusterNode, line: Uint8Array): Promise<string> {
    const { options, runtime, tls } = this.#parts;
    const peer = new Peer(runtime, node, node.threadType, new WorkerRegistry(), {
      connectTimeoutMs: this.#connectTimeoutMs,
      tls,
      replyTimeoutMs: 2 * options.replicationTimeoutMs,
      queueBytesMax: ANSWER_BYTES_MAX,
      replyBytesMax: ANSWER_BYTES_MAX,
    });
    try {
      return (await peer.request(line, ReplyShape.line)).line;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return error.message;
    } finally {
      peer.close();
    }
  }

  #inTime(done: Promise<unknown>): Promise<boolean> {
    const { options, runtime } = this.#parts;
    return within(runtime.clock, options.replicationTimeoutMs, done);
  }
}
