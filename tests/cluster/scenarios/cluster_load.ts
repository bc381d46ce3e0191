/**
 * A steady load on a cluster that knows the right answer to every request. Each worker has keys of its own, makes one
 * request at a time through a random node, and compares the answer with what it must be.
 *
 * A connection that a server ends in order tells that what it left unanswered was not executed: such a request is made
 * again through another node, and counted. While trouble is expected (a node was killed) errors are counted, too; what
 * became of a write that got one is found out when the trouble is over.
 */

import type { Runtime } from "../../../lib/runtime/runtime.ts";
import { TextClient } from "../../support/text_client.ts";
import type { HostPort } from "./cluster_driver.ts";
import { type Held, nextOperation, type Operation, retrieve } from "./key_model.ts";
import { keyOf } from "./operator.ts";

const STRINGS_PER_WORKER = 12;
const COUNTERS_PER_WORKER = 3;
/** Between two requests of a worker. */
const PAUSE_MS = 18;
const ATTEMPTS_MAX = 50;
const RECONNECT_PAUSE_MS = 20;
const FAILURES_KEPT = 20;

/** What came of a request. */
type Outcome = { readonly answer: string } | { readonly lost: string; readonly sent: boolean };

export class ClusterLoad {
  /** Requests answered rightly. */
  answered = 0;
  /** Requests made again because a server ended its connection in order. */
  repeated = 0;
  /** Errors, and reads of nothing, while trouble was expected. */
  tolerated = 0;
  /** What should not have happened, the first ones. */
  readonly failures: string[] = [];
  /** What each key holds. */
  readonly expected = new Map<string, Held>();
  readonly #runtime: Runtime;
  readonly #nodes: () => readonly HostPort[];
  readonly #workerCount: number;
  /** Keys with a write of unknown outcome, and what it would have left. */
  readonly #inDoubt = new Map<string, Held[]>();
  readonly #versions = new Map<string, string>();
  readonly #workers: Promise<void>[] = [];
  #troubled = false;
  #paused = false;
  #stopped = false;
  #unique = 0;
  #working = 0;
  #wake: (() => void)[] = [];

  /** @param workers each makes one request at a time; @param nodes those that clients may use now */
  constructor(runtime: Runtime, workers: number, nodes: () => readonly HostPort[]) {
    this.#workerCount = workers;
    this.#runtime = runtime;
    this.#nodes = nodes;
  }

