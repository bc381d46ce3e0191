/** The cluster scenarios with a process for each server, on Node, Deno and Bun mixed. */

import { ProcessDriver } from "./scenarios/process_driver.ts";
import { describeScenarios } from "./scenarios/scenarios.ts";

describeScenarios("cluster of processes", (runtime, directory, nodesMax) => ProcessDriver.start(runtime, directory, nodesMax));
