/**
 * Tells systemd how far a service of `Type=notify` is, by systemd's own program `systemd-notify`: Node and Bun cannot send a
 * datagram to a UNIX socket. Its messages come from another process than the service's, so the unit needs `NotifyAccess=all`.
 */

import { spawn } from "node:child_process";
import process from "node:process";
import type { Log } from "../lib/runtime/runtime.ts";

/**
 * Sends assignments such as `READY=1`, in one message; does nothing unless systemd started this program and wants to know. A
 * failure is logged: systemd will then take the service for one that hangs.
 */
export function notifyServiceManager(log: Log, ...assignments: readonly string[]): Promise<void> {
  if (!process.env.NOTIFY_SOCKET) return Promise.resolve();
  return new Promise((resolve) => {
    const fail = (reason: string): void => {
      log.write("warning", `cannot send "${assignments[0]}" to systemd by systemd-notify: ${reason}`);
      resolve();
    };
    const child = spawn("systemd-notify", assignments, { stdio: ["ignore", "ignore", "ignore"] });
    child.on("error", (error) => fail(error.message));
    child.on("close", (status, signal) => (status === 0 ? resolve() : fail(`status ${status ?? signal}`)));
  });
}
