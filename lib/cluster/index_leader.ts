/**
 * What an index server says that can pass a change of the node map on to no leader: the end of a `SERVER_ERROR` line. Our own
 * nodes and tools ask again; others see a refusal.
 */

/** No leader is known or can be reached: nothing was changed. */
export const NO_LEADER = "no index server leads now";
/** The leader got the change and did not answer: it may have been made. */
export const LEADER_SILENT = "the leading index server has not answered";

/** Whether an answer says that nothing was changed, because nobody leads now. */
export function isLeaderless(line: string): boolean {
  return line.startsWith("SERVER_ERROR ") && line.endsWith(`: ${NO_LEADER}`);
}

/** Whether an answer leaves it to be asked again: nobody leads now, or the leader has not answered. */
export function isUndecided(line: string): boolean {
  return isLeaderless(line) || (line.startsWith("SERVER_ERROR ") && line.endsWith(`: ${LEADER_SILENT}`));
}
