/** The codes with which ZooKeeper refuses a request: which of them are an ordinary answer, and what the others mean. Pure. */

import { FlareError, type FlareErrorCode } from "../../base/errors.ts";

/** An ordinary answer: the request does not fit what is there. */
export type Refusal = "no node" | "exists" | "other version" | "not empty";

const REFUSALS: ReadonlyMap<number, Refusal> = new Map([
  [-101, "no node"],
  [-103, "other version"],
  [-110, "exists"],
  [-111, "not empty"],
]);

type Fault = readonly [code: FlareErrorCode, text: string];

const FAULTS: ReadonlyMap<number, Fault> = new Map<number, Fault>([
  // Whether the request was executed is not known.
  [-4, ["IN_DOUBT", "a server lost its connection"]],
  [-7, ["IN_DOUBT", "a server took too long"]],
  // It was not executed, and may be later.
  [-112, ["CONNECTION_FAILED", "the session has expired"]],
  [-118, ["CONNECTION_FAILED", "the session has moved to another connection"]],
  [-102, ["REFUSED", "no permission"]],
  [-108, ["REFUSED", "an ephemeral znode cannot have children"]],
  [-114, ["REFUSED", "the access list is invalid"]],
  [-115, ["REFUSED", "the login failed"]],
  [-119, ["REFUSED", "the server only reads"]],
  [-124, ["REFUSED", "the server demands a login by SASL"]],
  [-127, ["REFUSED", "the server is overloaded"]],
  [-125, ["DISK_FULL", "a quota is reached"]],
]);

/** The ordinary answer that a code is. @throws FlareError if it is none, naming what was asked for */
export function refusalOf(code: number, what: string): Refusal {
  const refusal = REFUSALS.get(code);
  if (refusal !== undefined) return refusal;
  const [kind, text] = FAULTS.get(code) ?? (["REFUSED", `code ${code}`] as const);
  throw new FlareError(kind, `ZooKeeper refused "${what}": ${text}`, { retriable: kind !== "REFUSED" });
}
