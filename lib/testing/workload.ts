/**
 * The clients of a cluster, simulated or real: they all work on the same few keys, several requests at a time, through nodes
 * picked at random, and record every request and answer in a history. Each written value is unique. A key is replaced by a new
 * one after a number of operations, so that the history of each can be checked. Judges nothing itself, except that where no
 * request may fail, a failed one ends the run.
 */

import { ClientOperation, History } from "./history.ts";
import { answerText, encodeCommand, type ItemCommand, isRead } from "./item_model.ts";
import { type ClientProcess, SimClient } from "./sim_client.ts";
import type { SimRandom } from "./sim_random.ts";

/** What the clients need of a cluster, and of the world it is in. */
export interface LoadedCluster<Node = unknown> {
  readonly world: {
    readonly clock: { readonly nowUs: number };
    readonly random: SimRandom;
    host(name: string): { start(): ClientProcess };
    sleep(delayMs: number): Promise<void>;
    fail(message: string): void;
  };
  readonly nodes: readonly Node[];
  /** Where a client may connect. */
  addressOf(node: Node): { readonly host: string; readonly port: number };
}

export interface WorkloadOptions {
  readonly clients: number;
  /** Keys in use at a time. */
  readonly keys: number;
  /** Pause between two rounds of a client, at most. */
  readonly pauseMsMax: number;
  /** Whether requests may fail. */
  readonly mayFail: boolean;
  /** Ahead of the names of its clients and keys; absent: it is the only one. */
  readonly name?: string;
}

const TIMEOUT_MS = 8000;
/** Some connections give up early where requests may fail. */
const TIMEOUT_MS_MIN = 1000;
/** A client that got an error waits, too, so that keys are not used up while nothing is served. */
const AFTER_FAILURE_MS_MAX = 400;
const PIPELINE_MAX = 5;
const FAR_FUTURE = 1_900_000_000;
const OPERATIONS_PER_KEY = 60;
/** Each may have happened or not, at any time, which makes a history costly to check. */
const UNKNOWN_PER_KEY_MAX = 5;

const KINDS = ["value", "value", "number", "list"] as const;
/** `value`: a text that is replaced as a whole; `number`: a counter; `list`: words that begin with a comma. */
type KeyKind = (typeof KINDS)[number];

/** A key in use. */
interface Key {
  readonly name: string;
  readonly kind: KeyKind;
  operations: number;
  unknown: number;
}

export class Workload {
  readonly history: History;
  readonly #cluster: LoadedCluster;
  readonly #options: WorkloadOptions;
  readonly #keys: Key[];
  readonly #running: Promise<void>[] = [];
  #stopped = false;
  #lastKey = 0;
  #lastWrite = 0;

  constructor(cluster: LoadedCluster, options: WorkloadOptions, history = new History()) {
    this.history = history;
    this.#cluster = cluster;
    this.#options = options;
    this.#keys = Array.from({ length: options.keys }, (_, i) => this.#newKey(KINDS[i % KINDS.length] as KeyKind));
  }

  start(): void {
    const { world } = this.#cluster;
    for (let number = 1; number <= this.#options.clients; number++) {
      const { name = "" } = this.#options;
      const process = world.host(`${name}client${number}`).start();
      this.#running.push(this.#client(process, world.random.split(`${name}client ${number}`)));
    }
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #client(process: ClientProcess, random: SimRandom): Promise<void> {
    const connections = new Map<string, SimClient>();
    /** The newest version this client saw, by key. */
    const versions = new Map<string, string>();
    while (!this.#stopped) {
      const node = random.pick(this.#cluster.nodes);
      const { host, port } = this.#cluster.addressOf(node);
      let connection = connections.get(host);
      if (connection === undefined || connection.closed || random.chance(0.01)) {
        connection?.close();
        const timeoutMs = this.#options.mayFail && random.chance(0.5) ? TIMEOUT_MS_MIN : TIMEOUT_MS;
        connection = new SimClient(process, host, port, timeoutMs);
        connections.set(host, connection);
      }
      const answered = await this.#round(process.host.name, connection, versions, random);
      const pauseMsMax = answered ? this.#options.pauseMsMax : AFTER_FAILURE_MS_MAX;
      await this.#cluster.world.sleep(random.between(0, pauseMsMax));
    }
    for (const connection of connections.values()) connection.close();
  }

  /** Sends some commands at once and waits for the answers; true if all came. */
  async #round(client: string, connection: SimClient, versions: Map<string, string>, random: SimRandom): Promise<boolean> {
    const last = new Map<string, ClientOperation>();
    const asked = Array.from({ length: random.between(1, PIPELINE_MAX) }, () => {
      const key = this.#pickKey(random);
      const operation = this.request(connection, {
        client,
        key: key.name,
        command: this.#command(key, versions, random),
        after: last.get(key.name),
      });
      last.set(key.name, operation.operation);
      return { key, ...operation };
    });
    for (const { key, operation, ended } of asked) {
      await ended;
      if (operation.returnUs === undefined && !isRead(operation.command)) key.unknown++;
      const { answer } = operation;
      if (operation.command.name !== "gets" || answer?.kind !== "items") continue;
      const version = answer.items[0]?.version;
      if (version === undefined) versions.delete(key.name);
      else versions.set(key.name, version);
    }
    return asked.every(({ operation }) => operation.returnUs !== undefined);
  }

