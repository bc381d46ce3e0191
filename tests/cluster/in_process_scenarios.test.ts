/** The cluster scenarios with all servers in one process. */

import { InProcessDriver } from "./scenarios/in_process_driver.ts";
import { describeScenarios } from "./scenarios/scenarios.ts";

describeScenarios("cluster in one process", (runtime, directory, nodesMax) =>
  InProcessDriver.start(runtime, directory, nodesMax),
);
