/**
 * Why a test does not run, for `skip` of `describe` and `it`. The reason is printed, too: Deno and Bun keep it for
 * themselves, and the end of `npm test` tells what was left out and why.
 */

import process from "node:process";

/** Skips where the machine lacks something the test needs; with CI=true the lack is a failure. */
export function skipUnless(available: boolean, what: string): string | false {
  if (available) return false;
  if (process.env.CI === "true") throw new Error(`${what} is needed when CI=true`);
  return skipWhere(true, `${what} is needed`);
}

/** Skips where the test has no meaning or cannot work, by CI too. */
export function skipWhere(condition: boolean, reason: string): string | false {
  if (!condition) return false;
  console.log(`left out: ${reason}`);
  return reason;
}
