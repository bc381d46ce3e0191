/** All planted bugs. */

import type { PlantedBug } from "./bug.ts";
import { clusterBugs } from "./cluster_bugs.ts";
import { storageBugs } from "./storage_bugs.ts";

export const plantedBugs: readonly PlantedBug[] = [...storageBugs, ...clusterBugs];
