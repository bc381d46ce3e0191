/**
 * Carries out a flush of this cluster at another one: all of it if this cluster has one partition; else the keys of one, as
 * the others have flushes of their own in other logs. A C++ cluster is flushed node by node; it has no way to find the keys
 * of a partition.
 */

import { base64 } from "../../base/base64.ts";
import { EMPTY_BYTES, fromLatin1, latin1 } from "../../base/bytes.ts";
import { FlareError } from "../../base/errors.ts";
import { parseHostPort } from "../../base/host_port.ts";
import type { Peer } from "../../net/peer/peer.ts";
import { encodeFlush, FLUSH_QUERY, parseFlushPlan } from "../../protocol/flush_request.ts";
import { parseCursor, type ScanCursor } from "../../protocol/scan/scan_cursor.ts";
import { parseScanPage } from "../../protocol/scan/scan_page.ts";
import { encodeScan, SCAN_LIMIT_MAX } from "../../protocol/scan/scan_request.ts";
import { type ClientReply, ReplyShape } from "../../protocol/text/text_client.ts";

/** How it reaches the nodes of the other cluster. */
export interface FarNodes {
  /** The node that gets everything. */
  readonly first: Peer;
  /** Opens a connection to another one, which the caller closes. */
  connect(host: string, port: number): Peer;
}

/** `STAT <host:port>:role master` */
const ROLE = /^STAT (\S+):role (?:master|slave)$/;
/** Begins the cursor of the next page. */
const NEXT = "NEXT ";

/**
 * Drops everything at the other cluster. Harmless if it is repeated before anything else is sent.
 * @throws FlareError REFUSED | those of the connection
 */
export async function flushFar(nodes: FarNodes): Promise<void> {
  const { first } = nodes;
  if (await isOurs(first)) return expectOk(await ask(first, encodeFlush("now", "cluster")));
  const { body, line } = await first.request(fromLatin1("stats nodes\r\n"), ReplyShape.lines);
  const keys = latin1(body)
    .split("\r\n")
    .map((each) => ROLE.exec(each)?.[1])
    .filter((key) => key !== undefined);
  if (keys.length === 0) throw new FlareError("REFUSED", `it does not name its nodes, and answers "${line}" to "stats nodes"`);
  for (const key of keys) await flushNode(nodes, key);
}

/**
 * Removes the keys at the other cluster that are `owned` here; false: it cannot, because it runs the C++ Flare. Harmless if it
 * is repeated before anything else is sent.
 * @throws FlareError REFUSED | those of the connection
 */
export async function removeFar(peer: Peer, owned: (key: Uint8Array) => boolean): Promise<boolean> {
  if (!(await isOurs(peer))) return false;
  // A replica there that answered may not have had all of it yet.
  while ((await removeOnce(peer, owned)) > 0);
  return true;
}

async function removeOnce(peer: Peer, owned: (key: Uint8Array) => boolean): Promise<number> {
  let removed = 0;
  let cursor: ScanCursor | undefined;
  do {
    const query = { limit: SCAN_LIMIT_MAX, prefix: EMPTY_BYTES, cursor, values: false, part: undefined };
    const reply: ClientReply = await peer.request(encodeScan(query, ""), ReplyShape.scan);
    const page = parseScanPage(reply);
    if (page === undefined) throw new FlareError("REFUSED", `it answers "${reply.line}" to a scan`);
    const keys = page.items.map(({ key }) => key).filter(owned);
    const lines = keys.map((key) => peer.request(fromLatin1(`md ${base64(key)} b\r\n`), ReplyShape.line));
    for (const { line } of await Promise.all(lines)) {
      if (line === "HD") removed++;
      else if (line !== "NF") throw new FlareError("REFUSED", `it answers "${line}" to a deletion`);
    }
    cursor = page.lastKey === undefined ? undefined : parseCursor(reply.line.slice(NEXT.length));
  } while (cursor !== undefined);
  return removed;
}

/** Whether it runs this Flare. */
async function isOurs(peer: Peer): Promise<boolean> {
  const line = await ask(peer, FLUSH_QUERY);
  if (parseFlushPlan(line) !== undefined) return true;
  if (line === "ERROR") return false;
  throw new FlareError("REFUSED", `it answers "${line}" to "node flush"`);
}

async function flushNode(nodes: FarNodes, key: string): Promise<void> {
  const address = parseHostPort(key);
  if (address === undefined) throw new FlareError("REFUSED", `it names a node "${key}"`);
  const peer = nodes.connect(address.host, address.port);
  try {
    expectOk(await ask(peer, "flush_all\r\n"));
  } finally {
    peer.close();
  }
}

async function ask(peer: Peer, line: string): Promise<string> {
  return (await peer.request(fromLatin1(line), ReplyShape.line)).line;
}

function expectOk(line: string): void {
  if (line !== "OK") throw new FlareError("REFUSED", `it answers "${line}" to a flush`);
}
