/**
 * An index server as the C++ one behaves, played over any transport: it connects to a node in the moment the node says
 * `node add`, pushes each map once, and forgets a push that met a connection which broke or refused it.
 */

import { fromLatin1, latin1 } from "../../lib/base/bytes.ts";
import { NodeRole, NodeState, parseRole, parseState, roleName, stateName } from "../../lib/cluster/node.ts";
import { joinNode } from "../../lib/cluster/node_join.ts";
import { createNodeMap, findNode, type NodeMap, setRole, setState, shutdown } from "../../lib/cluster/node_map.ts";
import { encodeMeta, encodeNodeList, META_DEFAULTS } from "../../lib/cluster/node_map_codec.ts";
import type { Connection, ConnectionHandler, Listener, Runtime } from "../../lib/runtime/runtime.ts";
import { cutRequest } from "./request_stream.ts";

const HOST = "127.0.0.1";
const PARTITIONS_MAX = 1023;

export class PlayedIndexServer {
  map: NodeMap = createNodeMap(0, [], 16);
  /** False: pushes get lost. */
  pushes = true;
  /** False: `stats` has no version of the map, as before Flare 1.3.1. */
  saysVersion = true;
  /** Sent over the new connection to a node that joins, behind the push. */
  greeting = "";
  /** Pause between the connection back and the answer to `node add`. */
  answerDelayMs = 0;
  /** Every request of a node, whole. */
  readonly requests: string[] = [];
  /** What the nodes answered on the connections to them, by their keys. */
  readonly answers = new Map<string, string>();
  /** Connections to nodes that were refused or broke. */
  lostConnections = 0;
  readonly #runtime: Runtime;
  #listener: Listener | undefined;
  readonly #monitors = new Map<string, Monitor>();
  #stopped = false;

  private constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  static async start(runtime: Runtime, port = 0): Promise<PlayedIndexServer> {
    const server = new PlayedIndexServer(runtime);
    server.#listener = await runtime.transport.listen({ host: HOST, port }, (connection) => server.#accept(connection));
    return server;
  }

  get address(): { host: string; port: number } {
    const address = this.#listener?.address;
    if (address === undefined || !("port" in address)) throw new Error("the index server does not listen");
    return address;
  }

  /** Carries out `node role|state` or `shutdown` as an operator would give them. */
  order(command: string): string {
    const [word, ...rest] = command.split(" ");
    const [verb, host, port, what = "", balance = "0", partition = "-1"] = word === "shutdown" ? ["shutdown", ...rest] : rest;
    const key = `${host}:${port}`;
    const outcome =
      verb === "role"
        ? setRole(
            this.map,
            key,
            { role: parseRole(what) ?? NodeRole.proxy, balance: Number(balance), partition: Number(partition) },
            PARTITIONS_MAX,
          )
        : verb === "state"
          ? setState(this.map, key, parseState(what) ?? NodeState.down)
          : shutdown(this.map, key);
    if (!outcome.ok) return `SERVER_ERROR ${outcome.error}\r\n`;
    this.map = outcome.map;
    this.#broadcast();
    return "OK\r\n";
  }

  /** Pings every node on its connection; one that broke is opened again. */
  ping(): void {
    for (const key of this.#monitors.keys()) this.#monitor(key).send("ping\r\n");
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#listener?.close();
    for (const monitor of this.#monitors.values()) monitor.end();
  }

  #accept(connection: Connection): ConnectionHandler {
    let stream = "";
    const say = (text: string): void => void connection.write(fromLatin1(text));
    return {
      onOpen: () => undefined,
      onData: (chunk) => {
        stream += latin1(chunk);
        for (let request = cutRequest(stream); request !== undefined; request = cutRequest(stream)) {
          stream = stream.slice(request.length);
          this.requests.push(request);
          this.#answer(request.trim(), say);
        }
      },
      onDrain: () => undefined,
      onEnd: () => connection.close(),
      onClose: () => undefined,
    };
  }

  #answer(command: string, say: (text: string) => void): void {
    if (command.startsWith("node add ")) this.#add(command.split(" ").slice(2), say);
    else if (command === "meta") say(encodeMeta(META_DEFAULTS));
    else if (command === "stats")
      say(`STAT pid 1\r\n${this.saysVersion ? `STAT node_map_version ${this.map.version}\r\n` : ""}END\r\n`);
    else if (command === "stats nodes") say(statsNodes(this.map));
    else say(this.order(command));
  }

  #add([host = "", port = ""]: readonly string[], say: (text: string) => void): void {
    const outcome = joinNode(this.map, { host, port: Number(port), silent: false });
    if (!outcome.ok) return say("SERVER_ERROR failed to add node\r\n");
    this.map = outcome.map;
    this.#monitor(`${host}:${port}`).send(this.greeting);
    this.#broadcast();
    const answer = encodeNodeList(this.map);
    if (this.answerDelayMs === 0) say(answer);
    else this.#runtime.clock.setTimer(() => say(answer), this.answerDelayMs, true);
  }

  #broadcast(): void {
    if (!this.pushes) return;
    // In two pieces, as the original writes it.
    for (const { key } of this.map.nodes) {
      this.#monitors.get(key)?.send(`node sync ${this.map.version}\r\n`);
      this.#monitors.get(key)?.send(encodeNodeList(this.map));
    }
  }

  #monitor(key: string): Monitor {
    const known = this.#monitors.get(key);
    if (known !== undefined && !known.isGone) return known;
    const { host, port } = findNode(this.map, key) ?? { host: HOST, port: Number(key.split(":")[1]) };
    const monitor = new Monitor(
      (text) => this.answers.set(key, `${this.answers.get(key) ?? ""}${text}`),
      () => {
        if (!this.#stopped) this.lostConnections++;
      },
    );
    monitor.connection = this.#runtime.transport.connect({ host, port }, 1000, monitor);
    this.#monitors.set(key, monitor);
    return monitor;
  }
}

/** The connection to one node. What is sent before it stands leaves as soon as it does; what meets its end is lost. */
class Monitor implements ConnectionHandler {
  connection: Connection | undefined;
  isGone = false;
  readonly #heard: (text: string) => void;
  readonly #lost: () => void;
  #isOpen = false;
  #unsent = "";

  constructor(heard: (text: string) => void, lost: () => void) {
    this.#heard = heard;
    this.#lost = lost;
  }

  send(text: string): void {
    if (this.#isOpen) this.connection?.write(fromLatin1(text));
    else this.#unsent += text;
  }

  end(): void {
    this.connection?.destroy();
  }

  onOpen(): void {
    this.#isOpen = true;
    const text = this.#unsent;
    this.#unsent = "";
    this.connection?.write(fromLatin1(text));
  }

  onData(chunk: Uint8Array): void {
    this.#heard(latin1(chunk));
  }

  onDrain(): void {}

  onEnd(): void {
    this.connection?.destroy();
  }

  onClose(): void {
    this.isGone = true;
    this.#lost();
  }
}

function statsNodes(map: NodeMap): string {
  const lines = map.nodes.flatMap(({ key, role, state, partition, balance, threadType }) => [
    `STAT ${key}:role ${roleName(role)}`,
    `STAT ${key}:state ${stateName(state)}`,
    `STAT ${key}:partition ${partition}`,
    `STAT ${key}:balance ${balance}`,
    `STAT ${key}:thread_type ${threadType}`,
  ]);
  return `${[...lines, "END", ""].join("\r\n")}`;
}
