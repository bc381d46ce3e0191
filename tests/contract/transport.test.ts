/**
 * Runs the transport contract for the runtime that runs the tests, and for its fallback where there is one.
 *
 * Runs alone: it measures times.
 *
 * Covers lib/runtime/sockets/bun_net.ts, lib/runtime/sockets/node_connection.ts, lib/runtime/sockets/socket_fault.ts and
 * lib/runtime/sockets/unix_socket.ts.
 */

import { detectRuntime } from "../../lib/runtime/detect.ts";
import { NodeTransport } from "../../lib/runtime/sockets/node_net.ts";
import { transportSuite } from "./transport_suite.ts";

const runtime = detectRuntime();

transportSuite(runtime.name, runtime.transport);
if (runtime.name !== "bun") {
  transportSuite(`${runtime.name} by data events`, new NodeTransport(runtime.log, { sharedReadBuffer: false }));
}
