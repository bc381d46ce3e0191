/**
 * A `get` or `gets` whose line is too long to be kept. As in memcached it may have any length: its keys are looked up as they
 * arrive, in parts. Each part is a request whose answer has no `END`, except the last. The parts are executed one after the
 * other. After an error, which ends the answer, the rest of the line is skipped.
 */

import type { Command } from "../command.ts";

/** An incomplete line of this length is split, if it is a multi-get. */
export const PART_BYTES = 65536;

export class MultiGet {
  readonly command: Command;
  /** An error was answered. */
  hasFailed = false;
  /** A NUL has come, which ends the keys. */
  isCut = false;

  constructor(command: Command) {
    this.command = command;
  }
}
