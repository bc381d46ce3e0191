/** All fuzz targets, in the order they are run. */

import type { FuzzTarget } from "./fuzz_target.ts";
import { comparisonTarget } from "./targets/comparisons.ts";
import { httpBodyTarget } from "./targets/http_bodies.ts";
import { httpTarget } from "./targets/http_requests.ts";
import { httpServiceTarget } from "./targets/http_service.ts";
import { indexTarget } from "./targets/index_sessions.ts";
import { lockedTarget } from "./targets/locked_sessions.ts";
import { accessListTarget, authFileTarget, loginTarget } from "./targets/logins.ts";
import { dumpFileTarget, dumpTarget, replyTarget, valuesTarget } from "./targets/reply_parsers.ts";
import { binaryTarget, scanTarget, textTarget } from "./targets/request_parsers.ts";
import { forwardingTarget, orderTarget, sessionTarget } from "./targets/sessions.ts";
import { flareXmlTarget, logTarget, nodeMapTarget, optionsTarget } from "./targets/stored_texts.ts";
import { tlsTarget } from "./targets/tls_handshake.ts";

export const TARGETS: readonly FuzzTarget[] = [
  textTarget,
  binaryTarget,
  scanTarget,
  comparisonTarget,
  replyTarget,
  dumpTarget,
  dumpFileTarget,
  valuesTarget,
  nodeMapTarget,
  flareXmlTarget,
  optionsTarget,
  logTarget,
  loginTarget,
  authFileTarget,
  accessListTarget,
  sessionTarget,
  orderTarget,
  forwardingTarget,
  lockedTarget,
  indexTarget,
  httpTarget,
  httpServiceTarget,
  httpBodyTarget,
  tlsTarget,
];
