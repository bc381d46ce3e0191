/**
 * One of our node servers in a scripted network: an index server that sends it a map, and hosts that record their requests and
 * answer as a test wants.
 */

import { assert } from "@std/assert";
import { MemoryLevel } from "memory-level";
import { RunningNode } from "../../lib/node_server/node_server.ts";
import type { NodeServerOptions } from "../../lib/node_server/node_server_options.ts";
import type { EngineDatabase } from "../../lib/storage/engine/engine.ts";
import { type FarEnd, PlayedNetwork } from "./played_network.ts";
import { cutRequest } from "./request_stream.ts";

/** Asked by our node from time to time, to find out who is there. */
const PING = "ping\r\n";

/** A host as our node meets it. */
export class PlayedHost {
  /** Every request, whole, but for pings, names of connections, and what it does not know of streams and forwarded requests. */
  readonly requests: string[] = [];
  /** Whether it is asked about the replication stream; else it does not know it. */
  knowsStreams = false;
  /** Whether it is asked to take forwarded requests; else it does not know them. */
  takesForwards = false;
  /** The node that is there in its place; undefined: itself, and it does not know `lane`. */
  stranger: string | undefined;
  /** Undefined = silence. */
  answer: (request: string) => string | undefined = () => "STORED\r\n";
  /** Connections our node has opened to it. */
  readonly connections: FarEnd[] = [];
}

/** A replica's answer to a request of a stream when it has everything its master has, which is nothing yet. */
export function agrees(request: string): string {
  const [, history] = />stream ([0-9a-f]{16})\r/.exec(request) ?? [];
  return history === undefined ? "OK\r\n" : `OK ${history} 0\r\n`;
}

const INDEX = "127.0.0.1:2000";
const META = "META partition-type modular\r\nMETA partition-modular-hint 1\r\n";
const IN_SYNC_SET = "META flare-kv-in-sync-set 1\r\n";

export class PlayedNode {
  readonly network: PlayedNetwork;
  /** `host:port` of our node. */
  readonly key: string;
  /** Whether the index server keeps in-sync sets; to be set before the start. */
  keepsInSyncSet = false;
  readonly #hosts = new Map<string, PlayedHost>();
  #server: RunningNode | undefined;
  #index: FarEnd | undefined;

  constructor(key = "127.0.0.1:2001", network = new PlayedNetwork()) {
    this.key = key;
    this.network = network;
    network.onConnect = (host, far) => this.#connected(host, far);
  }

  get server(): RunningNode {
    assert(this.#server !== undefined);
    return this.#server;
  }

  get index(): PlayedHost {
    return this.host(INDEX);
  }

  /** The host `key`; made when first asked for. */
  host(key: string): PlayedHost {
    const host = this.#hosts.get(key) ?? new PlayedHost();
    this.#hosts.set(key, host);
    return host;
  }

  /** Starts the node; it joins with `nodes`, lines without `NODE` and the address's host. */
  async start(
    nodes: readonly string[],
    options: Partial<NodeServerOptions> = {},
    engine: EngineDatabase = memoryEngine(),
  ): Promise<RunningNode> {
    const meta = `${META}${this.keepsInSyncSet ? IN_SYNC_SET : ""}END\r\n`;
    this.index.answer = (request) =>
      request.startsWith("meta") ? meta : request.startsWith("node add") ? `${lines(nodes)}END\r\n` : "OK\r\n";
    const [host = "", port] = this.key.split(":");
    const given: Partial<NodeServerOptions> = {
      serverName: host,
      bind: host,
      serverPort: Number(port),
      storageType: "memory",
      proxyConcurrency: 1,
      indexServers: [{ host: "127.0.0.1", port: 2000 }],
      ...options,
    };
    const starting = RunningNode.start(this.network.runtime, given, { engine });
    void starting.then((server) => {
      this.#server = server;
    });
    await this.network.passUntil(() => this.#server !== undefined, 1000);
    return starting;
  }

  /** The index server pushes a map. */
  async push(version: number, nodes: readonly string[]): Promise<void> {
    this.#index ??= this.network.dial(this.key, INDEX);
    this.#index.received = "";
    this.#index.send(`node sync ${version}\r\n${lines(nodes)}END\r\n`);
    assert(await this.network.passUntil(() => this.#index?.received === "OK\r\n", 1000));
    await this.network.settle();
  }

  /** What a client hears who sends `text`, without letting time pass. */
  async ask(text: string): Promise<string> {
    const far = await this.send(text);
    await this.network.settle();
    return far.received;
  }

  /** Sends what a client would. */
  async send(text: string): Promise<FarEnd> {
    const far = this.network.dial(this.key, "127.0.0.1:50000");
    far.send(text);
    await this.network.settle();
    return far;
  }

  async stop(): Promise<void> {
    let stopped = false;
    const stopping = this.#server?.stop({ announce: false }).then(() => {
      stopped = true;
    });
    await this.network.passUntil(() => stopped, 10000);
    await stopping;
  }

  #connected(key: string, far: FarEnd): void {
    const host = this.host(key);
    host.connections.push(far);
    far.onReceived = () => {
      for (let request = cutRequest(far.received); request !== undefined; request = cutRequest(far.received)) {
        far.received = far.received.slice(request.length);
        if (this.network.silent.has(key)) continue;
        if (request === PING) {
          far.send("OK\r\n");
          continue;
        }
        if (request.includes(">lane ") || request.startsWith("lane meet ")) {
          far.send(host.stranger === undefined ? "ERROR\r\n" : `SERVER_ERROR this is node ${host.stranger}\r\n`);
          continue;
        }
        if ((!host.knowsStreams && request.includes(">stream ")) || (!host.takesForwards && request.includes(">forward "))) {
          far.send("ERROR\r\n");
          continue;
        }
        host.requests.push(request);
        const answer = host.answer(request);
        if (answer !== undefined) far.send(answer);
      }
    };
  }
}

/** An engine that is there already: loading one would take real time. */
function memoryEngine(): EngineDatabase {
  return new MemoryLevel<Uint8Array, Uint8Array>({ keyEncoding: "view", valueEncoding: "view", storeEncoding: "view" });
}

function lines(nodes: readonly string[]): string {
  return nodes.map((node) => `NODE 127.0.0.1 ${node}\r\n`).join("");
}
