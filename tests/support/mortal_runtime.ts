/**
 * A runtime whose user can be killed as a process can: at once its sockets are gone, its timers stay silent and it has no
 * further effects. For servers in the process of the test.
 */

import { FlareError } from "../../lib/base/errors.ts";
import type {
  Address,
  Clock,
  Connection,
  ConnectionHandler,
  ConnectOptions,
  Listener,
  ListenOptions,
  Runtime,
  Transport,
} from "../../lib/runtime/runtime.ts";

/** What is left of a connection whose owner is dead, or never got it. */
const NO_CONNECTION: Connection = {
  peer: ":0",
  write: () => true,
  pause: () => undefined,
  resume: () => undefined,
  close: () => undefined,
  destroy: () => undefined,
};

export class MortalRuntime implements Runtime, Transport {
  readonly name: Runtime["name"];
  readonly transport: Transport = this;
  readonly clock: Clock;
  readonly random: Runtime["random"];
  readonly files: Runtime["files"];
  readonly log: Runtime["log"];
  readonly process: Runtime["process"];
  readonly #runtime: Runtime;
  readonly #connections = new Set<Connection>();
  readonly #listeners = new Set<Listener>();
  readonly #latencyMsMax: number;
  #dead = false;

  /** @param latencyMsMax what is received arrives late by up to so much, each connection by another time */
  constructor(runtime: Runtime, latencyMsMax: number) {
    this.#runtime = runtime;
    this.#latencyMsMax = latencyMsMax;
    this.name = runtime.name;
    this.random = runtime.random;
    this.files = runtime.files;
    this.process = runtime.process;
    this.clock = {
      nowMs: () => runtime.clock.nowMs(),
      monotonicMs: () => runtime.clock.monotonicMs(),
      setTimer: (callback, delayMs, keepsProcess) => runtime.clock.setTimer(() => this.#live(callback), delayMs, keepsProcess),
      clearTimer: (timer) => runtime.clock.clearTimer(timer),
      defer: (callback) => runtime.clock.defer(() => this.#live(callback)),
    };
    this.log = {
      write: (level, message) => this.#live(() => runtime.log.write(level, message)),
    };
  }

  /** Ends the life; resolves when the addresses are free again. */
  async kill(): Promise<void> {
    this.#dead = true;
    for (const connection of this.#connections) connection.destroy();
    this.#connections.clear();
    for (const listener of this.#listeners) await listener.close();
  }

  async listen(
    address: Address,
    accept: (connection: Connection) => ConnectionHandler,
    options?: ListenOptions,
  ): Promise<Listener> {
    const listener = await this.#runtime.transport.listen(
      address,
      (connection) => {
        this.#connections.add(connection);
        return this.#mortal(connection, accept(connection));
      },
      options,
    );
    this.#listeners.add(listener);
    return {
      address: listener.address,
      renew: (tls) => listener.renew(tls),
      close: () => {
        this.#listeners.delete(listener);
        return listener.close();
      },
    };
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler, options?: ConnectOptions): Connection {
    if (this.#dead) throw new FlareError("CLOSED", "the process is dead");
    let connection = NO_CONNECTION;
    const mortal = this.#mortal(undefined, handler, () => this.#connections.delete(connection));
    connection = this.#runtime.transport.connect(address, timeoutMs, mortal, options);
    this.#connections.add(connection);
    return connection;
  }

  #mortal(accepted: Connection | undefined, handler: ConnectionHandler, forget?: () => void): ConnectionHandler {
    const latencyMs = Math.random() * this.#latencyMsMax;
    let closed = false;
    const later = (work: () => void): void => {
      const live = (): void => {
        if (!closed) this.#live(work);
      };
      setTimeout(live, latencyMs);
    };
    return {
      onOpen: () => this.#live(() => handler.onOpen()),
      onData: (chunk) => {
        const bytes = chunk.slice();
        later(() => handler.onData(bytes));
      },
      onDrain: () => this.#live(() => handler.onDrain()),
      onEnd: () => later(() => handler.onEnd()),
      onClose: (error) => {
        if (accepted !== undefined) this.#connections.delete(accepted);
        forget?.();
        later(() => {
          closed = true;
          handler.onClose(error);
        });
      },
    };
  }

  #live(work: () => void): void {
    if (!this.#dead) work();
  }
}
