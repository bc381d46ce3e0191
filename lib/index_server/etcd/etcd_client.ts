/**
 * A client of etcd's JSON gateway (v3): requests to one of several members, with login. A request that may have been
 * received is sent to another member only if it is a read. Does not know what is stored.
 */

import { FlareError } from "../../base/errors.ts";
import { formatHostPort, type HostPort } from "../../base/host_port.ts";
import type { Credentials } from "../../net/auth/auth_file.ts";
import type { Runtime, TlsClient } from "../../runtime/runtime.ts";
import { exchangeHttp } from "./http_exchange.ts";
import type { HttpResponse } from "./http_response.ts";

export interface EtcdServers {
  /** The members; at least one. */
  readonly members: readonly HostPort[];
  /** Absent: plain connections. */
  readonly tls?: TlsClient | undefined;
  /** Absent: no login. */
  readonly credentials?: Credentials | undefined;
}

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** The paths of a read and of a transaction. */
export const RANGE = "/v3/kv/range";
export const TRANSACTION = "/v3/kv/txn";
/** The revision of a key that is not there. */
export const ABSENT = "0";

/** How long a member may take to answer. */
const TIMEOUT_MS = 2000;
const AUTHENTICATE = "/v3/auth/authenticate";
/** Codes of gRPC after which the request may have been executed: cancelled, unknown, timed out, internal, unavailable. */
const DOUBTFUL_CODES: readonly unknown[] = [1, 2, 4, 13, 14];
const UNAUTHENTICATED = 16;

export class EtcdClient {
  readonly #runtime: Runtime;
  readonly #servers: EtcdServers;
  /** The member that answered last. */
  #current = 0;
  #token: string | undefined;

  constructor(runtime: Runtime, servers: EtcdServers) {
    this.#runtime = runtime;
    this.#servers = servers;
  }

  /** A request that changes nothing. @throws FlareError CONNECTION_FAILED | REFUSED */
  read(path: string, body: Json): Promise<Json> {
    return this.#ask(path, body, true);
  }

  /** A request that may change something. @throws FlareError CONNECTION_FAILED | REFUSED; IN_DOUBT: it may have changed it */
  write(path: string, body: Json): Promise<Json> {
    return this.#ask(path, body, false);
  }

  async #ask(path: string, body: Json, isRepeatable: boolean): Promise<Json> {
    const { members } = this.#servers;
    const problems: string[] = [];
    for (let tried = 0; tried < members.length; tried++) {
      const member = members[this.#current] as HostPort;
      const name = formatHostPort(member.host, member.port);
      try {
        return await this.#askMember(member, path, body);
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        if (error.code === "REFUSED") throw new FlareError("REFUSED", `etcd at "${name}" refused: ${error.message}`);
        this.#current = (this.#current + 1) % members.length;
        problems.push(`"${name}": ${error.message}`);
        if (error.code === "IN_DOUBT" && !isRepeatable) {
          throw new FlareError("IN_DOUBT", `etcd at ${problems.join(", ")}`, { retriable: true });
        }
      }
    }
    throw new FlareError("CONNECTION_FAILED", `no member of etcd answers: ${problems.join(", ")}`, { retriable: true });
  }

  async #askMember(server: HostPort, path: string, body: Json): Promise<Json> {
    for (let isFresh = this.#token === undefined; ; isFresh = true) {
      const answer = await this.#send(server, path, body, await this.#login(server));
      const json = parseJson(answer.body);
      if (answer.status === 200 && json !== undefined) return json;
      const message = String(json?.error ?? `status ${answer.status}`);
      // A token is forgotten when it gets old or its member restarts; the request was not executed.
      if (json?.code === UNAUTHENTICATED && !isFresh) {
        this.#token = undefined;
        continue;
      }
      const isDoubtful = json?.code === undefined ? answer.status >= 500 : DOUBTFUL_CODES.includes(json.code);
      throw new FlareError(isDoubtful ? "IN_DOUBT" : "REFUSED", message);
    }
  }

  /** The token of a login, if there are credentials. */
  async #login(server: HostPort): Promise<string | undefined> {
    const { credentials } = this.#servers;
    if (credentials === undefined || this.#token !== undefined) return this.#token;
    const { user, password } = credentials;
    const answer = await this.#send(server, AUTHENTICATE, { name: user, password }, undefined);
    const json = parseJson(answer.body);
    if (typeof json?.token !== "string") {
      const message = `login as "${user}": ${json?.error ?? `status ${answer.status}`}`;
      // Nothing but the login was sent.
      throw new FlareError(answer.status < 500 ? "REFUSED" : "CONNECTION_FAILED", message);
    }
    this.#token = json.token;
    return this.#token;
  }

  #send(server: HostPort, path: string, body: Json, token: string | undefined): Promise<HttpResponse> {
    return exchangeHttp(this.#runtime, {
      server,
      tls: this.#servers.tls,
      path,
      headers: token === undefined ? {} : { Authorization: token },
      body: JSON.stringify(body),
      timeoutMs: TIMEOUT_MS,
    });
  }
}

function parseJson(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}
