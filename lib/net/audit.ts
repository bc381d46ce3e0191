/**
 * The line in the log of what an operator has a server do, in one form wherever it comes from: who, from where, by what, what,
 * and what became of it. Pure.
 */

import type { ClientIdentity } from "./auth/access_list.ts";

/**
 * One line, level notice.
 * @example auditLine(client, "http", "promote 10.0.0.2:12121", "done")
 * // audit who="user:ann" from="10.0.0.7:40612" via="http" what="promote 10.0.0.2:12121" result="done"
 */
export function auditLine(client: ClientIdentity, via: "http" | "memcached", what: string, result: string): string {
  const fields = { who: whoIs(client), from: client.peer, via, what, result };
  return `audit ${Object.entries(fields)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(" ")}`;
}

/** The user of the login, the name in the certificate, or nobody by name. */
function whoIs({ user, certificateName }: ClientIdentity): string {
  if (user !== undefined) return `user:${user}`;
  return certificateName === undefined ? "anybody" : `cert:${certificateName}`;
}
