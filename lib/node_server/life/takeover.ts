/**
 * A new partition has become active: its nodes take over keys from the other masters, whose last copies may still be on their
 * way, and whose slaves may still take those keys for their own. Until all that is over, nobody answers for a key. The masters
 * that give keys away hold requests until the new master has every write of theirs. The nodes that take over hold them until
 * each of those masters has said so, and that its slaves know it, too. Copies never wait.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { type ClusterNode, NodeRole } from "../../cluster/node.ts";
import { onOwnConnection } from "../../net/peer/own_connection.ts";
import type { PeerOptions } from "../../net/peer/peer_link.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import type { ReachMap } from "../forward/moved.ts";
import type { NodeComponents } from "../node_components.ts";
import { Gate, within } from "./gate.ts";

/** What it takes of a node server. */
type Parts = Pick<
  NodeComponents,
  "follower" | "options" | "partitionFlush" | "replicator" | "routing" | "runtime" | "selfKey" | "tls"
>;

/** The pause before a master is asked again. */
const PAUSE_MS = 50;
/** How often it is looked whether the slaves know the new map. */
const LOOK_MS = 20;
/** Who takes keys over waits for this many times `replication-timeout`: the leases of unreachable slaves are over by then. */
const PATIENCE = 2;
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
    const { replicationTimeoutMs } = this.#parts.options;
    if (self.partition === partition)
      void this.#hold(this.#hasTaken(partition), "every master", PATIENCE * replicationTimeoutMs);
    else if (active[self.partition]?.master?.key === self.key)
      void this.#hold(this.#delivered(taker.key), "its copies", replicationTimeoutMs);
  }

  /**
   * The answer to `node yield`: whether the node `taker` has every write of its keys that was executed here by an older map
   * than this one, and no slave of ours answers reads by an older one.
   */
  async yieldTo(taker: string, version: Uint64): Promise<string> {
    const { routing } = this.#parts;
    await this.#reachMap(version);
    if (routing.nodeMap.version < version) return `SERVER_ERROR node map version is ${routing.nodeMap.version}, not ${version}`;
    const { options, runtime } = this.#parts;
    const limitMs = options.replicationTimeoutMs;
    if (!(await within(runtime.clock, limitMs, Promise.all([this.over, this.#delivered(taker)]))))
      return `SERVER_ERROR writes are on their way to "${taker}"`;
    if (!(await within(runtime.clock, limitMs, this.#slavesKnow()))) return "SERVER_ERROR a slave may have an older node map";
    return "OK";
  }

  /**
   * Resolves when no slave of this partition answers reads by an older map, nor its former master anything: each of them has
   * heard of the new partition, or has no lease any more.
   */
  async #slavesKnow(): Promise<void> {
    const { follower, replicator, runtime } = this.#parts;
    const { clock } = runtime;
    const isOver = () => clock.monotonicMs() >= Math.max(replicator.streams.unawareUntilMs, follower.lease.masterUntilMs);
    while (!isOver()) await sleep(clock, LOOK_MS);
  }

  /** Holds requests until `done`. */
  async #hold(done: Promise<unknown>, whose: string, limitMs: number): Promise<void> {
    const { runtime } = this.#parts;
    this.#holds++;
    this.begin();
    const isDone = await within(runtime.clock, limitMs, done);
    this.#holds--;
    if (this.#holds === 0) this.end();
    if (isDone) return;
    const text = `a partition was added, and it is not known whether everything has arrived (${whose})`;
    runtime.log.write("warning", `${text}: this node goes on after ${limitMs} ms with what there is`);
  }

  /** Resolves when another node has every write that was executed here before. */
  async #delivered(key: string): Promise<void> {
    const { partitionFlush, replicator, runtime } = this.#parts;
    await partitionFlush.finished();
    // Those that waited for the storage have their copies in this turn.
    await new Promise<void>((resolve) => runtime.clock.defer(resolve));
    await replicator.settled(key);
  }

  /** A slave asks its master; the master, also one that has just been promoted, all others. */
  async #hasTaken(partition: number): Promise<void> {
    const { routing } = this.#parts;
    const { version } = routing.nodeMap;
    await this.#hasGiven(partition, version);
    if (this.#masterOf(partition)?.key !== routing.self?.key) return;
    await Promise.all(routing.partitionMap.active.map(({ index }) => this.#hasGiven(index, version)));
  }

  /** The master of a partition, be it down or not. */
  #masterOf(partition: number): ClusterNode | undefined {
    return this.#parts.routing.nodeMap.nodes.find((node) => node.role === NodeRole.master && node.partition === partition);
  }

  /** Asks the master of a partition, whoever that is meanwhile, until it has given its keys away, or nobody waits for that. */
  async #hasGiven(partition: number, version: Uint64): Promise<void> {
    const { options, runtime, selfKey } = this.#parts;
    const { serverName, serverPort } = options;
    const line = fromLatin1(`node yield ${serverName} ${serverPort} ${version}\r\n`);
    for (;;) {
      const giver = this.#masterOf(partition);
      if (giver === undefined || giver.key === selfKey) return;
      const answer = await this.#ask(giver, line);
      if (answer === "OK" || answer === UNKNOWN || !this.holding) return;
      runtime.log.write("info", `"${giver.key}" has not given its keys away yet: ${answer}`);
      await sleep(runtime.clock, PAUSE_MS);
    }
  }

  /** The answer of a node, or why there is none. */
  async #ask(node: ClusterNode, line: Uint8Array): Promise<string> {
    const { options, runtime, tls } = this.#parts;
    const peerOptions: PeerOptions = {
      connectTimeoutMs: this.#connectTimeoutMs,
      tls,
      replyTimeoutMs: PATIENCE * options.replicationTimeoutMs,
      queueBytesMax: ANSWER_BYTES_MAX,
      replyBytesMax: ANSWER_BYTES_MAX,
    };
    try {
      const answer = await onOwnConnection(runtime, node, peerOptions, (peer) => peer.request(line, ReplyShape.line));
      return answer.line;
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return error.message;
    }
  }
}
