/**
 * What a program may choose about its runtime, whichever adapter is picked.
 */

import { choiceField, type FieldsOf, stringField } from "../base/given_fields.ts";
import { LOG_LEVELS, type LogLevel } from "../base/log_levels.ts";

export interface RuntimeOptions {
  /** Stands in every log line, default `flare`. */
  readonly programName?: string;
  /** The least important level that is still written, default `notice`. */
  readonly logLevel?: LogLevel;
  /** Lines are appended to this file, by default to the standard error. */
  readonly logPath?: string;
}

/** What a program may give. */
export const runtimeFields: FieldsOf<RuntimeOptions> = {
  programName: stringField,
  logLevel: choiceField(LOG_LEVELS),
  logPath: stringField,
};
