/** The levels of the log, the most important first. */
export const LOG_LEVELS = ["error", "warning", "notice", "info", "debug"] as const;

/** What is logged unless something else is said. */
export const DEFAULT_LOG_LEVEL: LogLevel = "notice";

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Whether a level is at least as important as another. */
export function isAtLeast(level: LogLevel, other: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(other);
}
