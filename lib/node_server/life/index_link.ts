/**
 * A node server's connection to the index servers: joining the cluster and the few messages a node sends by itself. Each
 * conversation has its own short connection, as in Flare; with several index servers the first that answers is used.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { HostPort } from "../../base/host_port.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { sleep } from "../../base/sleep.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { type DataIdentity, encodeDataIdentity } from "../../cluster/data_identity.ts";
import { parseSetAnswer, type SetAnswer } from "../../cluster/in_sync_set.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../cluster/node_map.ts";
import { type ClusterMeta, parseMeta, parseNodeLine } from "../../cluster/node_map_codec.ts";
import { nodeMapVersion, parseNodeMap } from "../../cluster/node_map_stats.ts";
import { Peer } from "../../net/peer/peer.ts";
import type { PeerOptions } from "../../net/peer/peer_link.ts";
import { WorkerRegistry, WorkerType } from "../../net/worker.ts";
import { type Figures, parseStatLine } from "../../protocol/stat_lines.ts";
import { ReplyShape } from "../../protocol/text/text_client.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** The pause before a failed join is retried … */
const JOIN_PAUSE_MS = 500;
/** … this often; an index server needs some time to detect that the node had crashed. */
const JOIN_ATTEMPTS = 60;
const TOLD_ATTEMPTS = 20;
/** How often a map that changes while it is read is read again. */
const MAP_ATTEMPTS = 3;

/** The result of joining. */
export interface Joined {
  /** Version 0: the first push of the index server is newer. */
  readonly map: NodeMap;
  readonly meta: ClusterMeta;
}

interface Answer {
  readonly line: string;
  readonly body: Uint8Array;
}

export class IndexLink {
  readonly #runtime: Runtime;
  readonly #self: HostPort;
  readonly #options: PeerOptions;
  /** Reloadable. */
  servers: readonly HostPort[];
  #stopped = false;

  constructor(runtime: Runtime, servers: readonly HostPort[], self: HostPort, options: PeerOptions) {
    this.#runtime = runtime;
    this.#self = self;
    this.#options = options;
    this.servers = servers;
  }

  /** Stops the current attempts. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * `meta` and `node add`. @param data this node's data identity, for an index server that supports it
   * @throws FlareError CONNECTION_FAILED | REFUSED | CORRUPT naming the index servers
   */
  async join(data: DataIdentity): Promise<Joined> {
    let lastError: FlareError | undefined;
    for (let attempt = 0; attempt < JOIN_ATTEMPTS && !this.#stopped; attempt++) {
      if (attempt > 0) await this.#pause(JOIN_PAUSE_MS);
      for (const server of this.servers) {
        try {
          return await this.#joinAt(server, data);
        } catch (error) {
          if (!(error instanceof FlareError) || !error.retriable) throw error;
          if (error.message !== lastError?.message) {
            const level = error.code === "REFUSED" ? "warning" : "notice";
            this.#runtime.log.write(level, `cannot join yet: ${error.message}; trying again`);
          }
          lastError = error;
        }
      }
    }
    throw lastError ?? new FlareError("CLOSED", "joining the cluster was aborted");
  }

  /**
   * The version of the index server's node map; undefined if it does not report one. Uses `stats`, so a C++ one works, too.
   * @throws FlareError CONNECTION_FAILED | TIMED_OUT | REFUSED of the last index server
   */
  mapVersion(): Promise<Uint64 | undefined> {
    return this.#askFirst(async (server) => nodeMapVersion((await this.#figures(server, ["stats"]))[0] as Figures));
  }

