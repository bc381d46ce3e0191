/**
 * A client's flush of the whole cluster, through any node: first checks that every node with data is reachable, and only then
 * drops anything; each partition's master flushes itself and its replicas. C++ nodes only support `flush_all`, each for itself
 * and at once.
 */

import { EMPTY_BYTES, fromLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { sleep } from "../../base/sleep.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import type { Partition } from "../../cluster/partition_map.ts";
import type { PeerTarget } from "../../net/peer/peer_pool.ts";
import { encodeFlush, FLUSH_QUERY, type FlushTime, parseFlushPlan } from "../../protocol/flush_request.ts";
import { serverErrorText } from "../../protocol/text/server_error.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import { within } from "../life/gate.ts";
import type { NodeComponents } from "../node_components.ts";
import { askFlush, NOT_MASTER } from "./partition_flush.ts";

/** Timeout for a node to answer the check, … */
const QUERY_MS_MAX = 5000;
/** … and for a partition's master to flush with its replicas. */
const FLUSH_MS_MAX = 30000;
/** How long a node with a different map is asked again … */
const PATIENCE_MS = 3000;
/** … with this pause. */
const PAUSE_MS = 100;
/** The prefix of an error about a node that has not flushed. */
const FAULT = "not at ";

/** Another node's answer, or why there is none. */
interface Answer {
  readonly line: string | undefined;
  readonly fault: string;
}

/** What it takes of a node server. */
type Parts = Pick<NodeComponents, "otherCluster" | "partitionFlush" | "routing" | "runtime" | "scanPeers" | "selfKey">;

export class ClusterFlush {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Resolves when every node has flushed. @throws FlareError REFUSED naming the nodes that have not */
  async run(time: FlushTime): Promise<void> {
    const { otherCluster } = this.#parts;
    if (otherCluster.node !== undefined) return this.#pass(otherCluster.node, time);
    const { active, preparing } = this.#parts.routing.partitionMap;
    if (active.length === 0) throw nothingFlushed("no partition available");
    const headless = active.find(({ master }) => master === undefined);
    if (headless !== undefined) throw nothingFlushed(`partition ${headless.index} has no live master`);
    await this.#checkAll(preparing === undefined ? active : [...active, preparing], time);
    const faults = (await Promise.all(active.map(({ index }) => this.#flushPartition(index, time)))).flat();
    if (faults.length === 0) return;
    throw new FlareError("REFUSED", `flush_all: ${faults.join(", ")}; all other nodes have it`);
  }

  /** @throws FlareError REFUSED if a node does not answer, or cannot flush */
  async #checkAll(partitions: readonly Partition[], time: FlushTime): Promise<void> {
    const nodes = partitions.flatMap(({ master, slaves }) => (master === undefined ? slaves : [master, ...slaves]));
    const others = nodes.filter(({ key }) => key !== this.#parts.selfKey);
    const refusals = await Promise.all(others.map((node) => this.#refusalOf(node, time)));
    const list = refusals.filter((refusal) => refusal !== undefined);
    if (list.length > 0) throw nothingFlushed(list.join(", "));
  }

  async #refusalOf(node: ClusterNode, time: FlushTime): Promise<string | undefined> {
    const { line, fault } = await this.#ask(node, FLUSH_QUERY);
    if (line === undefined) return `"${node.key}" does not answer (${fault})`;
    if (parseFlushPlan(line) !== undefined) return undefined;
    if (line !== "ERROR") return `"${node.key}" answered "${line}"`;
    return time === "now" ? undefined : `"${node.key}" does not support a flush with a delay`;
  }

  async #flushPartition(index: number, time: FlushTime): Promise<readonly string[]> {
    const { clock } = this.#parts.runtime;
    const deadlineMs = clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      const partition = this.#parts.routing.partitionMap.active[index];
      if (partition?.master === undefined) return [`${FAULT}partition ${index} (it no longer has a master)`];
      const faults = await this.#tellMaster(partition, partition.master, time);
      const isStale = faults[0] === describe(partition.master, NOT_MASTER);
      if (!isStale || clock.monotonicMs() >= deadlineMs) return faults;
      await sleep(clock, PAUSE_MS);
    }
  }

  async #tellMaster({ slaves }: Partition, master: ClusterNode, time: FlushTime): Promise<readonly string[]> {
    const { selfKey, partitionFlush } = this.#parts;
    if (master.key === selfKey) {
      try {
        return (await partitionFlush.carryOut(time)).map(({ node, reason }) => describe(node, reason));
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        return [describe(master, error.message)];
      }
    }
    const answer = await this.#ask(master, encodeFlush(time, "partition"));
    if (answer.line === undefined) return [describe(master, answer.fault)];
    if (answer.line === "OK") return [];
    // A C++ master does not flush its replicas.
    if (answer.line === "ERROR") return this.#flushEach([master, ...slaves], time);
    const said = serverErrorText(answer.line);
    return [said.startsWith(FAULT) ? said : describe(master, said)];
  }

  async #flushEach(nodes: readonly ClusterNode[], time: FlushTime): Promise<readonly string[]> {
    const faults = await Promise.all(nodes.map((node) => this.#flushOne(node, time)));
    return faults.filter((fault) => fault !== undefined);
  }

  async #flushOne(node: ClusterNode, time: FlushTime): Promise<string | undefined> {
    const { selfKey, partitionFlush, scanPeers } = this.#parts;
    try {
      if (node.key === selfKey) {
        await partitionFlush.applyHere(time);
        return undefined;
      }
      const line = await askFlush(scanPeers.lane(node, EMPTY_BYTES, 0, 0), time);
      return line === "OK" ? undefined : describe(node, `it answered "${line}"`);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return describe(node, error.message);
    }
  }

  /** A node of another cluster flushes that cluster, if it is ours, not C++. @throws FlareError REFUSED */
  async #pass(node: PeerTarget, time: FlushTime): Promise<void> {
    const plan = await this.#ask(node, FLUSH_QUERY);
    if (plan.line === undefined) throw nothingFlushed(`"${node.key}" does not answer (${plan.fault})`);
    if (parseFlushPlan(plan.line) === undefined) {
      throw nothingFlushed(`"${node.key}" of the other cluster cannot flush a whole cluster`);
    }
    const { line, fault } = await this.#ask(node, encodeFlush(time, "cluster"));
    if (line === undefined) throw new FlareError("REFUSED", `flush_all: in doubt at "${node.key}" (${fault})`);
    if (line !== "OK") throw new FlareError("REFUSED", serverErrorText(line));
  }

  async #ask(node: PeerTarget, request: string): Promise<Answer> {
    const { scanPeers, runtime } = this.#parts;
    try {
      const reply = scanPeers.lane(node, EMPTY_BYTES, 0, 0).request(fromLatin1(request), ReplyShape.line);
      const limitMs = request === FLUSH_QUERY ? QUERY_MS_MAX : FLUSH_MS_MAX;
      if (await within(runtime.clock, limitMs, reply)) return { line: (await reply).line, fault: "" };
      reply.catch(() => undefined); // It may still fail later; ignored.
      return { line: undefined, fault: `no answer within ${limitMs} ms` };
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      return { line: undefined, fault: error.message };
    }
  }
}

/** The error about a node that has not flushed. */
export function describe({ key }: { readonly key: string }, reason: string): string {
  return `${FAULT}"${key}" (${reason})`;
}

function nothingFlushed(reason: string): FlareError {
  return new FlareError("REFUSED", `flush_all: nothing was flushed, because ${reason}`);
}
