/** `flare top`: the nodes of a cluster with what they do now, as a live view in a terminal, else one table after the other. */

import process from "node:process";
import { type Command, Option } from "commander";
import type { ClusterAdmin } from "../lib/admin/cluster_admin.ts";
import { ClusterPoll, type ClusterSight } from "../lib/admin/cluster_poll.ts";
import { sortSights, TOP_ORDERS, type TopOrder, topHeader, topRecord, topTable } from "../lib/admin/top_table.ts";
import { FlareError } from "../lib/base/errors.ts";
import { sleep } from "../lib/base/sleep.ts";
import { addTableOptions, countOption, createVerb, secondsOption, withAdmin } from "./admin_connection.ts";
import { paintFor, tableStyle } from "./colours.ts";
import { LiveScreen } from "./live_screen.ts";
import { printLines } from "./output.ts";

const help = `
get/s, set/s and hit% are those of the time between two looks; "-" is what is not known. "p99 ms": 99 % of
a sample of the last minute's requests took no longer. lag and "lag s" are how many
changes a slave lacks, and for how long. memory is that of the items in memory, disk what the node has stored.

In a terminal: q ends, s sorts by the next column, S by the one before, the space bar looks again at once. Without a terminal,
and with --plain, one table follows the other; -o json prints one line of JSON for each look.`;

/** How long the first look waits for nodes, at most: then they count as silent. */
const firstLookMs = 1000;
const leastWaitSeconds = 0.1;
const quitKeys = new Set(["q", "Q", "\x03", "\x1b"]);

interface TopFlags {
  readonly wait: string;
  readonly count: string;
  readonly sort: TopOrder;
  readonly plain?: true;
  readonly outputFormat: "table" | "json";
}

/** The verb. */
export function topCommand(): Command {
  const command = addTableOptions(createVerb("top", "show what the nodes do now, again and again"))
    .option("-w, --wait <seconds>", "pause between two looks", "2")
    .option("-c, --count <n>", "number of looks; 0 repeats until interrupted", "0")
    .addOption(new Option("-s, --sort <column>", "the order of the nodes").choices(TOP_ORDERS).default("node"))
    .option("--plain", "one table after the other, in a terminal, too")
    .addHelpText("after", help);
  return command.action((flags: TopFlags) =>
    withAdmin(command, (admin) => {
      const waitMs = secondsOption("wait", flags.wait, 2);
      if (waitMs < leastWaitSeconds * 1000)
        throw new FlareError("INVALID_OPTION", `option "wait": "${flags.wait}" is less than ${leastWaitSeconds}`);
      const count = countOption("count", flags.count, 0);
      const isLive = process.stdout.isTTY === true && flags.plain === undefined && flags.outputFormat === "table";
      return isLive ? live(admin, waitMs, count, flags.sort) : oneAfterTheOther(admin, waitMs, count, flags);
    }),
  );
}

async function oneAfterTheOther(
  admin: ClusterAdmin,
  waitMs: number,
  count: number,
  { sort, outputFormat }: TopFlags,
): Promise<void> {
  const poll = new ClusterPoll(admin);
  // The first look is only what the rates of the second one begin with.
  await poll.look(firstLookMs);
  const style = tableStyle();
  for (let round = 1; count === 0 || round <= count; round++) {
    await sleep(admin.runtime.clock, waitMs, true);
    const sight = await poll.look(patienceMs(waitMs));
    const nodes = sortSights(sight.nodes, sort);
    if (outputFormat === "json")
      await printLines([JSON.stringify(topRecord({ ...sight, nodes }, new Date(sight.atMs).toISOString()))]);
    else await printLines([...(round > 1 ? [""] : []), ...topHeader(sight, timeText(sight), style), ...topTable(nodes, style)]);
  }
}

/** The live view, until the user ends it or after `count` looks. */
async function live(admin: ClusterAdmin, waitMs: number, count: number, firstOrder: TopOrder): Promise<void> {
  const poll = new ClusterPoll(admin);
  // Before the screen, so that a wrong address is an ordinary error.
  let sight = await poll.look(firstLookMs);
  let order = firstOrder;
  let isOver = false;
  let wake: () => void = () => undefined;
  const end = (): void => {
    isOver = true;
    wake();
  };
  const draw = (): void => screen.draw(picture(sight, order, screen.size.rows));
  const screen = new LiveScreen({
    onKey(key) {
      if (quitKeys.has(key)) end();
      else if (key === " ") wake();
      else if (key === "s" || key === "S") {
        order = nextOrder(order, key === "s" ? 1 : -1);
        draw();
      }
    },
    onResize: draw,
    onStop: end,
  });
  try {
    for (let round = 1; ; round++) {
      draw();
      if (isOver || round === count) return;
      await Promise.race([
        // It keeps nothing alive: the program ends at once.
        sleep(admin.runtime.clock, waitMs),
        new Promise<void>((resolve) => {
          wake = resolve;
        }),
      ]);
      if (isOver) return;
      sight = await poll.look(patienceMs(waitMs));
    }
  } finally {
    screen.close();
  }
}

/** How long a look waits for nodes: not so long that the view seems to stand still. */
function patienceMs(waitMs: number): number {
  return Math.max(waitMs, firstLookMs);
}

function nextOrder(order: TopOrder, by: 1 | -1): TopOrder {
  const count = TOP_ORDERS.length;
  return TOP_ORDERS[(TOP_ORDERS.indexOf(order) + by + count) % count] as TopOrder;
}

/** The lines of the screen; nodes that do not fit are counted in the last one. */
function picture(sight: ClusterSight, order: TopOrder, rows: number): string[] {
  const style = tableStyle();
  const header = [...topHeader(sight, timeText(sight), style), ""];
  const table = topTable(sortSights(sight.nodes, order), style);
  const foot = (left: number): string =>
    `sorted by ${order}${left === 0 ? "" : `; ${left} more nodes below`}; q ends, s sorts by another column`;
  const room = Math.max(1, rows - header.length - 2);
  const shown = table.slice(0, room);
  return [...header, ...shown, "", paintFor()(foot(table.length - shown.length), "title")];
}

function timeText({ atMs }: ClusterSight): string {
  return new Date(atMs).toTimeString().slice(0, 8);
}
