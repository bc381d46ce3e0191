/**
 * The client of a test: one command after the other or several at a time, each recorded in the history of the cluster. After a
 * failure it connects to another node; a request that could not be sent goes there.
 */

import { FlareError } from "../base/errors.ts";
import type { HostPort } from "../base/host_port.ts";
import { ClientOperation, type History } from "./history.ts";
import { answerText, encodeCommand, type ItemCommand, isRead } from "./item_model.ts";
import type { RecordingClient, VersionedItem } from "./public_failing_cluster.ts";
import { type ClientAnswer, SimClient } from "./sim_client.ts";
import type { SimHost } from "./sim_host.ts";

const KEY = /^[!-~]{1,250}$/;
/** What a value may consist of: each character is a byte. */
const LATIN1_MAX = 255;

/** What it needs of its cluster. */
export interface ClientHome {
  readonly history: History;
  readonly timeoutMs: number;
  /** How many nodes it tries for a request. */
  readonly attemptsMax: number;
  /** Where it connects next. */
  nextAddress(): HostPort;
  /** Lets time pass until a promise has settled. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

export class RecordedClient implements RecordingClient {
  readonly machine: string;
  readonly #host: SimHost;
  readonly #home: ClientHome;
  #connection: SimClient | undefined;
  #closed = false;
  /** On the current connection, the newest operation on each key. */
  readonly #last = new Map<string, ClientOperation>();

  constructor(host: SimHost, home: ClientHome) {
    this.machine = host.name;
    this.#host = host;
    this.#home = home;
    host.start();
  }

  async get(key: string): Promise<string | undefined> {
    return itemOf(await this.#ask(key, { name: "get" }))?.value;
  }

  async gets(key: string): Promise<VersionedItem | undefined> {
    return itemOf(await this.#ask(key, { name: "gets" }));
  }

  set(key: string, value: string): Promise<"STORED"> {
    return this.#store(key, { name: "set", flags: 0, expire: 0, value });
  }

  add(key: string, value: string): Promise<"STORED" | "NOT_STORED"> {
    return this.#store(key, { name: "add", flags: 0, expire: 0, value });
  }

  replace(key: string, value: string): Promise<"STORED" | "NOT_STORED"> {
    return this.#store(key, { name: "replace", flags: 0, expire: 0, value });
  }

  append(key: string, value: string): Promise<"STORED" | "NOT_STORED"> {
    return this.#store(key, { name: "append", flags: 0, expire: 0, value });
  }

  prepend(key: string, value: string): Promise<"STORED" | "NOT_STORED"> {
    return this.#store(key, { name: "prepend", flags: 0, expire: 0, value });
  }

  cas(key: string, value: string, version: string): Promise<"STORED" | "EXISTS" | "NOT_FOUND"> {
    return this.#store(key, { name: "cas", flags: 0, expire: 0, value, version });
  }

  incr(key: string, delta = 1): Promise<number | undefined> {
    return this.#count(key, { name: "incr", delta });
  }

  decr(key: string, delta = 1): Promise<number | undefined> {
    return this.#count(key, { name: "decr", delta });
  }

  delete(key: string): Promise<"DELETED" | "NOT_FOUND"> {
    return this.#line(key, { name: "delete" });
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #store<Answer extends string>(key: string, command: ItemCommand & { readonly value: string }): Promise<Answer> {
    const wrong = [...command.value].find((character) => (character.codePointAt(0) ?? 0) > LATIN1_MAX);
    if (wrong !== undefined) {
      throw new FlareError("INVALID_OPTION", `value of "${key}": "${wrong}" is not in Latin-1; encode it first`);
    }
    return this.#line(key, command);
  }

  async #line<Answer extends string>(key: string, command: ItemCommand): Promise<Answer> {
    const answer = await this.#ask(key, command);
    if (answer.kind === "line") return answer.line as Answer;
    throw new FlareError("REFUSED", `"${key}": ${answer.kind === "error" ? answer.error : answer.kind}`);
  }

  async #count(key: string, command: ItemCommand): Promise<number | undefined> {
    const line = await this.#line(key, command);
    return line === "NOT_FOUND" ? undefined : Number(line);
  }

  /** An answer that says what happened. @throws FlareError */
  async #ask(key: string, command: ItemCommand): Promise<ClientAnswer> {
    if (!KEY.test(key)) throw new FlareError("INVALID_OPTION", `key "${key}": up to 250 printable characters without blanks`);
    if (this.#closed) throw new FlareError("CLOSED", `the client on "${this.machine}" was closed`);
    return this.#home.run(async () => {
      let got = await this.#attempt(key, command);
      for (let attempt = 1; isUnsent(got) && attempt < this.#home.attemptsMax; attempt++) {
        got = await this.#attempt(key, command);
      }
      if (answerText(key, got) !== undefined) return got;
      const text = got.kind === "error" ? got.error : "no answer";
      const mayHaveHappened = !isRead(command) && !isUnsent(got);
      throw new FlareError(mayHaveHappened ? "IN_DOUBT" : "CONNECTION_FAILED", `${command.name} "${key}": ${text}`, {
        retriable: !mayHaveHappened,
      });
    });
  }

  async #attempt(key: string, command: ItemCommand): Promise<ClientAnswer> {
    const { operation, answer } = this.#send(key, command);
    const got = await answer;
    operation.end(got, this.#host.world.clock.nowUs);
    if (isUnsent(got)) this.#home.history.remove(operation);
    return got;
  }

  #send(key: string, command: ItemCommand): { readonly operation: ClientOperation; readonly answer: Promise<ClientAnswer> } {
    const { history, timeoutMs } = this.#home;
    const process = this.#host.process ?? this.#host.start();
    if (this.#connection === undefined || this.#connection.closed) {
      const { host, port } = this.#home.nextAddress();
      this.#connection = new SimClient(process, host, port, timeoutMs);
      this.#last.clear();
    }
    const connection = this.#connection;
    const before = this.#last.get(key);
    const operation = new ClientOperation({
      ...{ client: this.machine, node: connection.target, key, command, callUs: this.#host.world.clock.nowUs },
      ...(before === undefined || before.ended ? {} : { after: before }),
    });
    this.#last.set(key, operation);
    history.add(operation);
    const answer = connection.request(encodeCommand(key, command), isRead(command) ? "items" : "line");
    return { operation, answer };
  }
}

function isUnsent(answer: ClientAnswer): boolean {
  return answer.kind === "error" && answer.unsent;
}

function itemOf(answer: ClientAnswer): VersionedItem | undefined {
  const item = answer.kind === "items" ? answer.items[0] : undefined;
  return item === undefined ? undefined : { value: item.value, version: item.version ?? "" };
}
