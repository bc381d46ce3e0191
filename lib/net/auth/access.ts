/**
 * Who may use a server, and who may run the commands of nodes and operators: the current access options and the files they
 * name. Counts login attempts and logs failed ones, never a password. Knows no connections.
 */

import { utf8AsLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { PacedLog } from "../../base/paced_log.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { AccessList, ClientIdentity } from "./access_list.ts";
import { type AccessOptions, accessLists } from "./access_options.ts";
import { AuthFile, type Credentials, isSayable } from "./auth_file.ts";
import { warnOfReaders } from "./private_file.ts";

/** The delay of the answer to a wrong password … */
const FAILURE_DELAY_MS = 250;
/** … and how many of them close the connection. */
export const LOGIN_FAILURES_MAX = 10;
/** Failed attempts are logged at most once in this time. */
const REPORT_INTERVAL_MS = 1000;
/** Longest user name in the log. */
const REPORTED_NAME_MAX = 64;

interface Rules {
  readonly users: AuthFile | undefined;
  /** This server's own login at other servers. */
  readonly cluster: Credentials | undefined;
  readonly exempt: AccessList;
  readonly admin: AccessList;
  readonly options: AccessOptions;
}

export class Access {
  /** Attempts to log in, and those that failed. */
  attempts = 0;
  failures = 0;
  readonly #runtime: Runtime;
  #rules: Rules;
  /** The last reload: reloads run one after the other. */
  #tail: Promise<void> = Promise.resolve();
  readonly #failureLog: PacedLog;

  private constructor(runtime: Runtime, rules: Rules) {
    this.#runtime = runtime;
    this.#rules = rules;
    this.#failureLog = new PacedLog(runtime, "warning", REPORT_INTERVAL_MS);
  }

  /** @throws FlareError INVALID_OPTION | IO_ERROR naming the file and what is wrong with it */
  static async open(runtime: Runtime, options: AccessOptions): Promise<Access> {
    return new Access(runtime, await readRules(runtime, options));
  }

  /** Applies new settings and reloads the file; if it is invalid, the users stay as they were. */
  reload(options: AccessOptions): Promise<void> {
    const reading = this.#tail.then(() => this.#reload(options));
    this.#tail = reading.catch(() => undefined);
    return reading;
  }

  async #reload(options: AccessOptions): Promise<void> {
    try {
      this.#rules = await readRules(this.#runtime, options);
    } catch (error) {
      if (!(error instanceof FlareError)) throw error;
      this.#runtime.log.write("error", `the users stay as they were: ${error.message}`);
      this.#rules = { ...this.#rules, ...accessLists(options), options: { ...options, ...usersOf(this.#rules.options) } };
    }
  }

  get options(): AccessOptions {
    return this.#rules.options;
  }

  /** Whether there are users, so that a connection can log in. */
  get hasUsers(): boolean {
    return this.#rules.users !== undefined;
  }

  /** This server's own login at other servers; undefined = none. */
  get clusterCredentials(): Credentials | undefined {
    return this.#rules.cluster;
  }

  /** How long the answer to a failed login is delayed, in milliseconds. */
  readonly failureDelayMs = FAILURE_DELAY_MS;

  /** Whether a connection has to log in before its requests are accepted. */
  mustLogIn(client: ClientIdentity): boolean {
    return this.hasUsers && !this.#rules.exempt.has(client);
  }

  /** Whether a connection may run the commands of nodes and operators. */
  mayAdminister(client: ClientIdentity): boolean {
    const { admin, cluster } = this.#rules;
    return admin.isAny || (cluster !== undefined && client.user === cluster.user) || admin.has(client);
  }

  /** Whether this is the user's password; counts the attempt and logs a failed one. */
  verify(user: string, password: Uint8Array, peer: string): boolean {
    this.attempts++;
    if (this.#rules.users?.verify(user, password)) return true;
    this.failures++;
    this.#report(user, peer);
    return false;
  }

  /** Calls back when the answer to a failed login may be sent. */
  afterDelay(callback: () => void): void {
    this.#runtime.clock.setTimer(callback, this.failureDelayMs);
  }

  #report(user: string, peer: string): void {
    const name = user.slice(0, REPORTED_NAME_MAX).replace(/[^\x21-\x7e]/g, "?");
    this.#failureLog.write(`login as "${name}" from "${peer}" failed`);
  }
}

/** The settings that the loaded users belong to. */
function usersOf({ authFile, clusterUser }: AccessOptions): Pick<AccessOptions, "authFile" | "clusterUser"> {
  return { authFile, clusterUser };
}

async function readRules(runtime: Runtime, options: AccessOptions): Promise<Rules> {
  const { authFile, clusterUser } = options;
  const users = authFile === "" ? undefined : await readUsers(runtime, authFile);
  const cluster = clusterUser === "" ? undefined : users?.credentialsOf(utf8AsLatin1(clusterUser));
  if (clusterUser !== "") checkClusterUser(cluster, options);
  return { users, cluster, options, ...accessLists(options) };
}

async function readUsers(runtime: Runtime, path: string): Promise<AuthFile> {
  const bytes = await runtime.files.read(path);
  if (bytes === undefined) throw new FlareError("INVALID_OPTION", `auth-file "${path}" does not exist`);
  const users = new AuthFile(path, bytes);
  await warnOfReaders(runtime, "auth-file", path);
  return users;
}

function checkClusterUser(credentials: Credentials | undefined, { authFile, clusterUser }: AccessOptions): void {
  if (credentials === undefined) {
    throw new FlareError("INVALID_OPTION", `option "cluster-user": "${clusterUser}" is not in auth-file "${authFile}"`);
  }
  if (!isSayable(credentials)) {
    const text = `option "cluster-user": the name or password of "${clusterUser}" contains a space or a control character`;
    throw new FlareError("INVALID_OPTION", `${text}, which a text login cannot send`);
  }
}
