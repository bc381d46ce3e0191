/** The text of a leader in a coordinator: `host:port`, a space, and since when it leads in milliseconds since 1970. Pure. */

import { FlareError } from "../base/errors.ts";
import { formatHostPort, parseHostPort } from "../base/host_port.ts";
import type { Leader } from "./coordinator.ts";

/** The text of a leader. */
export function encodeLeader({ address, sinceMs }: Leader): string {
  return `${formatHostPort(address.host, address.port)} ${Math.floor(sinceMs)}`;
}

/** Reads such a text. @param place where it is, for the error @throws FlareError CORRUPT */
export function decodeLeader(text: string, place: string): Leader {
  const [, name = "", digits] = /^(\S+) (\d{1,15})$/.exec(text) ?? [];
  const address = parseHostPort(name);
  if (address !== undefined) return { address, sinceMs: Number(digits) };
  throw new FlareError("CORRUPT", `${place} names no leading index server: "${text.slice(0, 80)}"; remove it`);
}
