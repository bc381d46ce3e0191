/** The levels and the forms of the log. Pure. */

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

/** How lines of the log look: for people, in colour where that is a terminal; or one object of JSON each, for programs. */
export const LOG_FORMATS = ["text", "json"] as const satisfies readonly LogFormat[];

/** How lines look unless something else is said. */
export const DEFAULT_LOG_FORMAT: LogFormat = "text";

/** A form of the log: `text` or `json`. */
export type LogFormat = "text" | "json";
