/** Runtime options for programs, the same for all adapters. */

import { choiceField, type FieldsOf, stringField } from "../base/given_fields.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from "../base/log_levels.ts";

/** What a program may choose about its runtime; everything has a default. */
export interface RuntimeOptions {
  /** The name in every log line, default `flare`. */
  readonly programName?: string;
  /** Lines of this level and more important ones are written, default `notice`. */
  readonly logLevel?: LogLevel;
  /** The file to append lines to, default the standard error. */
  readonly logPath?: string;
  /** How lines look, default `text`; `json` is one object per line. */
  readonly logFormat?: LogFormat;
}

/** The fields a program may pass. */
export const runtimeFields: FieldsOf<RuntimeOptions> = {
  programName: stringField,
  logLevel: choiceField(LOG_LEVELS),
  logPath: stringField,
  logFormat: choiceField(LOG_FORMATS),
};
