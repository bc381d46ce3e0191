/** Servers with users, and what the tests about them say to them. */

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LocalCluster } from "../../lib/local_cluster/local_cluster.ts";
import type { Address, Log, Runtime, TlsClient } from "../../lib/runtime/runtime.ts";
import type { ClusterOptions } from "../../mod.ts";
import { clientRuntime } from "./daemon.ts";
import { startOpenCluster } from "./open_servers.ts";
import { makeTemporaryDirectory, removeTemporaryDirectory } from "./temporary_directory.ts";
import { TextClient } from "./text_client.ts";

/** A user for clients, one for operators, one for the servers. */
export const USERS = "alice:secret\nboss:chief\nnode:of-the-cluster\n";

/** Writes a file of users only its owner may read; its path. */
export function writeUsers(directory: string, text = USERS, mode = 0o600): string {
  const path = join(directory, "users");
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** What a closed cluster is like beside being closed; `text` is its file of users. */
export interface ClosedClusterOptions extends Omit<ClusterOptions, "access"> {
  readonly access?: Omit<NonNullable<ClusterOptions["access"]>, "authFile" | "clusterUser">;
  readonly text?: string;
}

/** A cluster whose servers, which are `node` to each other, let nobody in who does not log in. */
export class ClosedCluster {
  readonly runtime: Runtime;
  readonly cluster: LocalCluster;
  /** Where the file of users is. */
  readonly directory: string;

  private constructor(runtime: Runtime, cluster: LocalCluster, directory: string) {
    this.runtime = runtime;
    this.cluster = cluster;
    this.directory = directory;
  }

  static async start({ text, access, ...options }: ClosedClusterOptions = {}): Promise<ClosedCluster> {
    const runtime = clientRuntime();
    const directory = makeTemporaryDirectory();
    const users = { authFile: writeUsers(directory, text), clusterUser: "node" };
    return new ClosedCluster(
      runtime,
      await startOpenCluster({ runtime, ...options, access: { ...access, ...users } }),
      directory,
    );
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    removeTemporaryDirectory(this.directory);
  }
}

/** A text login. */
export function loginOf(user: string, password: string): string {
  const data = `${user} ${password}`;
  return `set login 0 0 ${data.length}\r\n${data}\r\n`;
}

/** A raw connection that has logged in. @throws Error when it is not let in */
export async function connectAs(
  runtime: Runtime,
  address: Address,
  user: string,
  password: string,
  tls?: TlsClient,
): Promise<TextClient> {
  const client = await TextClient.connect(runtime, address, tls);
  const answer = await client.ask(loginOf(user, password));
  if (answer === "STORED\r\n") return client;
  client.close();
  throw new Error(`"${user}" heard "${answer}"`);
}

/** A runtime whose log can be read. */
export async function recordingRuntime(): Promise<{ runtime: Runtime; lines: string[] }> {
  const lines: string[] = [];
  const log: Log = { write: (level, message) => void lines.push(`${level} ${message}`) };
  return { runtime: { ...clientRuntime(), log }, lines };
}
