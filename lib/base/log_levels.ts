/** The levels of the log, the most important first. */
export const LOG_LEVELS = ["error", "warning", "notice", "info", "debug"] as const satisfies readonly LogLevel[];

/** What is logged unless something else is said. */
export const DEFAULT_LOG_LEVEL: LogLevel = "notice";

/** What is logged by servers that a program starts without saying more: a library is quiet. */
export const LIBRARY_LOG_LEVEL: LogLevel = "warning";

/** A level of the log, the most important first: `error`, `warning`, `notice`, `info`, `debug`. */
export type LogLevel = "error" | "warning" | "notice" | "info" | "debug";

/** Whether a level is at least as important as another. */
export function isAtLeast(level: LogLevel, other: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(other);
}