  /** One recorded request. `ended` resolves when the answer stands in the operation. */
  readonly request = (
    connection: SimClient,
    asked: Pick<ClientOperation, "client" | "key" | "command"> & Partial<Pick<ClientOperation, "after" | "final">>,
  ): { readonly operation: ClientOperation; readonly ended: Promise<void> } => {
    const { clock } = this.#cluster.world;
    const operation = new ClientOperation({ ...asked, node: connection.target, callUs: clock.nowUs });
    this.history.add(operation);
    const answer = connection.request(encodeCommand(asked.key, asked.command), isRead(asked.command) ? "items" : "line");
    return {
      operation,
      ended: answer.then((got) => {
        operation.end(got, clock.nowUs);
        if (got.kind === "error" && got.unsent) this.history.remove(operation);
        if (answerText(asked.key, got) === undefined && !this.#options.mayFail) {
          this.#cluster.world.fail(`failed: ${operation}`);
        }
      }),
    };
  };

  #pickKey(random: SimRandom): Key {
    const at = random.between(0, this.#keys.length - 1);
    let key = this.#keys[at] as Key;
    if (key.operations >= OPERATIONS_PER_KEY || key.unknown >= UNKNOWN_PER_KEY_MAX) {
      key = this.#newKey(key.kind);
      this.#keys[at] = key;
    }
    key.operations++;
    return key;
  }

  #newKey(kind: KeyKind): Key {
    return { name: `${this.#options.name ?? ""}${kind}-${++this.#lastKey}`, kind, operations: 0, unknown: 0 };
  }

  #command({ name, kind }: Key, versions: ReadonlyMap<string, string>, random: SimRandom): ItemCommand {
    const roll = random.between(0, 99);
    if (roll < 25) return { name: "get" };
    if (roll < 40) return { name: "gets" };
    if (roll < 45) return { name: "touch", expire: FAR_FUTURE + random.between(0, 1000) };
    if (roll < 50) return { name: "delete" };
    const version = versions.get(name);
    const data = {
      flags: random.between(0, 9),
      expire: random.chance(0.2) ? FAR_FUTURE + random.between(0, 1000) : 0,
      value: this.#value(kind, random),
    };
    if (roll < 60 && version !== undefined) return { name: "cas", version, ...data };
    if (roll < 67) return { name: "add", ...data };
    if (roll < 72) return { name: "replace", ...data };
    if (kind === "number") {
      if (roll < 76) return { name: "set", ...data };
      return { name: roll < 90 ? "incr" : "decr", delta: random.between(1, 1000) };
    }
    if (kind === "list" && roll >= 76) return { name: random.chance(0.5) ? "append" : "prepend", ...data };
    return { name: "set", ...data };
  }

  #value(kind: KeyKind, random: SimRandom): string {
    const write = ++this.#lastWrite;
    if (kind === "number") return String(write * 10_000);
    return kind === "list"
      ? `,${write}`
      : `=${write}${"x".repeat(random.chance(0.03) ? random.between(1000, 20_000) : write % 40)}`;
  }
}
