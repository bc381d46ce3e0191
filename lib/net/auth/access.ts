/**
 * Who may use a server, and who may run the commands of nodes and operators: the options of access with the files they
 * name, as they are now. Counts attempts to log in and tells of failed ones, never a password. Knows no connection.
 */

import { utf8AsLatin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { PacedLog } from "../../base/paced_log.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { AccessList, ClientIdentity } from "./access_list.ts";
import { type AccessOptions, accessLists } from "./access_options.ts";
import { AuthFile, type Credentials, isSayable } from "./auth_file.ts";

/** The answer to a wrong password is held back so long … */
const FAILURE_DELAY_MS = 250;
/** … and this many of them end the connection. */
export const LOGIN_FAILURES_MAX = 10;
/** Failed attempts are told in the log at most so often. */
const REPORT_INTERVAL_MS = 1000;
/** Longest name that is put into the log. */
const REPORTED_NAME_MAX = 64;
/** Files that anybody but their owner may read. */
const OTHERS_READ = 0o044;

interface Rules {
  readonly users: AuthFile | undefined;
  /** What this server says of itself to others. */
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
  /** The reading under way: two of them must not overtake each other. */
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

  /** Takes other settings and reads the file again; if it cannot be used, what was known of the users stays. */
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

  /** What this server says of itself to others; undefined = nothing. */
  get clusterCredentials(): Credentials | undefined {
    return this.#rules.cluster;
  }

  /** How long a failed login is left without an answer, in milliseconds. */
  readonly failureDelayMs = FAILURE_DELAY_MS;

  /** Whether a connection has to log in before it is listened to. */
  mustLogIn(client: ClientIdentity): boolean {
    return this.hasUsers && !this.#rules.exempt.has(client);
  }

  /** Whether a connection may run the commands of nodes and operators. */
  mayAdminister(client: ClientIdentity): boolean {
    const { admin, cluster } = this.#rules;
    return admin.isAny || (cluster !== undefined && client.user === cluster.user) || admin.has(client);
  }

  /** Whether this is the user's password; counts the attempt and tells of a failed one in the log. */
  verify(user: string, password: Uint8Array, peer: string): boolean {
    this.attempts++;
    if (this.#rules.users?.verify(user, password)) return true;
    this.failures++;
    this.#report(user, peer);
    return false;
  }

  /** Calls back when the answer to a failed login may leave. */
  afterDelay(callback: () => void): void {
    this.#runtime.clock.setTimer(callback, this.failureDelayMs);
  }

  #report(user: string, peer: string): void {
    const name = user.slice(0, REPORTED_NAME_MAX).replace(/[^\x21-\x7e]/g, "?");
    this.#failureLog.write(`login as "${name}" from "${peer}" failed`);
  }
}

/** The settings that belong to the users at hand. */
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

async function readUsers({ files, log }: Runtime, path: string): Promise<AuthFile> {
  const bytes = await files.read(path);
  if (bytes === undefined) throw new FlareError("INVALID_OPTION", `auth-file "${path}" does not exist`);
  const users = new AuthFile(path, bytes);
  const permissions = (await files.permissions(path)) ?? 0;
  if ((permissions & OTHERS_READ) !== 0) {
    const octal = permissions.toString(8).padStart(3, "0");
    log.write("warning", `auth-file "${path}" may be read by others than its owner (permissions ${octal}); 600 would do`);
  }
  return users;
}

function checkClusterUser(credentials: Credentials | undefined, { authFile, clusterUser }: AccessOptions): void {
  if (credentials === undefined) {
    throw new FlareError("INVALID_OPTION", `option "cluster-user": "${clusterUser}" is not in auth-file "${authFile}"`);
  }
  if (!isSayable(credentials)) {
    const text = `option "cluster-user": name or password of "${clusterUser}" has a blank or a control character in it`;
    throw new FlareError("INVALID_OPTION", `${text}, which a text login cannot say`);
  }
}
