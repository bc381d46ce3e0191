/**
 * Checks the objects that a program passes to the library: plain JavaScript programs mistype names and pass strings for
 * numbers, and a silently ignored setting is discovered too late. Each object the library accepts has a table of its fields; an
 * option table is one, too. Pure.
 */

import { FlareError } from "./errors.ts";
import { parseHost } from "./host_port.ts";
import { suggestion } from "./similar_name.ts";

/** One field of an object that a program passes. */
export interface Field {
  /** The allowed values, for messages: `an integer from 1 to 65535`. */
  readonly allowedValue: string;
  /** Whether a value has the right type and is in range. */
  accepts(value: unknown): boolean;
  /** For an object: its fields. */
  readonly fields?: Fields;
}

/** The fields of an object, by name. */
export type Fields = { readonly [name: string]: Field };

/** A field for each property of a type, no more and no fewer. */
export type FieldsOf<T> = { readonly [Name in keyof Required<T>]: Field };

const SHOWN_MAX = 60;

/**
 * Checks an object that a program passed, and nested objects; undefined fields count as absent. @param path the prefix of names
 * in messages: `access.`
 * @throws FlareError INVALID_OPTION naming the field, its value and what is allowed
 */
export function checkFields(fields: Fields, given: unknown, path = ""): void {
  if (!isObject(given)) {
    const what = path === "" ? "options" : `option "${path.slice(0, -1)}"`;
    throw new FlareError("INVALID_OPTION", `${what}: ${shown(given)} is not an object with options`);
  }
  for (const [name, value] of Object.entries(given)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      const names = Object.keys(fields);
      const help = suggestion(name, names) || `; allowed are ${names.join(", ")}`;
      throw new FlareError("INVALID_OPTION", `unknown option "${path}${name}"${help}`);
    }
    if (value === undefined) continue;
    if (field.fields !== undefined) checkFields(field.fields, value, `${path}${name}.`);
    else if (!field.accepts(value)) throw wrongValue(`option "${path}${name}"`, value, field.allowedValue);
  }
}

/** The error for a wrong value. */
export function wrongValue(what: string, value: unknown, allowed: string): FlareError {
  return new FlareError("INVALID_OPTION", `${what}: ${shown(value)} is not ${allowed}`);
}

/** A value in a message, with its type where that is not obvious. */
export function shown(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `the string "${cut(value)}"`;
    case "number":
    case "boolean":
    case "undefined":
      return `"${value}"`;
    case "bigint":
      return `the bigint "${value}"`;
    case "object":
      return value === null ? '"null"' : shownObject(value);
    default:
      return `a ${typeof value}`;
  }
}

function shownObject(value: object): string {
  if (value instanceof Promise) return "a promise (await it)";
  try {
    return cut(JSON.stringify(value));
  } catch {
    return "an object";
  }
}

function cut(text: string): string {
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Promise);
}

/** Any value that a predicate accepts. */
export function field(allowedValue: string, accepts: (value: unknown) => boolean): Field {
  return { allowedValue, accepts };
}

/** A whole number. */
export function integerField(min: number, max = Number.MAX_SAFE_INTEGER): Field {
  return field(`an integer from ${min} to ${max}`, (value) => Number.isSafeInteger(value) && inRange(Number(value), min, max));
}

function inRange(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

/** True or false. */
export const booleanField: Field = field("true or false", (value) => typeof value === "boolean");

/** A function. */
export const functionField: Field = field("a function", (value) => typeof value === "function");

/** A string. */
export const stringField: Field = field("a string", (value) => typeof value === "string");

/** A host. */
export const hostField: Field = field(
  "a host name or an IP address",
  (value) => typeof value === "string" && parseHost(value) !== undefined,
);

/** Bytes. */
export const bytesField: Field = field("a Uint8Array", isBytes);

/** One of a closed set of words. */
export function choiceField(choices: readonly string[]): Field {
  return field(`one of ${choices.map((word) => `"${word}"`).join(", ")}`, (value) => choices.some((word) => word === value));
}

/** An object with its own fields. */
export function objectField(fields: Fields): Field {
  return { ...field("an object", isObject), fields };
}

/** Whether a value is a Uint8Array, from any realm. */
export function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]";
}
