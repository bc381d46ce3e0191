/** Checks that what a program passes as a runtime is one. */

import { type Field, field, wrongValue } from "../base/given_fields.ts";
import type { Runtime } from "../runtime/runtime.ts";

const allowed = "a runtime, such as the result of detectRuntime()";
const parts: readonly (keyof Runtime)[] = ["transport", "clock", "random", "files", "log", "process"];

/** A runtime as a field of an object. */
export const runtimeField: Field = field(allowed, isRuntime);

/** @throws FlareError INVALID_OPTION */
export function checkRuntime(runtime: unknown): void {
  if (!isRuntime(runtime)) throw wrongValue("the first argument", runtime, allowed);
}

function isRuntime(value: unknown): boolean {
  return typeof value === "object" && value !== null && parts.every((part) => part in value);
}
