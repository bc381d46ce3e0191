/**
 * A relay in front of a server: it passes connections on, and can be slow, lose an answer together with its connection, or cut
 * everything off.
 */

import { createServer, connect as dial, type Server, type Socket } from "node:net";
import type { HostPort } from "../../lib/base/host_port.ts";
import { freePorts } from "./free_ports.ts";

export class TcpRelay {
  readonly address: HostPort;
  /** How long answers are on their way. */
  delayMs = 0;
  /** Text in a request whose answer gets lost with its connection, once. */
  swallowsAnswerTo: string | undefined;
  swallowed = 0;
  /** Nothing gets through: connections are ended, and new ones, too. */
  #isCut = false;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(target: HostPort, port: number) {
    this.address = { host: "127.0.0.1", port };
    this.#server = createServer((near) => this.#accept(near, target));
  }

  static async start(target: HostPort): Promise<TcpRelay> {
    const relay = new TcpRelay(target, await freePorts(1));
    await new Promise<void>((resolve) => relay.#server.listen(relay.address.port, relay.address.host, resolve));
    return relay;
  }

  cut(isCut: boolean): void {
    this.#isCut = isCut;
    if (isCut) for (const socket of this.#open) socket.destroy();
  }

  close(): void {
    this.cut(true);
    this.#server.close();
  }

  #accept(near: Socket, target: HostPort): void {
    if (this.#isCut) return void near.destroy();
    const far = dial(target.port, target.host);
    let swallows = false;
    this.#open.add(near);
    near.on("data", (bytes) => {
      if (this.swallowsAnswerTo !== undefined && bytes.toString("latin1").includes(this.swallowsAnswerTo)) {
        this.swallowsAnswerTo = undefined;
        swallows = true;
      }
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (swallows) {
        this.swallowed++;
        near.destroy();
      } else if (this.delayMs === 0) near.write(bytes);
      else setTimeout(() => near.write(bytes), this.delayMs);
    });
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    near.on("close", () => {
      this.#open.delete(near);
      far.destroy();
    });
    far.on("close", () => setTimeout(() => near.end(), this.delayMs));
  }
}
