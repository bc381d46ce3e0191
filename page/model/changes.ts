/**
 * Which changes of the cluster suit a node as it is. The servers decide what is allowed; this is what the page offers. Pure.
 */

import type { Node } from "./cluster.ts";

export type Verb = "promote" | "activate" | "slave" | "master" | "balance" | "reconstruct" | "down" | "remove";

/** What somebody filled in. */
export interface ChangeForm {
  readonly verb: Verb;
  readonly node: string;
  readonly partition: number;
  readonly balance: number;
  /** Activate a new master when it has copied its keys. */
  readonly activate: boolean;
  /** Do it although data may be lost. */
  readonly unsafe: boolean;
}

/** The body of `/api/change`. */
export interface ChangeRequest {
  readonly verb: Verb;
  readonly targets: readonly { readonly node: string; readonly partition?: number; readonly balance?: number }[];
  readonly options: { readonly activate?: boolean; readonly unsafe?: boolean };
  readonly dryRun: boolean;
}

const WITH_PARTITION: readonly Verb[] = ["slave", "master"];
const WITH_BALANCE: readonly Verb[] = ["slave", "master", "balance"];
const WITH_UNSAFE: readonly Verb[] = ["promote", "slave", "master", "activate", "reconstruct"];

/** What can be asked of a node, the likeliest first. */
export function verbsFor({ role, state }: Pick<Node, "role" | "state">): Verb[] {
  if (state === "down") return ["activate", "remove"];
  if (role === "proxy") return ["slave", "master", "down"];
  if (role === "master") return state === "active" ? ["balance", "reconstruct", "down"] : ["activate", "balance", "down"];
  return state === "active" ? ["promote", "balance", "reconstruct", "down"] : ["activate", "balance", "reconstruct", "down"];
}

/** Whether a verb takes a partition. */
export function takesPartition(verb: Verb): boolean {
  return WITH_PARTITION.includes(verb);
}

/** Whether a verb takes a balance. */
export function takesBalance(verb: Verb): boolean {
  return WITH_BALANCE.includes(verb);
}

/** Whether a verb has an unsafe form. */
export function takesUnsafe(verb: Verb): boolean {
  return WITH_UNSAFE.includes(verb);
}

/** The request that a form asks for. */
export function changeRequest(form: ChangeForm, dryRun: boolean): ChangeRequest {
  const { verb, node, partition, balance, activate, unsafe } = form;
  const target = {
    node,
    ...(takesPartition(verb) ? { partition } : {}),
    ...(takesBalance(verb) ? { balance } : {}),
  };
  const options = {
    ...(verb === "master" ? { activate } : {}),
    ...(takesUnsafe(verb) && unsafe ? { unsafe } : {}),
  };
  return { verb, targets: [target], options, dryRun };
}
