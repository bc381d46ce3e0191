/**
 * The health of a daemon over HTTP: `/livez`, whether it answers at all, and `/readyz`, whether it serves what its role is for.
 * What that takes, each daemon says itself. Pure.
 */

import { type HttpHandler, textResponse } from "./http_handler.ts";

/** Whether a daemon serves its role, and in one line why, or why not. */
export interface Readiness {
  readonly isReady: boolean;
  readonly reason: string;
}

/** The handlers of the health paths. */
export function healthRoutes(readiness: () => Readiness): Readonly<Record<string, HttpHandler>> {
  return {
    "/livez": async () => textResponse(200, "ok: it answers\n"),
    "/readyz": async () => {
      const { isReady, reason } = readiness();
      return textResponse(isReady ? 200 : 503, `${isReady ? "ok" : "not ready"}: ${reason.replaceAll(/\s+/g, " ")}\n`);
    },
  };
}

/** It serves. */
export function ready(reason: string): Readiness {
  return { isReady: true, reason };
}

/** It does not. */
export function notReady(reason: string): Readiness {
  return { isReady: false, reason };
}
