/**
 * Who is at the other end of one connection and what it may do: whether it has to log in before anything is executed, its
 * login step by step, and the handler its requests go to. What the rules are is `Access`' knowledge, how a login reads is
 * `Login`'s; when its answers leave is the session's.
 */

import { isSasl } from "../../protocol/binary/binary_protocol.ts";
import type { Connection } from "../../runtime/runtime.ts";
import { type Access, LOGIN_FAILURES_MAX } from "../auth/access.ts";
import type { ClientIdentity } from "../auth/access_list.ts";
import { Login, LoginStep } from "../auth/login.ts";
import { GuardedHandler } from "./guarded_handler.ts";
import type { ConnectionHost, ListenerTraits, RequestHandler } from "./session_host.ts";

export class Admission implements ClientIdentity {
  /** Nothing is executed: the client has to log in first, or has to wait for the answer to a failed login. */
  isGated = false;
  /** It has to log in. */
  isUnknown: boolean;
  /** The answer to a failed login is held back. */
  isDelayed = false;
  /** The host's, or one that refuses what this connection may not do. */
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

  /** Whether it came by the address of operators. */
  get isAdmin(): boolean {
    return this.#traits.admin === true;
  }

  /** Whether it has got too many passwords wrong. */
  get isTriedOut(): boolean {
    return this.#failures >= LOGIN_FAILURES_MAX;
  }

  /** Its login as far as it has got, with what came of the last step. @throws Error where there is no access to log in to */
  get login(): Login {
    this.#login ??= new Login({
      version: this.#host.handler.version ?? "",
      verify: (user, password) => this.#access.verify(user, password, this.peer),
    });
    return this.#login;
  }

  /** Decides again what the connection may do; one that may talk is not asked to log in later. */
  admit(): void {
    const { access, handler } = this.#host;
    if (this.isUnknown) this.isUnknown = this.user === undefined && access?.mustLogIn(this) === true;
    this.isGated = this.isUnknown || this.isDelayed;
    const mayAll = access === undefined || this.isAdmin || access.mayAdminister(this);
    this.handler = mayAll ? handler : new GuardedHandler(handler);
  }

  /** Whether a request of the binary protocol is about who the client is, where that matters. */
  isLogin(opcode: number | undefined): boolean {
    return isSasl(opcode) && this.#host.access?.hasUsers === true;
  }

  /** Takes the next step of a login from `bytes[start, end)`; `login` knows what there is to answer, and where it goes on. */
  logIn(bytes: Uint8Array, start: number, end: number): LoginStep {
    const { login } = this;
    const step = login.read(bytes, start, end);
    if (step === LoginStep.more) return step;
    this.user = login.user;
    this.isUnknown = true;
    this.admit();
    return step;
  }

  /** After a wrong password nothing goes on for a moment; then it calls back. */
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
