/** The cluster that a change runs in: what `change_runner.ts` asks the index server and the nodes, over the wire protocol. */

import { FlareError } from "../base/errors.ts";
import { sleep } from "../base/sleep.ts";
import type { Client } from "../client/client.ts";
import type { NodeMap } from "../cluster/node_map.ts";
import { WorkerType } from "../net/worker.ts";
import { encodeFlush } from "../protocol/flush_request.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ClusterView } from "./change.ts";
import type { ChangeHost, Copying } from "./change_runner.ts";
import { parseThreads, type ThreadReport } from "./node_report.ts";
import { isUnreachable } from "./unreachable.ts";

/** Access to a cluster: a `ClusterAdmin`. */
export interface ClusterAccess {
  readonly runtime: Runtime;
  client(key: string): Client;
  nodeMap(): Promise<NodeMap>;
  view(): Promise<ClusterView>;
  changeMap(command: string): Promise<string>;
}

/** The original's nodes, and those of 2.0.0, answer ERROR: each of their copies is a whole one. */
const RECOPY = "node recopy";

/** The number of items on some nodes together. @throws FlareError */
export async function itemsOf(cluster: Pick<ClusterAccess, "client">, keys: readonly string[]): Promise<number> {
  const all = await Promise.all(keys.map((key) => cluster.client(key).stats()));
  return all.reduce((sum, stats) => sum + Number(stats.get("curr_items") ?? 0), 0);
}

/** What its methods throw is what `Client` throws. */
export class ClusterHost implements ChangeHost {
  readonly #cluster: ClusterAccess;

  constructor(cluster: ClusterAccess) {
    this.#cluster = cluster;
  }

  view(): Promise<ClusterView> {
    return this.#cluster.view();
  }

  nodeMap(): Promise<NodeMap> {
    return this.#cluster.nodeMap();
  }

  ping(key: string): Promise<void> {
    return this.#cluster.client(key).ping();
  }

  async answers(key: string): Promise<boolean> {
    try {
      await this.ping(key);
      return true;
    } catch (error) {
      if (isUnreachable(error)) return false;
      if (error instanceof FlareError && error.code === "REFUSED") return true;
      throw error;
    }
  }

  async clean(key: string): Promise<void> {
    const client = this.#cluster.client(key);
    const request = encodeFlush("now", "node").trimEnd();
    const line = await client.line(request);
    this.#debug(`${key} < ${request} > ${line}`);
    // A C++ node does not have this form; its plain `flush_all` flushes only itself.
    if (line === "ERROR") return client.flushAll();
    if (line !== "OK") throw new FlareError("REFUSED", `"${key}" answered "${line}" to "${request}"`);
  }

  async distrust(key: string): Promise<void> {
    const line = await this.#cluster.client(key).line(RECOPY);
    this.#debug(`${key} < ${RECOPY} > ${line}`);
    if (line !== "OK" && line !== "ERROR") throw new FlareError("REFUSED", `"${key}" answered "${line}" to "${RECOPY}"`);
  }

  async checksCopies(key: string): Promise<boolean> {
    return !/^(flare-)?[01]\./.test((await this.#cluster.client(key).stats()).get("version") ?? "");
  }

  itemsOf(key: string): Promise<number> {
    return itemsOf(this.#cluster, [key]);
  }

  async hold(key: string, limitMs: number): Promise<void> {
    const command = `node handover ${limitMs}`;
    const line = await this.#cluster.client(key).line(command);
    this.#debug(`${key} < ${command} > ${line}`);
    if (line === "OK") return;
    const reason = line === "ERROR" ? `it is a C++ node, or an older one, that does not know "node handover"` : line;
    throw new FlareError("REFUSED", `"${key}" cannot hold its requests for a switch-over: ${reason}`);
  }

  async queueOf(key: string): Promise<number> {
    return (await this.#threads(key)).reduce((sum, { queue }) => sum + queue, 0);
  }

  async copying(key: string): Promise<Copying> {
    const [threads, general] = await Promise.all([this.#threads(key), this.#cluster.client(key).stats()]);
    const isUnderWay = threads.some(({ type }) => type === WorkerType.reconstruction);
    return { isUnderWay, mapVersion: general.get("node_map_version") ?? "?" };
  }

  async tellIndex(command: string): Promise<void> {
    const line = await this.#cluster.changeMap(command);
    if (line !== "OK") throw new FlareError("REFUSED", `index server answered "${line}" to "${command}"`);
  }

  nowMs(): number {
    return this.#cluster.runtime.clock.monotonicMs();
  }

  sleep(delayMs: number): Promise<void> {
    return sleep(this.#cluster.runtime.clock, delayMs, true);
  }

  async #threads(key: string): Promise<ThreadReport[]> {
    return parseThreads(await this.#cluster.client(key).stats("threads"));
  }

  #debug(text: string): void {
    this.#cluster.runtime.log.write("debug", text);
  }
}
