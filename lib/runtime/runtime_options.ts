/**
 * What a program may choose about its runtime, whichever adapter is picked.
 */

import { choiceField, type FieldsOf, stringField } from "../base/given_fields.ts";
import type { LogLevel } from "./runtime.ts";

export interface RuntimeOptions {
  /** Stands in every log line, default `flare`. */
  readonly programName?: string;
  /** The least important level that is still written, default `notice`. */
  readonly logLevel?: LogLevel;
  /** Lines are appended to this file, by default to the standard error. */
  readonly logPath?: string;
}

/** The levels of log lines, the most important first. */
export const LOG_LEVELS = ["error", "warning", "notice", "info", "debug"] as const satisfies readonly LogLevel[];

/** What a program may give. */
export const runtimeFields: FieldsOf<RuntimeOptions> = {
  programName: stringField,
  logLevel: choiceField(LOG_LEVELS),
  logPath: stringField,
};
