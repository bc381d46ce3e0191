/** Servers with users, and what the tests about them say to them. */

import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Address, Log, Runtime, TlsClient } from "../../lib/runtime/runtime.ts";
import { clientRuntime } from "./daemon.ts";
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
  return { runtime: { ...(await clientRuntime()), log }, lines };
}
