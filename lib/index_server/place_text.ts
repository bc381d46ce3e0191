/** Where a service with several servers has the node map, in the form of `index-db`. Pure. */

import { formatHostPort, type HostPort } from "../base/host_port.ts";
import type { TlsClient } from "../runtime/runtime.ts";

/** @param scheme without TLS @param path what follows the servers, from the slash on */
export function placeText(
  scheme: string,
  { members, tls }: { readonly members: readonly HostPort[]; readonly tls?: TlsClient | undefined },
  path: string,
): string {
  const servers = members.map(({ host, port }) => formatHostPort(host, port)).join(",");
  return `${scheme}${tls === undefined ? "" : "s"}://${servers}${path}`;
}
