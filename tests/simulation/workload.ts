/**
 * The clients of a simulated cluster: each has keys of its own, works on several of them at a time through nodes picked at
 * random, and checks every answer. What may go wrong depends on the scenario; what does is counted, and what may not ends
 * the run.
 */

import { type Expectation, type KeyKind, KeyModel, type KeyState, MISS, type Operation, type Verdict } from "./key_model.ts";
import { SimClient } from "./sim_client.ts";
import type { SimCluster } from "./sim_cluster.ts";
import type { SimProcess } from "./sim_process.ts";
import type { SimRandom } from "./sim_random.ts";

export interface WorkloadOptions {
  readonly clients: number;
  readonly keysPerClient: number;
  /** Pause between two rounds of a client, at most. */
  readonly pauseMsMax: number;
  /** What ends the run, beside wrong answers. */
  readonly forbidden: readonly Verdict[];
}

const TIMEOUT_MS = 8000;
const PIPELINE_MAX = 5;
const FAR_FUTURE = 1_900_000_000;

/** Answers by what they told. */
export type WorkloadCounts = Record<Verdict, number>;

export class Workload {
  readonly counts: WorkloadCounts = { right: 0, failed: 0, stale: 0, lost: 0, wrong: 0 };
  readonly models: KeyModel[] = [];
  forbidden: readonly Verdict[];
  readonly #cluster: SimCluster;
  readonly #options: WorkloadOptions;
  readonly #running: Promise<void>[] = [];
  #stopped = false;
  #lastWrite = 0;

  constructor(cluster: SimCluster, options: WorkloadOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.forbidden = options.forbidden;
  }

