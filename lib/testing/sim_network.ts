/**
 * The network between simulated hosts: who listens where, who can reach whom (in each direction on its own), how long it
 * takes, and the ways it goes wrong. All times and chances come from the world. Its connections are `sim_connection.ts`.
 */

import { latin1 } from "../base/bytes.ts";
import { FlareError } from "../base/errors.ts";
import type { Connection, ConnectionHandler } from "../runtime/runtime.ts";
import { READ_BUFFER_BYTES } from "../runtime/sockets/socket_limits.ts";
import { SimConnection } from "./sim_connection.ts";
import type { SimHost } from "./sim_host.ts";
import type { SimProcess } from "./sim_process.ts";
import type { SimRandom } from "./sim_random.ts";
import type { SimWorld } from "./sim_world.ts";

/** What listens on a port of a host. */
export interface SimListener {
  readonly process: SimProcess;
  readonly accept: (connection: Connection) => ConnectionHandler;
}

const LATENCY_US_MIN = 50;
const LATENCY_US_MAX = 600;
const LOCAL_LATENCY_US = 20;
/** Of a chunk, for whoever reads the trace. */
const SHOWN_BYTES_MAX = 400;
/** When an unanswered SYN is sent again, from the first one on. */
const SYN_TIMES_MS = [0, 1000, 3000, 7000, 15000, 31000];
/** When what got lost is sent again: after this time, then twice it, and so on up to the last. */
const RETRANSMIT_FIRST_US = 200_000;
const RETRANSMIT_LAST_US = 12_800_000;
/** After a cut has healed, what was held up comes within this time. */
const RETRANSMIT_US_MAX = 400_000;

export class SimNetwork {
  readonly connections = new Set<SimConnection>();
  readonly random: SimRandom;
  /** For whichever connection is being read: nobody may keep what is in it. */
  readonly readBuffer = new Uint8Array(READ_BUFFER_BYTES);
  /** May damage what is written to a connection; for runs that are to find just that. */
  tamper: ((bytes: Uint8Array, from: SimHost, to: SimHost) => void) | undefined;
  /** Names whose lookup gets no answer for this many milliseconds. */
  readonly slowNames = new Map<string, number>();
  /** How likely it is that written bytes arrive in two pieces; 0 … 1. */
  cutProbability = 0.2;
  readonly #world: SimWorld;
  readonly #listeners = new Map<string, SimListener>();
  /** `from>to` that carries nothing. */
  readonly #cut = new Set<string>();
  /** `from>to` and how much longer it takes. */
  readonly #clogged = new Map<string, number>();
  /** `from>to` and how likely a packet is to get lost. */
  readonly #lossy = new Map<string, number>();
  /** Pairs of hosts and how many bytes a connection between them may carry. */
  readonly #limited = new Map<string, number>();
  readonly #heldUp = new Set<SimConnection>();

  constructor(world: SimWorld) {
    this.#world = world;
    this.random = world.random.split("network");
  }

  get nowUs(): number {
    return this.#world.clock.nowUs;
  }

  // ------------------------------------------------------------------------------------------------- what goes wrong

  /** Nothing gets from one host to another any more; the other direction is another matter. */
  cut(from: SimHost, to: SimHost): void {
    this.#cut.add(`${from.name}>${to.name}`);
  }