  /**
   * The index server's node map; undefined if it changes all the time.
   * @throws FlareError CONNECTION_FAILED | TIMED_OUT | REFUSED | CORRUPT of the last index server
   */
  fetchMap(): Promise<NodeMap | undefined> {
    return this.#askFirst(async (server) => {
      for (let attempt = 0; attempt < MAP_ATTEMPTS; attempt++) {
        const [before, nodes, after] = (await this.#figures(server, ["stats", "stats nodes", "stats"])) as Figures[];
        const map = parseNodeMap(nodes as Figures, after as Figures);
        if (nodeMapVersion(before as Figures) === map.version) return map;
      }
      return undefined;
    });
  }

  /** `node state <self> active|ready`: a copy is complete. */
  tellState(state: "active" | "ready"): Promise<boolean> {
    return this.#tell(`node state ${this.#name} ${state}`);
  }

  /** `node state <slave> prepare|active <version>`; one attempt. Undefined: no index server answered. */
  async changeSet({ host, port }: ClusterNode, state: "prepare" | "active", version: Uint64): Promise<SetAnswer | undefined> {
    const command = `node state ${host} ${port} ${state} ${version}`;
    for (const server of this.servers) {
      const answers = await this.#converse(server, [command]).catch((error: Error) => this.#noteFailure(command, error));
      const line = answers?.[0]?.line;
      if (line !== undefined) return parseSetAnswer(line);
    }
    return undefined;
  }

  /** `node role <self> proxy 0 -1`: a copy failed. */
  tellProxy(): Promise<boolean> {
    return this.#tell(`node role ${this.#name} proxy 0 -1`);
  }

  /** `shutdown <self>`: hands over to another node; one attempt. */
  async tellShutdown(): Promise<boolean> {
    for (const server of this.servers) {
      const line = await this.#converse(server, [`shutdown ${this.#name}`]).catch(() => undefined);
      if (line?.[0]?.line === "OK") return true;
    }
    return false;
  }

  get #name(): string {
    return `${this.#self.host} ${this.#self.port}`;
  }

  /** Sends it until an index server has answered; false = it refused, or none was reachable for long. */
  async #tell(command: string): Promise<boolean> {
    for (let attempt = 0; attempt < TOLD_ATTEMPTS && !this.#stopped; attempt++) {
      if (attempt > 0) await this.#pause(JOIN_PAUSE_MS);
      for (const server of this.servers) {
        const answers = await this.#converse(server, [command]).catch((error: Error) => this.#noteFailure(command, error));
        const line = answers?.[0]?.line;
        if (line === undefined) continue;
        if (line !== "OK") this.#runtime.log.write("warning", `index server answered "${line}" to "${command}"`);
        return line === "OK";
      }
    }
    return false;
  }

  #noteFailure(command: string, error: Error): undefined {
    this.#runtime.log.write("info", `could not send "${command}": ${error.message}`);
  }

  /**
   * Flare differs: the original sends `node add` first. Ours must know whether the index server accepts its further words,
   * which are an error to the original's.
   */
  async #joinAt(server: HostPort, data: DataIdentity): Promise<Joined> {
    const name = formatHostPort(server.host, server.port);
    let meta: ClusterMeta | undefined;
    const [told, added] = await this.#converse(server, [
      "meta",
      ({ line, body }) => {
        meta = line === "END" ? parseMeta(lines(body)) : undefined;
        if (meta === undefined) return undefined;
        return `node add ${this.#name}${meta.takesNodeData ? ` ${encodeDataIdentity(data)}` : ""}`;
      },
    ]);
    if (told?.line === "END" && meta === undefined) {
      throw new FlareError("CORRUPT", `index server "${name}" sent malformed key parameters`);
    }
    const last = added ?? told;
    if (meta === undefined || added === undefined || last?.line !== "END") {
      const text = `index server "${name}" refused this node: "${last?.line ?? ""}"`;
      throw new FlareError("REFUSED", text, { retriable: last?.line.startsWith("SERVER_ERROR") === true });
    }
    const nodes = lines(added.body).map(parseNodeLine);
    if (nodes.includes(undefined)) throw new FlareError("CORRUPT", `index server "${name}" sent a malformed node list`);
    return { map: createNodeMap(0, nodes as ClusterNode[], 0), meta };
  }

  /** The result of the first index server that answers. @throws FlareError */
  async #askFirst<T>(ask: (server: HostPort) => Promise<T>): Promise<T> {
    let lastError: unknown;
    for (const server of this.servers) {
      try {
        return await ask(server);
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        lastError = error;
      }
    }
    throw lastError ?? new FlareError("CONNECTION_FAILED", "no index server is configured");
  }

  /** An index server's answers to `stats` commands. @throws FlareError */
  async #figures(server: HostPort, commands: readonly string[]): Promise<Figures[]> {
    const answers = await this.#converse(server, commands);
    return answers.map(({ line, body }) => {
      const figures = lines(body).map(parseStatLine);
      if (line === "END" && !figures.includes(undefined)) return new Map(figures as [string, string][]);
      throw new FlareError(
        "REFUSED",
        `index server "${formatHostPort(server.host, server.port)}" answered "${line}" to "stats"`,
      );
    });
  }

  /** Sends one command after the other, as long as the answers are OK; a function builds a command from the previous answer. */
  async #converse(
    server: HostPort,
    commands: readonly (string | ((before: Answer) => string | undefined))[],
  ): Promise<Answer[]> {
    const peer = new Peer(this.#runtime, server, WorkerType.controller, new WorkerRegistry(), this.#options);
    try {
      const answers: Answer[] = [];
      for (const next of commands) {
        const command = typeof next === "string" ? next : next(answers.at(-1) as Answer);
        if (command === undefined) break;
        const answer = await peer.request(fromLatin1(`${command}\r\n`), ReplyShape.lines);
        answers.push(answer);
        if (answer.line !== "END" && answer.line !== "OK") break;
      }
      return answers;
    } finally {
      peer.close();
    }
  }

  #pause(delayMs: number): Promise<void> {
    return sleep(this.#runtime.clock, delayMs);
  }
}

function lines(body: Uint8Array): string[] {
  return latin1(body)
    .split(/\r?\n/)
    .filter((line) => line !== "");
}
