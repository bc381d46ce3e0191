/**
 * The token that changes and looks at data need over HTTP: who has it may do what an operator may. It is in a file, so that no
 * setting and no report shows it. Comparisons take constant time.
 */

import { latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { PacedLog } from "../../base/paced_log.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { warnOfReaders } from "../auth/private_file.ts";

/** The header that has it. It is not `Authorization`, which logins use, and no web site can make a browser send it. */
export const TOKEN_HEADER = "flare-token";
/** A shorter one could be guessed. */
export const TOKEN_CHARACTERS_MIN = 16;
export const TOKEN_CHARACTERS_MAX = 255;
/** Wrong tokens are logged at most once in this time. */
const REPORT_INTERVAL_MS = 1000;

export class HttpTokens {
  readonly #runtime: Runtime;
  readonly #failureLog: PacedLog;
  /** Padded to one length, so that a comparison does not reveal it. */
  #token: Uint8Array | undefined;
  /** The last reload: reloads run one after the other. */
  #tail: Promise<void> = Promise.resolve();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#failureLog = new PacedLog(runtime, "warning", REPORT_INTERVAL_MS);
  }

  /** Whether there is a token, so that something can be changed. */
  get isSet(): boolean {
    return this.#token !== undefined;
  }

  /** Reads the file; without one there is no token. @throws FlareError INVALID_OPTION | IO_ERROR naming the file */
  async open(path: string): Promise<void> {
    this.#token = path === "" ? undefined : await readToken(this.#runtime, path);
  }

  /** Reads the file again; if it is not right, the token stays as it was. */
  reload(path: string): Promise<void> {
    this.#tail = this.#tail.then(async () => {
      try {
        await this.open(path);
      } catch (error) {
        if (!(error instanceof FlareError)) throw error;
        this.#runtime.log.write("error", `the token for HTTP stays as it was: ${error.message}`);
      }
    });
    return this.#tail;
  }

  /** Whether this is the token; a wrong one is logged, without it. */
  verify(given: string, peer: string): boolean {
    if (this.#token !== undefined && isSame(this.#token, padded(given))) return true;
    this.#failureLog.write(`"${peer}" gave a wrong token for HTTP`);
    return false;
  }
}

async function readToken(runtime: Runtime, path: string): Promise<Uint8Array> {
  const wrong = (what: string): FlareError => new FlareError("INVALID_OPTION", `http-token-file "${path}" ${what}`);
  const bytes = await runtime.files.read(path);
  if (bytes === undefined) throw wrong("does not exist");
  const text = latin1(bytes).trim();
  if (!/^[\x21-\x7e]*$/.test(text)) throw wrong("must have one word of visible ASCII characters, and nothing else");
  if (text.length < TOKEN_CHARACTERS_MIN || text.length > TOKEN_CHARACTERS_MAX) {
    throw wrong(`has a token of ${text.length} characters: it must have ${TOKEN_CHARACTERS_MIN} to ${TOKEN_CHARACTERS_MAX}`);
  }
  await warnOfReaders(runtime, "http-token-file", path);
  return padded(text);
}

/** The characters, then their number. */
function padded(text: string): Uint8Array {
  const bytes = new Uint8Array(TOKEN_CHARACTERS_MAX + 2);
  for (let i = 0; i < Math.min(text.length, TOKEN_CHARACTERS_MAX); i++) bytes[i] = text.charCodeAt(i);
  bytes[TOKEN_CHARACTERS_MAX] = text.length & 255;
  bytes[TOKEN_CHARACTERS_MAX + 1] = Math.min(text.length >> 8, 255);
  return bytes;
}

/** Always compares all of them. */
function isSame(left: Uint8Array, right: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < left.length; i++) difference |= (left[i] as number) ^ (right[i] as number);
  return difference === 0;
}
