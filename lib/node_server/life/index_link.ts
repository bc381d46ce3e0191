/**
 * A node server's connection to the index servers: joining the cluster and the few messages a node sends by itself. Each
 * conversation has its own short connection, as in Flare. With several index servers any of them will do: the next one is asked
 * if one does not answer, or knows none that leads.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import type { HostPort } from "../../base/host_port.ts";
import { formatHostPort } from "../../base/host_port.ts";
import { sleep } from "../../base/sleep.ts";
import type { Uint64 } from "../../base/uint64.ts";
import { type DataIdentity, encodeDataIdentity } from "../../cluster/data_identity.ts";
import { parseSetAnswer, type SetAnswer, type SetState } from "../../cluster/in_sync_set.ts";
import { isUndecided } from "../../cluster/index_leader.ts";
import type { ClusterNode } from "../../cluster/node.ts";
import { createNodeMap, type NodeMap } from "../../cluster/node_map.ts";
import { type ClusterMeta, parseMeta, parseNodeLine } from "../../cluster/node_map_codec.ts";
import { nodeMapVersion, parseNodeMap } from "../../cluster/node_map_stats.ts";
import { onOwnConnection } from "../../net/peer/own_connection.ts";
import type { PeerOptions } from "../../net/peer/peer_link.ts";
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
  /** What the index server answered; version 0, because the answer has none. */
  readonly map: NodeMap;
  /** Its map after that; undefined if it does not say which version that is: then any push counts as newer than `map`. */
  readonly newest: NodeMap | undefined;
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
   * The version of the index servers' node map, of the first one whose map is not older than version `own`, else the newest;
   * undefined if none reports one. One that follows may be behind. Uses `stats`, so a C++ one works, too.
   * @throws FlareError CONNECTION_FAILED | TIMED_OUT | REFUSED of the last index server, if none answered
   */
  async mapVersion(own: Uint64): Promise<Uint64 | undefined> {
    return this.#askFirst(
      async (server) => nodeMapVersion((await this.#figures(server, ["stats"]))[0] as Figures),
      (version) => version !== undefined && version >= own,
      (one, other) => (other ?? 0) > (one ?? 0),
    );
  }

  /**
   * The index servers' node map, of the first one that has a newer one than version `own`, else the newest; undefined if it
   * changes all the time.
   * @throws FlareError CONNECTION_FAILED | TIMED_OUT | REFUSED | CORRUPT of the last index server, if none answered
   */
  fetchMap(own: Uint64): Promise<NodeMap | undefined> {
    return this.#askFirst(
      (server) => this.#fetchFrom(server),
      (map) => map !== undefined && map.version > own,
      (one, other) => (other?.version ?? 0) > (one?.version ?? 0),
    );
  }

  /** `node state <self> active|ready`: a copy is complete. */
  tellState(state: "active" | "ready"): Promise<boolean> {
    return this.#tell(`node state ${this.#name} ${state}`);
  }

  /** `node state <node> prepare|ready|active <version>`; one attempt. Undefined: no index server has decided it. */
  async changeSet({ host, port }: HostPort, state: SetState, version: Uint64): Promise<SetAnswer | undefined> {
    const decision = await this.#askOnce(`node state ${host} ${port} ${state} ${version}`);
    return decision === undefined ? undefined : parseSetAnswer(decision);
  }

  /** `node role <self> proxy 0 -1`: a copy failed. */
  tellProxy(): Promise<boolean> {
    return this.#tell(`node role ${this.#name} proxy 0 -1`);
  }

  /** `shutdown <self>`: hands over to another node; one attempt, and more while the index servers have no leader. */
  async tellShutdown(): Promise<boolean> {
    for (let attempt = 0; attempt < TOLD_ATTEMPTS; attempt++) {
      if (attempt > 0) await this.#pause(JOIN_PAUSE_MS);
      let isUndone = false;
      for (const server of this.servers) {
        const line = (await this.#converse(server, [`shutdown ${this.#name}`]).catch(() => undefined))?.[0]?.line;
        if (line === "OK") return true;
        isUndone ||= line !== undefined && isUndecided(line);
      }
      if (!isUndone) return false;
    }
    return false;
  }

  get #name(): string {
    return `${this.#self.host} ${this.#self.port}`;
  }

  /** Sends it until an index server has decided it; false = it refused, or none was reachable for long. */
  async #tell(command: string): Promise<boolean> {
    for (let attempt = 0; attempt < TOLD_ATTEMPTS && !this.#stopped; attempt++) {
      if (attempt > 0) await this.#pause(JOIN_PAUSE_MS);
      const decision = await this.#askOnce(command);
      if (decision === undefined) continue;
      if (decision !== "OK") this.#runtime.log.write("warning", `index server answered "${decision}" to "${command}"`);
      return decision === "OK";
    }
    return false;
  }

  /** Asks one index server after the other for a change, until one decides; undefined: none does. */
  async #askOnce(command: string): Promise<string | undefined> {
    for (const server of this.servers) {
      const answers = await this.#converse(server, [command]).catch((error: Error) => this.#noteFailure(command, error));
      const line = answers?.[0]?.line;
      if (line === undefined) continue;
      if (!isUndecided(line)) return line;
      const name = formatHostPort(server.host, server.port);
      this.#runtime.log.write("info", `index server "${name}" answered "${line}" to "${command}"`);
    }
    return undefined;
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
    return { map: createNodeMap(0, nodes as ClusterNode[], 0), newest: await this.#newestOf(server), meta };
  }

  /**
   * The map of an index server; undefined if it does not say its version. A node that does not know the version of its first
   * map would take a push for newer that was on its way before it joined, and the role it had then for a new one.
   * @throws FlareError CONNECTION_FAILED | TIMED_OUT | CORRUPT | REFUSED, retriable, if the map changes all the time
   */
  async #newestOf(server: HostPort): Promise<NodeMap | undefined> {
    const [answer] = await this.#converse(server, ["stats"]);
    const figures = answer === undefined ? undefined : figuresOf(answer);
    if (figures === undefined || nodeMapVersion(figures) === undefined) return undefined;
    const map = await this.#fetchFrom(server);
    if (map !== undefined) return map;
    const text = `the node map of index server "${formatHostPort(server.host, server.port)}" is changing`;
    throw new FlareError("REFUSED", text, { retriable: true });
  }

  /** Several attempts if the map changes meanwhile. */
  async #fetchFrom(server: HostPort): Promise<NodeMap | undefined> {
    for (let attempt = 0; attempt < MAP_ATTEMPTS; attempt++) {
      const [before, nodes, after] = (await this.#figures(server, ["stats", "stats nodes", "stats"])) as Figures[];
      const map = parseNodeMap(nodes as Figures, after as Figures);
      if (nodeMapVersion(before as Figures) === map.version) return map;
    }
    return undefined;
  }

  /** The first result that is enough, else the best of those that answer. @throws FlareError if none does */
  async #askFirst<T>(
    ask: (server: HostPort) => Promise<T>,
    isEnough: (result: T) => boolean,
    isBetter: (one: T, other: T) => boolean,
  ): Promise<T> {
    let lastError: unknown = new FlareError("CONNECTION_FAILED", "no index server is configured");
    const results: T[] = [];
    for (const server of this.servers) {
      try {
        const result = await ask(server);
        if (isEnough(result)) return result;
        results.push(result);
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        lastError = error;
      }
    }
    if (results.length === 0) throw lastError;
    return results.reduce((one, other) => (isBetter(one, other) ? other : one));
  }

  /** An index server's answers to `stats` commands. @throws FlareError */
  async #figures(server: HostPort, commands: readonly string[]): Promise<Figures[]> {
    const answers = await this.#converse(server, commands);
    return answers.map((answer) => {
      const figures = figuresOf(answer);
      if (figures !== undefined) return figures;
      throw new FlareError(
        "REFUSED",
        `index server "${formatHostPort(server.host, server.port)}" answered "${answer.line}" to "stats"`,
      );
    });
  }

  /** Sends one command after the other, as long as the answers are OK; a function builds a command from the previous answer. */
  async #converse(
    server: HostPort,
    commands: readonly (string | ((before: Answer) => string | undefined))[],
  ): Promise<Answer[]> {
    return onOwnConnection(this.#runtime, server, this.#options, async (peer) => {
      const answers: Answer[] = [];
      for (const next of commands) {
        const command = typeof next === "string" ? next : next(answers.at(-1) as Answer);
        if (command === undefined) break;
        const answer = await peer.request(fromLatin1(`${command}\r\n`), ReplyShape.lines);
        answers.push(answer);
        if (answer.line !== "END" && answer.line !== "OK") break;
      }
      return answers;
    });
  }

  #pause(delayMs: number): Promise<void> {
    return sleep(this.#runtime.clock, delayMs);
  }
}

/** Undefined if it is no answer to `stats`. */
function figuresOf({ line, body }: Answer): Figures | undefined {
  const figures = lines(body).map(parseStatLine);
  return line === "END" && !figures.includes(undefined) ? new Map(figures as [string, string][]) : undefined;
}

function lines(body: Uint8Array): string[] {
  return latin1(body)
    .split(/\r?\n/)
    .filter((line) => line !== "");
}
