/**
 * Every operation that the clients of a run have asked for: when, of whom, on which key, and the answer with its time. Keeps
 * them by key and can print them; judges nothing.
 */

import { answerText, encodeCommand, type ItemCommand, type ItemOperation } from "./item_model.ts";
import type { ClientAnswer } from "./sim_client.ts";

const SHOWN_MAX = 100;

/** One operation of a client on one key. */
export class ClientOperation implements ItemOperation {
  readonly client: string;
  /** The node that was asked, `host:port`. */
  readonly node: string;
  readonly key: string;
  readonly command: ItemCommand;
  readonly callUs: number;
  /** The operation on the same key that was sent before on the same connection and had no answer at that time. */
  readonly after: ClientOperation | undefined;
  /** Asked when all was over, of the master: what it shows is there. */
  readonly final: boolean;
  #endUs: number | undefined;
  #answer: ClientAnswer | undefined;

  constructor(
    asked: Pick<ClientOperation, "client" | "node" | "key" | "command" | "callUs"> &
      Partial<Pick<ClientOperation, "after" | "final">>,
  ) {
    this.client = asked.client;
    this.node = asked.node;
    this.key = asked.key;
    this.command = asked.command;
    this.callUs = asked.callUs;
    this.after = asked.after;
    this.final = asked.final ?? false;
  }

  get answer(): ClientAnswer | undefined {
    return this.#answer;
  }

  /** Undefined while there is no answer that says what happened. */
  get returnUs(): number | undefined {
    return answerText(this.key, this.#answer) === undefined ? undefined : this.#endUs;
  }

  /** Whether the client got something, if only an error. */
  get ended(): boolean {
    return this.#endUs !== undefined;
  }

  end(answer: ClientAnswer, atUs: number): void {
    this.#answer = answer;
    this.#endUs = atUs;
  }

  toString(): string {
    const end = this.#endUs === undefined ? "" : `${(this.#endUs / 1000).toFixed(3)}`;
    const command = shorten(encodeCommand(this.key, this.command).trimEnd().replaceAll("\r\n", " "));
    const error = this.#answer?.kind === "error" ? `no answer (${this.#answer.error})` : "no answer";
    const answer = answerText(this.key, this.#answer) ?? error;
    return `${(this.callUs / 1000).toFixed(3)}–${end} ms ${this.client} at ${this.node}: ${command} → ${shorten(answer)}`;
  }
}

export class History {
  readonly #byKey = new Map<string, ClientOperation[]>();
  #count = 0;

  /** Operations so far. */
  get count(): number {
    return this.#count;
  }

  get keys(): string[] {
    return [...this.#byKey.keys()];
  }

  add(operation: ClientOperation): void {
    const operations = this.#byKey.get(operation.key);
    if (operations === undefined) this.#byKey.set(operation.key, [operation]);
    else operations.push(operation);
    this.#count++;
  }

  /** Takes an operation back that was never sent. */
  remove(operation: ClientOperation): void {
    const operations = this.#byKey.get(operation.key) ?? [];
    operations.splice(operations.lastIndexOf(operation), 1);
    this.#count--;
  }

  /** The operations on a key, in the order of their calls. */
  of(key: string): readonly ClientOperation[] {
    return this.#byKey.get(key) ?? [];
  }
}

function shorten(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
