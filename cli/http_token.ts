/** The token for changes over HTTP that `flare up` makes: at random, in a file of the data directory for its owner alone. */

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FlareError } from "../lib/base/errors.ts";

/** The file in the data directory. */
export const TOKEN_NAME = "http-token";
/** 24 bytes are 32 characters. */
const TOKEN_BYTES = 24;

/** The path of the token, which is made if there is none yet. @throws FlareError IO_ERROR */
export function madeToken(dataDir: string): string {
  const path = join(dataDir, TOKEN_NAME);
  try {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(path, `${randomBytes(TOKEN_BYTES).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    if ((cause as { code?: string }).code !== "EEXIST") throw fault("made", path, cause);
  }
  return path;
}

/** The token in a file. @throws FlareError IO_ERROR */
export function tokenIn(path: string): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch (cause) {
    throw fault("read", path, cause);
  }
}

function fault(what: string, path: string, cause: unknown): FlareError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new FlareError("IO_ERROR", `the token "${path}" cannot be ${what}: ${reason}`, { cause });
}
