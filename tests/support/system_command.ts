/** Runs programs of the operating system, such as `ip` and `mount`, to their end. */

import { spawn } from "node:child_process";

/** @throws Error with what it printed, if it fails */
export async function systemCommand(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Uint8Array) => {
    errors += new TextDecoder().decode(chunk);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${errors.trim()}`);
}
