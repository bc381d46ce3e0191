/**
 * A `get` or `gets` whose line is longer than anybody wants to keep. As in memcached it may have any length: its keys are
 * asked for as they arrive, in parts, each of them a request of its own whose answer has no `END`; the last one has it. The
 * parts are carried out one after the other. After an error, which ends the answer, the rest of the line is passed over.
 */

import type { Command } from "../command.ts";

/** A line without an end that is as long as this is taken apart, if it is a multi-get. */
export const PART_BYTES = 65536;

export class MultiGet {
  readonly command: Command;
  /** An error has been answered. */
  hasFailed = false;
  /** A NUL has come, which ends the keys. */
  isCut = false;

  constructor(command: Command) {
    this.command = command;
  }
}
