/** Converts the errors of sockets to the library's. Independent of the runtime that reported them. */

import { FlareError } from "../../base/errors.ts";
import { systemCode } from "../files/io_fault.ts";
import type { Address } from "../runtime.ts";
import { addressText } from "./address_text.ts";

/** The error of a failed `listen`. */
export function listenFault(error: unknown, address: Address): FlareError {
  if (error instanceof FlareError) return error;
  const text = addressText(address);
  const code = systemCode(error);
  if (code === "EADDRINUSE") return new FlareError("ADDRESS_IN_USE", `"${text}" is already in use`, { cause: error });
  return new FlareError("IO_ERROR", `cannot listen on "${text}": ${reasonOf(error)}`, { cause: error });
}

/** The error of a connection that could not be opened (`opened` false) or broke. */
export function connectionFault(error: unknown, peer: string, opened: boolean): FlareError {
  if (error instanceof FlareError) return error;
  const what = opened ? `connection to "${peer}" broke` : `cannot connect to "${peer}"`;
  return new FlareError("CONNECTION_FAILED", `${what}: ${reasonOf(error)}`, { cause: error, retriable: true });
}

/** The error of a connection that was not open in time. */
export function connectTimeoutFault(peer: string, timeoutMs: number, why = "no answer"): FlareError {
  return new FlareError("TIMED_OUT", `cannot connect to "${peer}": ${why} within ${timeoutMs} ms`, { retriable: true });
}

/** The error of a failed TLS handshake of an accepted connection. */
export function handshakeFault(error: unknown, peer: string): FlareError {
  if (error instanceof FlareError) return error;
  return new FlareError("CONNECTION_FAILED", `TLS handshake with "${peer}" failed: ${reasonOf(error)}`, {
    cause: error,
    retriable: true,
  });
}

/** The error of a TLS handshake that timed out. */
export function handshakeTimeoutFault(peer: string, timeoutMs: number): FlareError {
  return new FlareError("TIMED_OUT", `TLS handshake with "${peer}" took more than ${timeoutMs} ms`, {
    retriable: true,
  });
}

function reasonOf(error: unknown): string {
  // Several addresses of one name were tried: the first one's error says most.
  const first = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  return systemCode(first) ?? (first instanceof Error ? first.message : String(first));
}
