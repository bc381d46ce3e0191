/**
 * Probes whether a server is alive: a question on a separate connection, so that it is not queued behind other requests. A
 * server that is busy with a request answers it; one whose machine or network is gone does not.
 */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import type { Connection, ConnectionHandler, Runtime, Timer } from "../../runtime/runtime.ts";
import type { TlsLink } from "../tls/tls_link.ts";

/** What every server answers, a C++ one too. */
export const PING = fromLatin1("ping\r\n");

/**
 * Whether a server answers a `ping` within `timeoutMs`; an error, or the refusal of the connection at its limit, is an answer,
 * too.
 */
export async function isThere(
  runtime: Runtime,
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
  tls: TlsLink | undefined,
): Promise<boolean> {
  return (await firstLine(runtime, address, PING, timeoutMs, tls)) !== undefined;
}

/** The first line a server answers to `question` within `timeoutMs`, without its end; undefined = none. */
export function firstLine(
  runtime: Runtime,
  address: { readonly host: string; readonly port: number },
  question: Uint8Array,
  timeoutMs: number,
  tls: TlsLink | undefined,
): Promise<string | undefined> {
  return new Promise((resolve) => new Question(runtime, address, question, timeoutMs, tls, resolve));
}

class Question implements ConnectionHandler {
  readonly #runtime: Runtime;
  readonly #connection: Connection;
  readonly #timer: Timer;
  readonly #question: Uint8Array;
  readonly #resolve: (line: string | undefined) => void;
  #text = "";

  constructor(
    runtime: Runtime,
    address: { readonly host: string; readonly port: number },
    question: Uint8Array,
    timeoutMs: number,
    tls: TlsLink | undefined,
    resolve: (line: string | undefined) => void,
  ) {
    this.#runtime = runtime;
    this.#question = question;
    this.#resolve = resolve;
    this.#timer = runtime.clock.setTimer(() => this.#settle(undefined), timeoutMs);
    this.#connection = runtime.transport.connect(address, timeoutMs, this, { tls: tls?.client });
  }

  onOpen(): void {
    this.#connection.write(this.#question);
  }

  onData(chunk: Uint8Array): void {
    this.#text += latin1(chunk);
    const end = this.#text.indexOf("\r\n");
    if (end >= 0) this.#settle(this.#text.slice(0, end));
  }

  onDrain(): void {}

  onEnd(): void {
    this.#settle(undefined);
  }

  onClose(): void {
    this.#settle(undefined);
  }

  #settle(line: string | undefined): void {
    this.#runtime.clock.clearTimer(this.#timer);
    this.#connection.destroy();
    this.#resolve(line);
  }
}
