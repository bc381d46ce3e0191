/**
 * The only class of error the library throws or passes on. Everything the protocol can express is an ordinary value (`STORED`,
 * `NOT_FOUND` …); a `FlareError` means that something else failed: a disk, a socket, an option, a file. A peer's bytes never
 * cause an exception; bugs are assertions.
 */

/** What went wrong, as a closed set for a `switch`. */
export type FlareErrorCode =
  | "INVALID_OPTION" // an option is unknown, malformed or out of range
  | "ADDRESS_IN_USE" // a port or socket path is already taken
  | "CONNECTION_FAILED" // a peer could not be reached, or the connection broke
  | "TIMED_OUT" // an answer or a connection did not come in time
  | "DATA_DIR_LOCKED" // another process uses this data directory
  | "DISK_FULL" // no space left on the device (retriable once space is free)
  | "IO_ERROR" // the disk or the engine failed
  | "CORRUPT" // stored bytes do not match their checksum
  | "UNSUPPORTED" // the engine, runtime or format cannot do this
  | "LIMIT_EXCEEDED" // a named limit was reached
  | "IN_DOUBT" // the request was sent, its outcome is unknown
  | "REFUSED" // the index server or a node refused the request
  | "CLOSED"; // the object was closed before or during the call

/** What an error may have besides its message. */
export interface FlareErrorOptions {
  /** The error that caused it. */
  readonly cause?: unknown;
  /** Default false. */
  readonly retriable?: boolean;
}

/**
 * An error: `message` says what failed (no final period, values in quotes), `code` which kind.
 *
 * @example
 * ```ts
 * import { Client, FlareError } from "flare-kv";
 *
 * using client = new Client({ host: "127.0.0.1", port: 1 });
 * try {
 *   await client.get("key");
 * } catch (error) {
 *   if (error instanceof FlareError) console.log(error.code); // CONNECTION_FAILED
 * }
 * ```
 */
export class FlareError extends Error {
  /** What kind of fault it is. */
  readonly code: FlareErrorCode;
  /** True if the same call may succeed later without a change of settings. */
  readonly retriable: boolean;

  /** A fault; `message` says what failed and what to do. */
  constructor(code: FlareErrorCode, message: string, options: FlareErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FlareError";
    this.code = code;
    this.retriable = options.retriable ?? false;
  }
}
