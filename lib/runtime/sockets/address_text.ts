/** Addresses as text, in messages and in `Connection.peer`. Pure. */

import { formatHostPort } from "../../base/host_port.ts";
import type { Address } from "../runtime.ts";

/** An address in a message: `host:port` or the path of a UNIX socket. */
export function addressText(address: Address): string {
  return "path" in address ? address.path : formatHostPort(address.host, address.port);
}

/** `Connection.peer` of a connection to `address`. */
export function peerText(address: Address): string {
  return "path" in address ? ":0" : formatHostPort(address.host, address.port);
}
