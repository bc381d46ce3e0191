/**
 * A change of the cluster as the page asks for it, in JSON: a verb of the command line, its nodes, and its options, checked as
 * those of a program are. Pure.
 */

import type { Change } from "../admin/change.ts";
import {
  activateChange,
  balanceChange,
  downChange,
  masterChange,
  partChange,
  promoteChange,
  reconstructChange,
  removeChange,
  slaveChange,
} from "../admin/change_verbs.ts";
import type { BalanceTarget, RoleTarget } from "../admin/node_targets.ts";
import { FlareError } from "../base/errors.ts";
import { booleanField, checkFields, choiceField, field } from "../base/given_fields.ts";

/** What a verb gets. */
interface Given {
  readonly nodes: readonly string[];
  readonly targets: readonly RoleTarget[];
  readonly options: object;
}

/** The verbs; those that take `targets` give each node a balance, and most a partition. */
const VERBS = {
  promote: ({ nodes, options }: Given) => promoteChange(nodes, options),
  down: ({ nodes }: Given) => downChange(nodes),
  activate: ({ nodes, options }: Given) => activateChange(nodes, options),
  reconstruct: ({ nodes, options }: Given) => reconstructChange(nodes, options),
  remove: ({ nodes, options }: Given) => removeChange(nodes, options),
  balance: ({ targets }: Given) => balanceChange(targets as readonly BalanceTarget[]),
  master: ({ targets, options }: Given) => masterChange(targets, options),
  slave: ({ targets, options }: Given) => slaveChange(targets, options),
  part: ({ targets, options }: Given) => partChange(targets, options),
} as const;
const TARGETED: ReadonlySet<string> = new Set(["balance", "master", "slave", "part"]);
const WITHOUT_OPTIONS: ReadonlySet<string> = new Set(["down", "balance"]);

/** Longest text of a change. */
const TEXT_MAX = 300;
/** Most nodes of one change. */
const NODES_MAX = 1024;

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === "string";
const listOf =
  (accepts: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.length > 0 && value.length <= NODES_MAX && value.every(accepts);
const fields = {
  verb: choiceField(Object.keys(VERBS)),
  nodes: field('an array of 1 to 1024 strings like "127.0.0.1:12121"', listOf(isText)),
  targets: field("an array of 1 to 1024 objects like { node, balance, partition }", listOf(isObject)),
  options: field("an object with options of the verb", isObject),
  dryRun: booleanField,
  confirm: booleanField,
};

/** A change that is asked for. */
export interface AskedChange {
  readonly change: Change;
  /** It in a few words, for the log. */
  readonly text: string;
  /** Only say what would happen. */
  readonly isDryRun: boolean;
  /** Do it in spite of the warnings. */
  readonly isConfirmed: boolean;
}

/** What a request asks for. @throws FlareError INVALID_OPTION */
export function askedChange(given: unknown): AskedChange {
  checkFields(fields, given);
  const {
    verb,
    nodes,
    targets,
    options = {},
    dryRun = false,
    confirm = false,
  } = given as {
    readonly verb?: keyof typeof VERBS;
    readonly nodes?: readonly string[];
    readonly targets?: readonly RoleTarget[];
    readonly options?: object;
    readonly dryRun?: boolean;
    readonly confirm?: boolean;
  };
  if (verb === undefined) throw missing("verb", `one of ${Object.keys(VERBS).join(", ")}`);
  const [wanted, other] = TARGETED.has(verb) ? (["targets", "nodes"] as const) : (["nodes", "targets"] as const);
  const present = { nodes, targets };
  if (present[wanted] === undefined) throw missing(wanted, `what "${verb}" is for`);
  if (present[other] !== undefined) throw new FlareError("INVALID_OPTION", `"${verb}" takes "${wanted}", not "${other}"`);
  if (WITHOUT_OPTIONS.has(verb) && Object.keys(options).length > 0) {
    throw new FlareError("INVALID_OPTION", `"${verb}" has no options`);
  }
  const change = VERBS[verb]({ nodes: nodes ?? [], targets: targets ?? [], options });
  const names =
    nodes ?? (targets ?? []).map(({ node, balance, partition }) => [node, balance, partition].join(":").replace(/:$/, ""));
  const settings = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  const text = [verb, ...names, ...settings].join(" ").slice(0, TEXT_MAX);
  return { change, text, isDryRun: dryRun, isConfirmed: confirm };
}

function missing(name: string, what: string): FlareError {
  return new FlareError("INVALID_OPTION", `"${name}" is missing: ${what}`);
}
