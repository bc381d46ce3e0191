/**
 * The JSON that changes over HTTP bring, and keys in URLs: understood or refused, never misread. What is understood as a change
 * names nodes that fit into one line of the protocol.
 */

import { base64url, decodeBase64url } from "../../../lib/base/base64.ts";
import { latin1 } from "../../../lib/base/bytes.ts";
import type { SimRandom } from "../../../lib/testing/sim_random.ts";
import { askedChange } from "../../../lib/web/change_request.ts";
import { parsedBody } from "../../../lib/web/json_body.ts";
import type { Met } from "../fuzz_target.ts";
import { corruption, kindOf, pureTarget } from "./reply_parsers.ts";

const VERBS = [
  "promote",
  "down",
  "activate",
  "reconstruct",
  "remove",
  "balance",
  "master",
  "slave",
  "part",
  "role",
  "",
  "__proto__",
];
const NODES = ["127.0.0.1:12121", "node-2.example:1", "[::1]:2", "a b:1", "a:1\r\nflush_all", ":1", "a:", "a:99999999", ""];
const VALUES: readonly unknown[] = [0, 1, -1, 1.5, 2 ** 31, 1e300, "1", true, null, [], {}];
const NAMES = ["clean", "unsafe", "activate", "keepFormer", "retries", "dryRun", "confirm", "constructor", "x"];

export const httpBodyTarget = pureTarget(
  "http_bodies",
  "a body is a change whose nodes fit into a line of the protocol, or is refused; keys in URLs survive a round trip",
  body,
  run,
);

function body(random: SimRandom): string {
  const value = (): unknown => (random.chance(0.5) ? random.chance(0.5) : random.pick(VALUES));
  const fields: [string, unknown][] = [["verb", random.chance(0.95) ? random.pick(VERBS) : value()]];
  const nodes = Array.from({ length: random.between(0, 3) }, () => random.pick(NODES));
  if (random.chance(0.5)) fields.push(["nodes", random.chance(0.9) ? nodes : value()]);
  const target = (node: string): unknown =>
    random.chance(0.9)
      ? { node, balance: random.pick([0, 1, -1, "1"]), ...(random.chance(0.8) ? { partition: random.pick([0, 1, 1.5]) } : {}) }
      : value();
  if (random.chance(0.5)) fields.push(["targets", random.chance(0.9) ? nodes.map(target) : value()]);
  const options = Object.fromEntries(Array.from({ length: random.between(0, 2) }, () => [random.pick(NAMES), value()]));
  if (random.chance(0.5)) fields.push(["options", random.chance(0.9) ? options : value()]);
  if (random.chance(0.3)) fields.push([random.pick(NAMES), value()]);
  return JSON.stringify(Object.fromEntries(fields));
}

function run(input: Uint8Array): Met {
  const met = new Set<string>();
  const key = decodeBase64url(base64url(input));
  if (key === undefined || latin1(key) !== latin1(input)) throw new Error("a key that does not survive");
  const text = latin1(input);
  const bytes = decodeBase64url(text);
  met.add(bytes === undefined ? "no key" : "key");
  if (bytes !== undefined && decodeBase64url(base64url(bytes))?.length !== bytes.length) throw new Error("another key");
  try {
    const asked = askedChange(parsedBody(input));
    for (const { node } of asked.change.planners) {
      if (!/^\S+:\d{1,5}$/.test(node)) throw new Error(`a node that is no word: ${JSON.stringify(node)}`);
    }
    if (asked.text.length > 300) throw new Error("an endless text");
    met.add(`${asked.text.split(" ")[0]} ${asked.isDryRun} ${asked.isConfirmed}`);
  } catch (error) {
    met.add(kindOf(corruption(error, "INVALID_OPTION")).split(":", 1)[0] as string);
  }
  return met;
}
