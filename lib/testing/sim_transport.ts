/**
 * What a simulated process sees of the network. TCP only: nothing in a simulation lives on one machine, and nobody listens
 * in, so connections with TLS are plain.
 */

import { FlareError } from "../base/errors.ts";
import type { Address, Connection, ConnectionHandler, Listener, Transport } from "../runtime/runtime.ts";
import type { SimProcess } from "./sim_process.ts";

export class SimTransport implements Transport {
  readonly #process: SimProcess;

  constructor(process: SimProcess) {
    this.#process = process;
  }

  async listen(address: Address, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    const process = this.#process;
    const { network } = process.host.world;
    if (!("port" in address)) throw new FlareError("UNSUPPORTED", `no UNIX sockets here: "${address.path}"`);
    const names = ["0.0.0.0", "127.0.0.1", "localhost", process.host.name];
    if (!names.includes(address.host)) throw new FlareError("IO_ERROR", `cannot listen on "${address.host}": EADDRNOTAVAIL`);
    const port = network.listen(process, address.port, accept);
    return {
      address: { host: address.host, port },
      renew: () => undefined,
      close: async () => network.unlisten(process, port),
    };
  }

  connect(address: Address, timeoutMs: number, handler: ConnectionHandler): Connection {
    if (!("port" in address)) throw new FlareError("UNSUPPORTED", `no UNIX sockets here: "${address.path}"`);
    return this.#process.host.world.network.connect(this.#process, address.host, address.port, timeoutMs, handler);
  }
}