  start(): void {
    const { world } = this.#cluster;
    for (let number = 0; number < this.#options.clients; number++) {
      const process = world.host(`client-${number}`).start();
      const models = Array.from({ length: this.#options.keysPerClient }, (_, key) => newModel(number, key));
      this.models.push(...models);
      this.#running.push(this.#client(process, models, world.random.split(`client ${number}`)));
    }
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #client(process: SimProcess, models: readonly KeyModel[], random: SimRandom): Promise<void> {
    const connections = new Map<string, SimClient>();
    while (!this.#stopped) {
      const node = random.pick(this.#cluster.nodes);
      const { host, port } = this.#cluster.addressOf(node);
      let connection = connections.get(host);
      if (connection === undefined || connection.closed || random.chance(0.01)) {
        connection?.close();
        connection = new SimClient(process, host, port, TIMEOUT_MS);
        connections.set(host, connection);
      }
      await this.#round(connection, models, random);
      await this.#cluster.world.sleep(random.between(0, this.#options.pauseMsMax));
    }
    for (const connection of connections.values()) connection.close();
  }

  /** Sends some commands at once and looks at the answers in order. */
  async #round(connection: SimClient, models: readonly KeyModel[], random: SimRandom): Promise<void> {
    if (random.chance(0.15)) return this.#compareAndSwap(connection, random.pick(models), random);
    const count = random.between(1, PIPELINE_MAX);
    const asked = Array.from({ length: count }, () => {
      const model = random.pick(models);
      const operation = this.#operation(model, random);
      model.ask(operation);
      return { model, operation, answer: connection.request(operation.command, operation.shape) };
    });
    for (const { model, operation, answer } of asked) this.#learn(connection, model, operation, await answer);
  }

  /** gets, then cas with the version found. */
  async #compareAndSwap(connection: SimClient, model: KeyModel, random: SimRandom): Promise<void> {
    const { key } = model;
    if (model.kind !== "value") return;
    const gets = readOperation(key, "gets");
    const found = await connection.request(gets.command, gets.shape);
    this.#learn(connection, model, gets, found);
    const version = found.kind === "items" ? found.items[0]?.version : undefined;
    const seen = found.kind === "items" ? found.items[0]?.value : undefined;
    if (version === undefined) return;
    const value = this.#value(key, random);
    const cas: Operation = {
      command: `cas ${key} 5 0 ${value.length} ${version}\r\n${value}\r\n`,
      shape: "line",
      isRead: false,
      writes: value,
      step: (state) => {
        if (state === undefined) return [{ answer: "NOT_FOUND", next: state }];
        return state === seen ? [{ answer: "STORED", next: value }] : [{ answer: "EXISTS", next: state }];
      },
    };
    model.ask(cas);
    this.#learn(connection, model, cas, await connection.request(cas.command, cas.shape));
  }

  #learn(connection: SimClient, model: KeyModel, operation: Operation, answer: Parameters<KeyModel["learn"]>[1]): void {
    const before = model.certain;
    const verdict = model.learn(operation, answer, !this.forbidden.includes("lost"));
    this.counts[verdict]++;
    if (verdict !== "wrong" && !this.forbidden.includes(verdict)) return;
    const command = shorten(operation.command);
    const known = before === undefined ? "several states" : JSON.stringify(shorten(before.state ?? MISS));
    this.#cluster.world.fail(
      `${verdict}: "${connection.target}" answered ${shorten(JSON.stringify(answer))} to ${command}; expected ${known}`,
    );
  }

  #operation({ key, kind }: KeyModel, random: SimRandom): Operation {
    if (random.chance(0.4)) return readOperation(key, "get");
    switch (kind) {
      case "number":
        return this.#numberOperation(key, random);
      case "list":
        return this.#listOperation(key, random);
      default:
        return this.#valueOperation(key, random);
    }
  }

  #valueOperation(key: string, random: SimRandom): Operation {
    const value = this.#value(key, random);
    const expire = random.chance(0.2) ? FAR_FUTURE + random.between(0, 1000) : 0;
    const data = `${random.between(0, 9)} ${expire} ${value.length}\r\n${value}\r\n`;
    const stored = { answer: "STORED", next: value };
    switch (random.between(0, 9)) {
      case 0:
        return write(
          `add ${key} ${data}`,
          (state) => (state === undefined ? stored : { answer: "NOT_STORED", next: state }),
          value,
        );
      case 1:
        return write(
          `replace ${key} ${data}`,
          (state) => (state === undefined ? { answer: "NOT_STORED", next: state } : stored),
          value,
        );
      case 2:
      case 3:
        return deleteOperation(key);
      case 4:
      case 5:
        return write(`touch ${key} ${FAR_FUTURE + random.between(0, 1000)}\r\n`, (state) =>
          state === undefined ? { answer: "NOT_FOUND", next: state } : { answer: "TOUCHED", next: state },
        );
      default:
        return write(`set ${key} ${data}`, () => stored, value);
    }
  }

  #numberOperation(key: string, random: SimRandom): Operation {
    const delta = random.between(1, 9);
    switch (random.between(0, 9)) {
      case 0:
        return deleteOperation(key);
      case 1:
      case 2:
        return write(`add ${key} 0 0 1\r\n1\r\n`, (state) =>
          state === undefined ? { answer: "STORED", next: "1" } : { answer: "NOT_STORED", next: state },
        );
      default:
        return write(`incr ${key} ${delta}\r\n`, (state) => {
          if (state === undefined) return { answer: "NOT_FOUND", next: state };
          const next = String(Number(state) + delta);
          return { answer: next, next };
        });
    }
  }

  #listOperation(key: string, random: SimRandom): Operation {
    const word = `,${this.#nextWrite()}`;
    if (random.chance(0.1))
      return write(`set ${key} 0 0 ${word.length}\r\n${word}\r\n`, () => ({ answer: "STORED", next: word }), word);
    const name = random.chance(0.5) ? "append" : "prepend";
    return write(
      `${name} ${key} 0 0 ${word.length}\r\n${word}\r\n`,
      (state) => {
        if (state === undefined) return { answer: "NOT_STORED", next: state };
        return { answer: "STORED", next: name === "append" ? state + word : word + state };
      },
      word,
    );
  }

  #value(key: string, random: SimRandom): string {
    const head = `${key}=${this.#nextWrite()}`;
    return head + "x".repeat(random.chance(0.05) ? random.between(1000, 20000) : random.between(0, 60));
  }

  #nextWrite(): number {
    return ++this.#lastWrite;
  }
}

function newModel(client: number, key: number): KeyModel {
  const kind = (["value", "value", "number", "list"] as const)[key % 4] as KeyKind;
  return new KeyModel(`c${client}-${kind}-${key}`, kind);
}

/** A read of one key. */
export function readOperation(key: string, name: "get" | "gets"): Operation {
  return {
    command: `${name} ${key}\r\n`,
    shape: "items",
    isRead: true,
    step: (state) => [{ answer: state ?? MISS, next: state }],
  };
}

function deleteOperation(key: string): Operation {
  return write(`delete ${key}\r\n`, (state) => ({ answer: state === undefined ? "NOT_FOUND" : "DELETED", next: undefined }));
}

function write(command: string, step: (state: KeyState) => Expectation, writes?: string): Operation {
  const operation = { command, shape: "line", isRead: false, step: (state: KeyState) => [step(state)] } as const;
  return writes === undefined ? operation : { ...operation, writes };
}

function shorten(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}
