/**
 * Who is at the other end of one connection and what it may do: whether it has to log in before anything is executed, the steps
 * of its login, and the handler for its requests. `Access` knows the rules, `Login` parses logins; the session decides when
 * answers leave.
 */

import { isSasl } from "../../protocol/binary/binary_protocol.ts";
import type { Connection } from "../../runtime/runtime.ts";
import { type Access, LOGIN_FAILURES_MAX } from "../auth/access.ts";
import type { ClientIdentity } from "../auth/access_list.ts";
import { Login, LoginStep } from "../auth/login.ts";
import { GuardedHandler } from "./guarded_handler.ts";
import type { ConnectionHost, ListenerTraits, RequestHandler } from "./session_host.ts";

export class Admission implements ClientIdentity {
  /** Nothing is executed: the client has to log in first, or to wait for the answer to a failed login. */
  isGated = false;
  /** The client still has to log in. */
  isUnknown: boolean;
  /** The answer to a failed login is being delayed. */
  isDelayed = false;
  /** The host's, or one that refuses privileged requests. */
  handler: RequestHandler;
  user: string | undefined = undefined;
  readonly peer: string;
  readonly #connection: Connection;
  readonly #host: Pick<ConnectionHost, "handler" | "access">;
  readonly #traits: ListenerTraits;
  #login: Login | undefined;
  #failures = 0;

  constructor(connection: Connection, host: Pick<ConnectionHost, "handler" | "access">, traits: ListenerTraits) {
    this.#connection = connection;
    this.#host = host;
    this.#traits = traits;
    this.peer = connection.peer;
    this.handler = host.handler;
    this.isUnknown = host.access !== undefined;
  }

  get certificateName(): string | undefined {
    return this.#connection.security?.peerName;
  }

  /** Whether it connected to the admin address. */
  get isAdmin(): boolean {
    return this.#traits.admin === true;
  }

  /** Whether it has sent too many wrong passwords. */
  get isTriedOut(): boolean {
    return this.#failures >= LOGIN_FAILURES_MAX;
  }

  /** Its login with the outcome of the last step. @throws Error if there are no access rules */
  get login(): Login {
    this.#login ??= new Login({
      version: this.#host.handler.version ?? "",
      verify: (user, password) => this.#access.verify(user, password, this.peer),
    });
    return this.#login;
  }

  /** Applies the access rules again; a connection that was admitted does not have to log in later. */
  admit(): void {
    const { access, handler } = this.#host;
    if (this.isUnknown) this.isUnknown = this.user === undefined && access?.mustLogIn(this) === true;
    this.isGated = this.isUnknown || this.isDelayed;
    const mayAll = access === undefined || this.isAdmin || access.mayAdminister(this);
    this.handler = mayAll ? handler : new GuardedHandler(handler);
  }

  /** Whether a binary request is part of a login, on servers with users. */
  isLogin(opcode: number | undefined): boolean {
    return isSasl(opcode) && this.#host.access?.hasUsers === true;
  }

  /** Reads the next step of a login from `bytes[start, end)`; `login` has the answer and the end position. */
  logIn(bytes: Uint8Array, start: number, end: number): LoginStep {
    const { login } = this;
    const step = login.read(bytes, start, end);
    if (step === LoginStep.more) return step;
    this.user = login.user;
    this.isUnknown = true;
    this.admit();
    return step;
  }

  /** Blocks the connection for a moment after a wrong password, then calls back. */
  delay(callback: () => void): void {
    this.#failures++;
    this.isDelayed = true;
    this.isGated = true;
    this.#access.afterDelay(() => {
      this.isDelayed = false;
      this.admit();
      callback();
    });
  }

  get #access(): Access {
    return this.#host.access as Access;
  }
}
