/** Files with secrets: others than their owner should not be able to read them. */

import type { Runtime } from "../../runtime/runtime.ts";

/** Mode bits that let others than the owner read a file. */
const OTHERS_READ = 0o044;

/** Warns if others can read a file; `option` is what names it. */
export async function warnOfReaders({ files, log }: Runtime, option: string, path: string): Promise<void> {
  const permissions = (await files.permissions(path)) ?? 0;
  if ((permissions & OTHERS_READ) === 0) return;
  const octal = permissions.toString(8).padStart(3, "0");
  log.write("warning", `others than its owner can read ${option} "${path}" (mode ${octal}); set its mode to 600`);
}
