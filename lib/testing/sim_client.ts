/**
 * A client of a world, simulated or real: one connection that speaks the text protocol, pipelines, and checks answers strictly.
 * An unexpected reply, or one of the wrong form, fails the run.
 */

import { fromLatin1, latin1 } from "../base/bytes.ts";
import type { Clock, Connection, ConnectionHandler, Timer, Transport } from "../runtime/runtime.ts";

/** What a client needs of the process it lives in. */
export interface ClientProcess {
  readonly host: { readonly name: string; readonly world: { fail(message: string): void } };
  readonly transport: Transport;
  readonly clock: Pick<Clock, "setTimer" | "clearTimer">;
}

/** An item as `gets` (or, without version, `get`) shows it. */
export interface ClientItem {
  readonly key: string;
  readonly flags: number;
  readonly value: string;
  readonly version: string | undefined;
}

/**
 * The answer to a request. `error`: the connection failed, or the server says so; it may have been carried out all the
 * same, unless it is `unsent`.
 */
export type ClientAnswer =
  | { readonly kind: "line"; readonly line: string }
  | { readonly kind: "items"; readonly items: readonly ClientItem[] }
  | { readonly kind: "lines"; readonly lines: readonly string[] }
  | { readonly kind: "error"; readonly error: string; readonly unsent: boolean };

type Shape = "line" | "items" | "lines";

interface Waiting {
  readonly command: string;
  readonly shape: Shape;
  readonly resolve: (answer: ClientAnswer) => void;
  readonly timer: Timer;
}

const CONNECT_TIMEOUT_MS = 3000;
const LINE = /^(STORED|NOT_STORED|EXISTS|NOT_FOUND|DELETED( \d+)?|TOUCHED|OK|\d{1,20})$/;
const ERROR = /^(SERVER_ERROR .+|CLIENT_ERROR .+|ERROR.*)$/;
const VALUE = /^VALUE (\S+) (\d+) (\d+)(?: (\d+))?$/;

export class SimClient implements ConnectionHandler {
  /** `host:port` of the node it talks to. */
  readonly target: string;
  readonly #process: ClientProcess;
  readonly #timeoutMs: number;
  readonly #connection: Connection;
  readonly #waiting: Waiting[] = [];
  #text = "";
  #unsent: string | undefined = "";
  #opened = false;
  #closed = false;

  constructor(process: ClientProcess, host: string, port: number, timeoutMs: number) {
    this.target = `${host}:${port}`;
    this.#process = process;
    this.#timeoutMs = timeoutMs;
    this.#connection = process.transport.connect({ host, port }, CONNECT_TIMEOUT_MS, this);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends a command, complete with its data and line ends. */
  request(command: string, shape: Shape): Promise<ClientAnswer> {
    if (this.#closed) return Promise.resolve({ kind: "error", error: "not connected", unsent: true });
    return new Promise((resolve) => {
      const timer = this.#process.clock.setTimer(() => this.#end("timeout"), this.#timeoutMs);
      this.#waiting.push({ command, shape, resolve, timer });
      this.#send(command);
    });
  }

  close(): void {
    this.#end("closed");
  }

  onOpen(): void {
    this.#opened = true;
    this.#flush();
  }

  onData(chunk: Uint8Array): void {
    this.#text += latin1(chunk);
    while (this.#text !== "" && !this.#closed) {
      const waiting = this.#waiting[0];
      if (waiting === undefined) return this.#broken(`unasked for: ${JSON.stringify(this.#text)}`);
      const answer = this.#parse(waiting.shape);
      if (answer === undefined) return;
      this.#waiting.shift();
      this.#process.clock.clearTimer(waiting.timer);
      waiting.resolve(answer);
    }
  }

  onDrain(): void {
    this.#flush();
  }

  onEnd(): void {
    this.#end("closed by the server");
  }

  onClose(error?: Error): void {
    this.#end(error?.message ?? "closed");
  }

  #send(text: string): void {
    if (this.#unsent !== undefined) this.#unsent += text;
    else if (!this.#connection.write(fromLatin1(text))) this.#unsent = "";
  }

  #flush(): void {
    const text = this.#unsent ?? "";
    this.#unsent = undefined;
    if (text !== "") this.#send(text);
  }

  #end(error: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.destroy();
    for (const waiting of this.#waiting.splice(0)) {
      this.#process.clock.clearTimer(waiting.timer);
      waiting.resolve({ kind: "error", error, unsent: !this.#opened });
    }
  }

  #broken(what: string): void {
    this.#process.host.world.fail(`"${this.target}" answered "${this.#waiting[0]?.command.trimEnd() ?? ""}" ${what}`);
    this.#end("broken");
  }

  /** The answer at the beginning of the text, undefined while it is incomplete. */
  #parse(shape: Shape): ClientAnswer | undefined {
    const items: ClientItem[] = [];
    const lines: string[] = [];
    let at = 0;
    for (;;) {
      const end = this.#text.indexOf("\r\n", at);
      if (end < 0) return undefined;
      const line = this.#text.slice(at, end);
      at = end + 2;
      const answer = (value: ClientAnswer): ClientAnswer => {
        this.#text = this.#text.slice(at);
        return value;
      };
      if (ERROR.test(line)) return answer({ kind: "error", error: line, unsent: false });
      if (shape === "line") {
        if (!LINE.test(line)) this.#broken(`with "${line}"`);
        return answer({ kind: "line", line });
      }
      if (line === "END") return answer(shape === "items" ? { kind: "items", items } : { kind: "lines", lines });
      if (shape === "lines") {
        if (line === "OK") return answer({ kind: "line", line });
        lines.push(line);
        continue;
      }
      const [, key, flags, length, version] = VALUE.exec(line) ?? [];
      if (key === undefined) {
        this.#broken(`with "${line}"`);
        return undefined;
      }
      const valueEnd = at + Number(length);
      if (this.#text.length < valueEnd + 2) return undefined;
      if (this.#text.slice(valueEnd, valueEnd + 2) !== "\r\n") {
        this.#broken("with a value that has no end");
        return undefined;
      }
      items.push({ key, flags: Number(flags), value: this.#text.slice(at, valueEnd), version });
      at = valueEnd + 2;
    }
  }
}
