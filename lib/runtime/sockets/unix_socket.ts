/**
 * The file of a listening UNIX socket: the kernel leaves it behind when its process is killed, and refuses the
 * next listener because of it. A file nobody listens on is removed here; any other is left alone.
 */

import { lstatSync, type Stats, unlinkSync } from "node:fs";
import { createConnection } from "node:net";
import { FlareError } from "../../base/errors.ts";
import { systemCode } from "../files/io_fault.ts";

/**
 * Makes way for a listener at `path`: removes a socket file that a dead process left behind.
 * @throws FlareError ADDRESS_IN_USE if something else is there
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = statOf(path);
  if (found === undefined) return;
  if (!found.isSocket() || (await isListening(path))) {
    throw new FlareError("ADDRESS_IN_USE", `"${path}" is already in use`);
  }
  // Another starter may have taken the path over while the answer was awaited.
  if (statOf(path)?.ino === found.ino) unlinkSync(path);
}

/** The identity of the file at `path`, to be given to `removeOwnSocket`. */
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
    // Whatever else stands in the way (no right to connect, a full queue) is no proof that nobody listens.
    socket.once("error", (error) => resolve(systemCode(error) !== "ECONNREFUSED" && systemCode(error) !== "ENOENT"));
  });
}
