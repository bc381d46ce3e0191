/** Requests and failures in JSON. */

import { FlareError } from "../base/errors.ts";
import { jsonResponse } from "../net/http/http_handler.ts";

const DECODER = new TextDecoder("utf-8", { fatal: true });

/** The JSON value of a body. @throws FlareError INVALID_OPTION */
export function parsedBody(body: Uint8Array): unknown {
  try {
    return JSON.parse(DECODER.decode(body));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlareError("INVALID_OPTION", `the body is no JSON: ${reason}`, { cause });
  }
}

/** The status of an error: who asked was wrong, the cluster does not want it, or a server cannot be reached. */
const STATUSES: Readonly<Partial<Record<FlareError["code"], number>>> = {
  INVALID_OPTION: 400,
  REFUSED: 409,
  CONNECTION_FAILED: 502,
  CLOSED: 503,
  TIMED_OUT: 504,
  IN_DOUBT: 504,
};

/** The answer to a request that failed; anything but a `FlareError` is thrown again. */
export function failure(error: unknown, further: object = {}): Response {
  if (!(error instanceof FlareError)) throw error;
  return jsonResponse(STATUSES[error.code] ?? 500, { error: error.message, code: error.code, ...further });
}
