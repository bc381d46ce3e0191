/**
 * Probes whether a server is alive: a `ping` on a separate connection, so that it is not queued behind other requests. A server
 * that is busy with a request answers it; one whose machine or network is gone does not.
 */

import { fromLatin1 } from "../../base/bytes.ts";
import type { Connection, ConnectionHandler, Runtime, Timer } from "../../runtime/runtime.ts";
import type { TlsLink } from "../tls/tls_link.ts";

/** What every server answers, a C++ one too. */
export const PING = fromLatin1("ping\r\n");

/**
 * Whether a server sends anything within `timeoutMs`; an error, or the refusal of the connection at its limit, is an answer,
 * too.
 */
export function isThere(
  runtime: Runtime,
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
  tls: TlsLink | undefined,
): Promise<boolean> {
  return new Promise((resolve) => new Question(runtime, address, timeoutMs, tls, resolve));
}

class Question implements ConnectionHandler {
  readonly #runtime: Runtime;
  readonly #connection: Connection;
  readonly #timer: Timer;
  readonly #resolve: (isThere: boolean) => void;

  constructor(
    runtime: Runtime,
    address: { readonly host: string; readonly port: number },
    timeoutMs: number,
    tls: TlsLink | undefined,
    resolve: (isThere: boolean) => void,
  ) {
    this.#runtime = runtime;
    this.#resolve = resolve;
    this.#timer = runtime.clock.setTimer(() => this.#settle(false), timeoutMs);
    this.#connection = runtime.transport.connect(address, timeoutMs, this, { tls: tls?.client });
  }

  onOpen(): void {
    this.#connection.write(PING);
  }

  onData(): void {
    this.#settle(true);
  }

  onDrain(): void {}

  onEnd(): void {
    this.#settle(false);
  }

  onClose(): void {
    this.#settle(false);
  }

  #settle(isThere: boolean): void {
    this.#runtime.clock.clearTimer(this.#timer);
    this.#connection.destroy();
    this.#resolve(isThere);
  }
}
