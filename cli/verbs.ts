/** All verbs of `flare` that run or operate a cluster, in the order of its help. */

import type { Command } from "commander";
import { backupCommand } from "./admin_backup.ts";
import { benchCommand } from "./admin_bench.ts";
import { callCommand } from "./admin_call.ts";
import { changeCommands } from "./admin_changes.ts";
import { dataCommands } from "./admin_data.ts";
import { reportCommands } from "./admin_reports.ts";
import { requestCommands } from "./admin_requests.ts";
import { restoreCommand } from "./admin_restore.ts";
import { scanCommands } from "./admin_scan.ts";
import { topCommand } from "./admin_top.ts";
import { watchCommand } from "./admin_watch.ts";
import { upCommand } from "./up.ts";

/** The verbs; those that describe the program itself are not among them. */
export function clusterVerbs(): Command[] {
  return [
    upCommand(),
    ...reportCommands(),
    topCommand(),
    ...requestCommands(),
    watchCommand(),
    ...changeCommands(),
    ...dataCommands(),
    backupCommand(),
    restoreCommand(),
    ...scanCommands(),
    callCommand(),
    benchCommand(),
  ];
}
