/**
 * The cluster scenarios with all servers in one process, on slow connections: node maps reach the nodes at different times
 * while many requests are in flight.
 */

import { InProcessDriver } from "./scenarios/in_process_driver.ts";
import { describeScenarios } from "./scenarios/scenarios.ts";

const LATENCY_MS_MAX = 12;

describeScenarios("cluster in one process", (runtime, directory, nodesMax) =>
  InProcessDriver.start(runtime, directory, nodesMax, LATENCY_MS_MAX),
);
