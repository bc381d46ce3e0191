/**
 * The file of a listening UNIX socket: it stays behind when its process is killed, and prevents the next listener. Removes a
 * file nobody listens on, and no other.
 */

import { lstatSync, type Stats, unlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { FlareError } from "../../base/errors.ts";
import { systemCode } from "../files/io_fault.ts";

/**
 * Makes room for a listener at `path`: removes a stale socket file.
 * @throws FlareError ADDRESS_IN_USE if something else is there
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = statOf(path);
  if (found === undefined) return;
  if (!found.isSocket() || (await isListening(path))) {
    throw new FlareError("ADDRESS_IN_USE", `"${path}" is already in use`);
  }
  // Another starter may have taken over the path in the meantime.
  if (statOf(path)?.ino === found.ino) unlinkSync(path);
}

/** The identity of the file at `path`, for `removeOwnSocket`. */
export function socketInode(path: string): number | undefined {
  return statOf(path)?.ino;
}

/** Removes the socket file at `path` if it is still the one with `inode`. */
export function removeOwnSocket(path: string, inode: number | undefined): void {
  if (inode !== undefined && statOf(path)?.ino === inode) unlinkSync(path);
}

function statOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Any other error (no permission to connect, a full queue) does not prove that nobody listens.
    socket.once("error", (error) => resolve(systemCode(error) !== "ECONNREFUSED" && systemCode(error) !== "ENOENT"));
  });
}
