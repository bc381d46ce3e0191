/**
 * One of our index servers in a scripted network: nodes that record what they receive and answer as a test wants. It is a
 * runtime, for the index server or for whatever else talks to nodes.
 */

import type { Connection, ConnectionHandler, Runtime } from "../../lib/runtime/runtime.ts";
import { type FarEnd, PlayedNetwork } from "./played_network.ts";
import { cutRequest } from "./request_stream.ts";

/** A node as the index server meets it. */
export class FakeNode {
  readonly #network: PlayedNetwork;
  readonly #key: string;
  /** The answer to a command line; undefined = silence, empty = the connection ends. */
  answer: (command: string) => string | undefined = () => "OK\r\n";
  /** The node that is there in its place; undefined: itself, and it does not know `lane`. */
  stranger: string | undefined;
  /** Everything it was sent but `lane`, one text per command: `ping`, or `node sync` with its lines joined by `|`. */
  readonly received: string[] = [];
  /** The connections to it. */
  readonly connections = new Set<FarEnd>();

  constructor(network: PlayedNetwork, key: string) {
    this.#network = network;
    this.#key = key;
  }

  /** Whether it takes connections. */
  set reachable(reachable: boolean) {
    if (reachable) this.#network.unreachable.delete(this.#key);
    else this.#network.unreachable.add(this.#key);
  }
}

export class IndexWorld implements Runtime {
  readonly network = new PlayedNetwork();
  readonly name = "simulated";
  readonly clock = this.network.clock;
  readonly files = this.network.files;
  readonly transport = this.network;
  readonly random = { uint32: () => 4 };
  readonly logged = this.network.logged;
  readonly log = this.network.runtime.log;
  readonly process = {
    pid: 4711,
    hostName: () => "index.example",
    cpuUsage: () => ({ userUs: 1_500_000, systemUs: 250 }),
    memoryBytes: () => 1,
    descriptorsMax: () => undefined,
  };
  /** Every command any node got, in order: `<node> <command>`. */
  readonly trace: string[] = [];
  readonly #nodes = new Map<string, FakeNode>();

  constructor() {
    this.network.onConnect = (key, far) => this.#connected(key, far);
  }

  /** The node `key` (`host:port`); made when first asked for. */
  node(key: string): FakeNode {
    const node = this.#nodes.get(key) ?? new FakeNode(this.network, key);
    this.#nodes.set(key, node);
    return node;
  }

  /** A connection of the test's own to the server. */
  accept(connection: Connection): ConnectionHandler {
    return this.network.accept(this.#server, connection);
  }

  advance(ms: number): Promise<void> {
    return this.network.pass(ms);
  }

  /** What a client hears that sends `text`, and whether the server then closed the connection. */
  async ask(text: string): Promise<{ reply: string; closed: boolean }> {
    const far = this.network.dial(this.#server, "127.0.0.1:50000");
    far.send(text);
    await this.network.settle();
    const { received, closed } = far;
    far.close();
    return { reply: received, closed };
  }

  get #server(): string {
    const [first] = this.network.listeners;
    if (first === undefined) throw new Error("nobody listens");
    return first;
  }

  #connected(key: string, far: FarEnd): void {
    const node = this.node(key);
    node.connections.add(far);
    far.onClosed = () => node.connections.delete(far);
    far.onReceived = () => {
      for (let request = cutRequest(far.received); request !== undefined; request = cutRequest(far.received)) {
        far.received = far.received.slice(request.length);
        const command = request.trimEnd().replaceAll("\r\n", "|").replaceAll("NODE ", "").replace("|END", "");
        const isLane = command.startsWith("lane meet ");
        if (!isLane) {
          node.received.push(command);
          this.trace.push(`${key} ${command}`);
        }
        const { stranger } = node;
        const said = node.answer(isLane ? "ping" : command);
        const lane = stranger === undefined ? "ERROR\r\n" : `SERVER_ERROR this is node ${stranger}\r\n`;
        const answer = isLane && said !== undefined && said !== "" ? lane : said;
        if (answer === "") far.close();
        else if (answer !== undefined) far.send(answer);
      }
    };
  }
}
