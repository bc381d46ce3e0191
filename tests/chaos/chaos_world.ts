/**
 * What the load, the operator and the faults of a chaos run have in common: real time, the random numbers of the seed, notes of
 * what happened, and clients that reach every server by its UNIX socket, whatever is wrong with the network.
 */

import type { Runtime, Transport } from "../../lib/runtime/runtime.ts";
import type { ClientProcess } from "../../lib/testing/sim_client.ts";
import { SimRandom } from "../../lib/testing/sim_random.ts";
import { clientRuntime } from "../support/daemon.ts";

export class ChaosWorld {
  readonly random: SimRandom;
  /** Microseconds since the beginning. */
  readonly clock: { readonly nowUs: number };
  /** A runtime for clients. */
  readonly runtime: Runtime;
  /** What happened, each line with its time. */
  readonly notes: string[] = [];
  /** What should not have happened. */
  readonly failures: string[] = [];
  readonly #onNote: (line: string) => void;

  /** @param socketOf the UNIX socket of the server at an address */
  constructor(seed: string, socketOf: (host: string) => string, onNote: (line: string) => void) {
    this.random = new SimRandom(seed);
    this.#onNote = onNote;
    const startMs = performance.now();
    this.clock = {
      get nowUs() {
        return Math.round((performance.now() - startMs) * 1000);
      },
    };
    this.runtime = throughSockets(clientRuntime(), socketOf);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, delayMs));
  }

  note(what: string): void {
    const line = `${(this.clock.nowUs / 1e6).toFixed(3)} s: ${what}`;
    this.notes.push(line);
    this.#onNote(line);
  }

  fail(what: string): void {
    this.note(`FAILED ${what}`);
    this.failures.push(what);
  }

  /** Where a client lives. */
  host(name: string): { start(): ClientProcess } {
    const { transport, clock } = this.runtime;
    return { start: () => ({ host: { name, world: this }, transport, clock }) };
  }
}

/** The runtime with another transport: it connects to UNIX sockets in the place of hosts. */
function throughSockets({ transport, ...others }: Runtime, socketOf: (host: string) => string): Runtime {
  const changed: Transport = {
    listen: (address, accept, options) => transport.listen(address, accept, options),
    connect: (address, timeoutMs, handler, options) =>
      transport.connect("host" in address ? { path: socketOf(address.host) } : address, timeoutMs, handler, options),
  };
  return { ...others, transport: changed };
}
