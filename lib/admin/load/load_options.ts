/** What a load is: its limits, its defaults, and the one place for its keys. */

import { MIB } from "../../base/byte_units.ts";
import { FlareError } from "../../base/errors.ts";
import { checkFields, type FieldsOf, field, integerField, stringField } from "../../base/given_fields.ts";
import type { HostPort } from "../../base/host_port.ts";

/** All keys of a load begin with this: nothing else is ever written or removed. */
export const LOAD_PREFIX = "flare-bench:";

/** A load. */
export interface LoadOptions {
  /** The servers; connections are spread evenly over them. */
  readonly servers: readonly HostPort[];
  /** What the keys begin with: `LOAD_PREFIX` and what tells this run from others, printable ASCII without spaces. */
  readonly prefix: string;
  /** How many connections, 1 … 10000. */
  readonly connections: number;
  /** Requests under way on each connection, 1 … 1000. */
  readonly depth: number;
  /** Bytes of a value, 0 … 64 MiB. */
  readonly valueBytes: number;
  /** Share of gets, 0 … 100; the others are sets. */
  readonly getPercent: number;
  /** Keys of one get, 1 … 1000. */
  readonly keysPerGet: number;
  /** How many keys there are, 1 … 100 million. */
  readonly keys: number;
  /** How long is measured, in milliseconds. */
  readonly durationMs: number;
  /** How long the load runs before, in milliseconds. */
  readonly warmUpMs: number;
  /** Processes of this machine whose CPU time is measured. */
  readonly pids: readonly number[];
}

/** What a load is unless something else is said. */
export const LOAD_DEFAULTS = {
  connections: 50,
  depth: 1,
  valueBytes: 100,
  getPercent: 90,
  keysPerGet: 1,
  keys: 100_000,
  durationMs: 10_000,
  warmUpMs: 1000,
} as const;

/** memcached's longest key is longer than any of ours may be: a number is still to come behind the prefix. */
const PREFIX_LENGTH_MAX = 100;

const loadFields: FieldsOf<LoadOptions> = {
  servers: field("an array of at least one address", (value) => Array.isArray(value) && value.length > 0),
  prefix: stringField,
  connections: integerField(1, 10_000),
  depth: integerField(1, 1000),
  valueBytes: integerField(0, 64 * MIB),
  getPercent: integerField(0, 100),
  keysPerGet: integerField(1, 1000),
  keys: integerField(1, 100_000_000),
  durationMs: integerField(1),
  warmUpMs: integerField(0),
  pids: field("an array of process ids", (value) => Array.isArray(value) && value.every(isPid)),
};

/** @throws FlareError INVALID_OPTION */
export function checkLoadOptions(options: LoadOptions): void {
  checkFields(loadFields, options);
  const { prefix } = options;
  if (!prefix.startsWith(LOAD_PREFIX) || prefix.length > PREFIX_LENGTH_MAX || !/^[!-~]+$/.test(prefix)) {
    throw new FlareError(
      "INVALID_OPTION",
      `option "prefix": "${prefix}" does not begin with "${LOAD_PREFIX}", is longer than ${PREFIX_LENGTH_MAX} characters, or ` +
        "has others than printable ASCII; keys outside of that prefix are never written",
    );
  }
}

function isPid(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