  /** Ends a cut. */
  mend(from: SimHost, to: SimHost): void {
    if (this.#cut.delete(`${from.name}>${to.name}`)) this.retryHeldUp();
  }

  /** Everything from one host to another takes `delayUs` longer. */
  clog(from: SimHost, to: SimHost, delayUs: number): void {
    this.#clogged.set(`${from.name}>${to.name}`, delayUs);
  }

  /** A part of the packets from one host to another gets lost, 0 … 1: what they carry stalls until it was sent again. */
  lose(from: SimHost, to: SimHost, probability: number): void {
    this.#lossy.set(`${from.name}>${to.name}`, probability);
  }

  /** Breaks all connections between two hosts. */
  resetAll(left: SimHost, right: SimHost): void {
    for (const connection of this.#between(left, right)) connection.reset();
  }

  /** Every connection between two hosts, open ones too, breaks after at most this many bytes more; undefined: no longer. */
  limit(left: SimHost, right: SimHost, bytesMax: number | undefined): void {
    const pair = pairOf(left, right);
    if (bytesMax === undefined) this.#limited.delete(pair);
    else this.#limited.set(pair, bytesMax);
    for (const connection of this.#between(left, right)) connection.limit(this.#limitOf(left, right));
  }

  /** All links are as they should be. */
  heal(): void {
    this.#cut.clear();
    this.#clogged.clear();
    this.#lossy.clear();
    for (const connection of this.connections) connection.limit(Number.POSITIVE_INFINITY);
    this.#limited.clear();
    this.retryHeldUp();
  }

  /** Links that carry again, hosts that are there again. */
  retryHeldUp(): void {
    for (const connection of [...this.#heldUp]) {
      this.#heldUp.delete(connection);
      this.later(this.random.between(0, RETRANSMIT_US_MAX), () => connection.retry());
    }
  }

  // --------------------------------------------------------------------------------------------- listen and connect

  /** @throws FlareError ADDRESS_IN_USE */
  listen(process: SimProcess, port: number, accept: SimListener["accept"]): number {
    const { host } = process;
    let chosen = port;
    while (chosen === 0 || (port === 0 && this.#listeners.has(`${host.name}:${chosen}`))) chosen = host.nextPort();
    const key = `${host.name}:${chosen}`;
    if (this.#listeners.has(key)) throw new FlareError("ADDRESS_IN_USE", `"${key}" is already in use`);
    const listener = { process, accept };
    this.#listeners.set(key, listener);
    process.onEnd(() => this.unlisten(process, chosen));
    return chosen;
  }

  unlisten(process: SimProcess, port: number): void {
    const key = `${process.host.name}:${port}`;
    if (this.#listeners.get(key)?.process === process) this.#listeners.delete(key);
  }

  /** Where a name is: hosts are found by their names. */
  async lookUp(process: SimProcess, name: string): Promise<readonly string[]> {
    await process.waitUs((this.slowNames.get(name) ?? 0) * 1000 + LOCAL_LATENCY_US);
    return [name];
  }

  connect(process: SimProcess, hostName: string, port: number, timeoutMs: number, handler: ConnectionHandler): SimConnection {
    const name = hostName === "localhost" || hostName === "127.0.0.1" ? process.host.name : hostName;
    const text = `${hostName}:${port}`;
    const connection = new SimConnection(this, process, text, handler);
    if (process.lacksDescriptors) {
      const error = new FlareError("CONNECTION_FAILED", `cannot connect to "${text}": EMFILE`, { retriable: true });
      this.later(0, () => connection.fail(error));
      return connection;
    }
    const target = this.#world.hosts.get(name);
    if (target === undefined) {
      const error = new FlareError("CONNECTION_FAILED", `cannot connect to "${text}": ENOTFOUND`, { retriable: true });
      this.later(LATENCY_US_MIN, () => connection.fail(error));
      return connection;
    }
    for (const atMs of SYN_TIMES_MS) {
      if (atMs < timeoutMs) this.later(atMs * 1000, () => this.#knock(connection, target, port));
    }
    this.later(timeoutMs * 1000, () => {
      if (connection.open || connection.gone) return;
      const what = `cannot connect to "${text}": no answer in ${timeoutMs} ms`;
      connection.fail(new FlareError("TIMED_OUT", what, { retriable: true }));
    });
    return connection;
  }

  /** One SYN: there after a while, if it gets there. */
  #knock(client: SimConnection, target: SimHost, port: number): void {
    if (client.gone || client.open || client.knocked) return;
    const from = client.process;
    const delayUs = this.#delayUs(from.host, target);
    if (!this.reaches(from.host, target) || !this.reaches(target, from.host)) return;
    if (this.random.chance(this.#lossy.get(`${from.host.name}>${target.name}`) ?? 0)) return;
    client.knocked = true;
    this.later(delayUs, () => {
      const listener = target.up ? this.#listeners.get(`${target.name}:${port}`) : undefined;
      if (client.gone) return;
      if (listener === undefined) {
        const what = `cannot connect to "${client.peer}": ECONNREFUSED`;
        const error = new FlareError("CONNECTION_FAILED", what, { retriable: true });
        return this.later(this.#delayUs(target, from.host), () => client.fail(error));
      }
      const answerUs = this.#delayUs(target, from.host);
      this.later(answerUs, () => from.run(() => client.opened()));
      if (listener.process.lacksDescriptors) {
        // The system accepts and closes.
        return this.later(answerUs + this.#delayUs(target, from.host), () => client.reset());
      }
      const server = new SimConnection(this, listener.process, `${from.host.name}:${from.host.nextPort()}`, undefined);
      client.tie(server);
      server.tie(client);
      const bytesMax = this.#limitOf(from.host, target);
      client.limit(bytesMax);
      server.limit(bytesMax);
      // The system opens the connection even while the program sleeps.
      listener.process.run(() => {
        if (!server.gone) server.opened(listener.accept(server));
      });
    });
  }

  // ----------------------------------------------------------------------------------------------- for connections

  later(delayUs: number, callback: () => void): void {
    this.#world.clock.schedule(callback, delayUs);
  }

  latencyUs(from: SimProcess, to: SimProcess): number {
    return this.#delayUs(from.host, to.host);
  }

  /** How long what is sent now stalls because its packets get lost. */
  stallUs(from: SimProcess, to: SimProcess): number {
    const probability = this.#lossy.get(`${from.host.name}>${to.host.name}`);
    if (probability === undefined) return 0;
    let stallUs = 0;
    for (let waitUs = RETRANSMIT_FIRST_US; this.random.chance(probability) && waitUs <= RETRANSMIT_LAST_US; waitUs *= 2) {
      stallUs += waitUs;
    }
    return stallUs;
  }

  /** Whether a packet gets there now. */
  carries(from: SimProcess, to: SimProcess): boolean {
    return this.reaches(from.host, to.host);
  }

  /** To be tried again when anything has got better. */
  holdUp(connection: SimConnection): void {
    this.#heldUp.add(connection);
  }

  /** A program broke the contract. */
  broken(what: string): void {
    this.#world.fail(what);
  }

  delivered(connection: SimConnection, chunk: Uint8Array): void {
    this.#world.trace.addBytes(chunk);
    this.note(connection, `${chunk.length} bytes`);
    this.#world.trace.onLine?.(`  ${JSON.stringify(latin1(chunk).slice(0, SHOWN_BYTES_MAX))}`);
  }

  note(connection: SimConnection, what: string): void {
    this.#world.note(`${connection.process.host.name} < ${connection.peer} ${what}`);
  }

  #between(left: SimHost, right: SimHost): SimConnection[] {
    return [...this.connections].filter(({ process, remote }) => {
      return remote !== undefined && pairOf(process.host, remote.host) === pairOf(left, right);
    });
  }

  #limitOf(left: SimHost, right: SimHost): number {
    const bytesMax = this.#limited.get(pairOf(left, right));
    return bytesMax === undefined ? Number.POSITIVE_INFINITY : this.random.between(0, bytesMax);
  }

  /** Whether what `from` sends gets to `to` now. */
  reaches(from: SimHost, to: SimHost): boolean {
    return from.up && to.up && !this.#cut.has(`${from.name}>${to.name}`);
  }

  #delayUs(from: SimHost, to: SimHost): number {
    if (from === to) return LOCAL_LATENCY_US;
    return this.random.between(LATENCY_US_MIN, LATENCY_US_MAX) + (this.#clogged.get(`${from.name}>${to.name}`) ?? 0);
  }
}

function pairOf(left: SimHost, right: SimHost): string {
  return [left.name, right.name].sort().join();
}