  start(): void {
    for (let worker = 0; worker < this.#workerCount; worker++) this.#workers.push(this.#work(worker));
  }

  /** Lets the load run for a while. */
  async run(forMs: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, forMs));
  }

  /** Resolves when no request is under way. */
  async pause(): Promise<void> {
    this.#paused = true;
    while (this.#working > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  resume(): void {
    this.#paused = false;
    for (const wake of this.#wake.splice(0)) wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.resume();
    await Promise.all(this.#workers);
  }

  /** From now on requests may fail. */
  expectTrouble(): void {
    this.#troubled = true;
  }

  /** From now on no request may fail; looks what became of the writes in doubt. */
  async endTrouble(): Promise<void> {
    await this.pause();
    this.#troubled = false;
    const clients = new Clients(this.#runtime);
    for (const [key, outcomes] of this.#inDoubt) {
      const [node] = this.#nodes();
      const outcome = await clients.ask(node as HostPort, `get ${key}\r\n`, /END\r\n$/);
      const answer = "answer" in outcome ? outcome.answer : outcome.lost;
      const found = outcomes.findIndex((held) => retrieve("get", key, held).answer === answer);
      if (found < 0) this.#fail(`"${key}" holds neither what it held nor what was written: ${shorten(answer)}`);
      else this.expected.set(key, outcomes[found]);
    }
    clients.close();
    this.#inDoubt.clear();
    this.resume();
  }

  async #work(worker: number): Promise<void> {
    const keys = Array.from({ length: STRINGS_PER_WORKER }, (_, number) => `string-${worker}-${number}`);
    for (let number = 0; number < COUNTERS_PER_WORKER; number++) keys.push(`counter-${worker}-${number}`);
    for (const key of keys) this.expected.set(key, undefined);
    const clients = new Clients(this.#runtime);
    while (!this.#stopped) {
      if (this.#paused) {
        await new Promise<void>((resolve) => this.#wake.push(resolve));
        continue;
      }
      const key = keys[Math.floor(Math.random() * keys.length)] as string;
      this.#working++;
      if (!this.#inDoubt.has(key))
        await this.#make(nextOperation(key, this.expected.get(key), ++this.#unique, this.#versions.get(key)), clients);
      this.#working--;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    clients.close();
  }

  /** Makes one request, again if it was not executed, and judges its answer. */
  async #make(operation: Operation, clients: Clients): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const nodes = this.#nodes();
      const node = nodes[Math.floor(Math.random() * nodes.length)] as HostPort;
      const outcome = await clients.ask(node, operation.request, operation.last);
      if ("answer" in outcome) return this.#judge(operation, outcome.answer, node);
      if (outcome.sent) {
        if (outcome.lost === "no answer") return this.#missing(operation, `${keyOf(node)} did not answer`);
        if (this.#troubled && operation.writes) return this.#missing(operation, `connection to ${keyOf(node)} was lost`);
        this.repeated++;
      } else {
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_PAUSE_MS));
      }
    }
    this.#missing(operation, "no node could be reached");
  }

  #judge(operation: Operation, answer: string, node: HostPort): void {
    const { key, after, writes } = operation;
    const right = typeof operation.answer === "string" ? answer === operation.answer : operation.answer.test(answer);
    if (right) {
      this.answered++;
      this.expected.set(key, after);
      const version = writes ? undefined : /^VALUE \S+ \d+ \d+ (\d+)\r/.exec(answer)?.[1];
      if (version !== undefined) this.#versions.set(key, version);
      else if (writes) this.#versions.delete(key);
    } else if (this.#troubled && (/^SERVER_ERROR /.test(answer) || (!writes && answer === "END\r\n"))) {
      this.#missing(operation, answer);
    } else {
      this.#fail(
        `${shorten(operation.request)} through ${keyOf(node)}: ` +
          `${shorten(answer)} instead of ${shorten(String(operation.answer))}`,
      );
      this.#doubt(operation);
    }
  }

  /** There was no answer, or an error. */
  #missing(operation: Operation, reason: string): void {
    if (this.#troubled) this.tolerated++;
    else this.#fail(`${shorten(operation.request)}: ${reason}`);
    this.#doubt(operation);
  }

  #doubt({ key, writes, after }: Operation): void {
    if (!writes) return;
    this.#inDoubt.set(key, [this.expected.get(key), after]);
    this.#versions.delete(key);
  }

  #fail(text: string): void {
    if (this.failures.length < FAILURES_KEPT) this.failures.push(`${Math.round(performance.now())} ${text}`);
  }
}

/** The connections of one worker, at most one to each node. */
class Clients {
  readonly #runtime: Runtime;
  readonly #open = new Map<string, TextClient>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  async ask(node: HostPort, request: string, last: RegExp): Promise<Outcome> {
    const key = keyOf(node);
    let client = this.#open.get(key);
    if (client === undefined || client.closed) {
      try {
        client = await TextClient.connect(this.#runtime, node);
      } catch (error) {
        return { lost: (error as Error).message, sent: false };
      }
      this.#open.set(key, client);
    }
    const answer = await client.ask(request, last);
    if (last.test(answer) || /^(SERVER_|CLIENT_)?ERROR.*\r\n$/.test(answer)) return { answer };
    const lost = client.closed ? "closed" : "no answer";
    client.close();
    this.#open.delete(key);
    return { lost, sent: true };
  }

  close(): void {
    for (const client of this.#open.values()) client.close();
    this.#open.clear();
  }
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
