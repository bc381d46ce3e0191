/**
 * What a program may choose about its runtime, whichever adapter is picked. Types only.
 */

import type { LogLevel } from "./runtime.ts";

export interface RuntimeOptions {
  /** Stands in every log line, default `flare`. */
  readonly programName?: string;
  /** The least important level that is still written, default `notice`. */
  readonly logLevel?: LogLevel;
}
