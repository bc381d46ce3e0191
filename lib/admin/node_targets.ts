/**
 * Parses the nodes an operator gives: `host:port`, `host:port:balance` and `host:port:balance:partition`. Pure. Hosts can
 * contain colons (IPv6), so texts are parsed from their end.
 */

import { FlareError } from "../base/errors.ts";
import { checkFields, type FieldsOf, field, integerField, stringField, wrongValue } from "../base/given_fields.ts";
import { type HostPort, PORT_MAX, parseHostPort } from "../base/host_port.ts";
import { INT32_MAX } from "../base/number_bounds.ts";
import { nodeKey } from "../cluster/node.ts";

/** A node and its new balance. */
export interface BalanceTarget {
  /** `host:port`. */
  readonly node: string;
  /** 0 … 2^31-1. */
  readonly balance: number;
}

/** A node, its new balance and its new partition. */
export interface RoleTarget extends BalanceTarget {
  /** 0 …. */
  readonly partition: number;
}

const nodeField = field('a string like "127.0.0.1:12121"', (value) => typeof value === "string" && isNodeKey(value));
const balanceFields: FieldsOf<BalanceTarget> = { node: nodeField, balance: integerField(0, INT32_MAX) };
const roleFields: FieldsOf<RoleTarget> = { ...balanceFields, partition: integerField(0, INT32_MAX) };

/** Checks the nodes of a change that a program passes. @throws FlareError INVALID_OPTION */
export function checkTargets(kind: "node" | "balance" | "role", targets: unknown): void {
  if (!Array.isArray(targets)) throw wrongValue("the nodes of a change", targets, "an array");
  for (const target of targets) {
    if (kind !== "node") checkTarget(kind === "role" ? roleFields : balanceFields, target);
    else if (!nodeField.accepts(target)) throw wrongValue("a node", target, nodeField.allowedValue);
  }
}

/** Every field is needed. */
function checkTarget<T extends object>(fields: FieldsOf<T>, target: T): void {
  checkFields(fields, target);
  for (const name of Object.keys(fields) as (keyof T & string)[]) {
    if (target[name] === undefined)
      throw new FlareError("INVALID_OPTION", `"${name}" of a node is missing: ${fields[name].allowedValue}`);
  }
}

function isNodeKey(text: string): boolean {
  return /^\S+:\d{1,5}$/.test(text);
}

/** `host:port`. @throws FlareError INVALID_OPTION */
export function parseAddress(text: string): HostPort {
  if (!stringField.accepts(text)) throw wrongValue("a server", text, 'a string like "127.0.0.1:12121"');
  const address = parseHostPort(text);
  if (address === undefined || address.port === 0) throw invalid(text, "host:port");
  return address;
}

/** `host:port` as the key of a node. @throws FlareError INVALID_OPTION */
export function parseNodeKey(text: string): string {
  const { host, port } = parseAddress(text);
  return nodeKey(host, port);
}

/** `host:port:balance`. @throws FlareError INVALID_OPTION */
export function parseBalanceTarget(text: string): BalanceTarget {
  const form = "host:port:balance";
  const [, node = "", balance = ""] = /^(\S+:\d+):(\d{1,10})$/.exec(text) ?? [];
  return { node: keyOf(node, text, form), balance: numberOf(balance, text, form) };
}

/** `host:port:balance:partition`. @throws FlareError INVALID_OPTION */
export function parseRoleTarget(text: string): RoleTarget {
  const form = "host:port:balance:partition";
  const [, node = "", balance = "", partition = ""] = /^(\S+:\d+):(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
  return { node: keyOf(node, text, form), balance: numberOf(balance, text, form), partition: numberOf(partition, text, form) };
}

/** The address of a node by its key. @throws FlareError INVALID_OPTION */
export function addressOf(key: string): HostPort {
  return parseAddress(key);
}

function keyOf(node: string, text: string, form: string): string {
  const port = Number(node.slice(node.lastIndexOf(":") + 1));
  if (node === "" || port < 1 || port > PORT_MAX) throw invalid(text, form);
  return parseNodeKey(node);
}

function numberOf(digits: string, text: string, form: string): number {
  if (digits === "" || Number(digits) > INT32_MAX) throw invalid(text, form);
  return Number(digits);
}

function invalid(text: string, form: string): FlareError {
  return new FlareError("INVALID_OPTION", `"${text}" must have the form "${form}"`);
}
