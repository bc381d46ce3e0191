/**
 * Conversations of clients with a cluster. Each is held through the proxy alone, and with all nodes of the cluster as the
 * client's list of servers; afterwards the test looks, over connections of its own, at what the client has stored, and
 * at last whether the client's flush reaches every node of its list.
 */

import { after, before, describe, it } from "node:test";
import { assertRejects } from "@std/assert";
import { ClientCluster, type Entry, type StoredItem } from "./client_cluster.ts";
import { certificatePath } from "./test_certificates.ts";

/** What one client does with a cluster, in one of its protocols. */
export interface Conversation {
  readonly name: string;
  /** Why it cannot be held here. */
  readonly skip?: string | false;
  /** Talks to the servers (`host:port`) about keys `<prefix>:<name>`. @throws Error when an answer is not what it should be */
  hold(servers: readonly string[], prefix: string, entry: Entry): Promise<void>;
  /** Tells every server to forget everything. */
  flush(servers: readonly string[], entry: Entry): Promise<void>;
  /** What it leaves, by the part of the key behind the prefix; undefined = nothing. */
  readonly stored: Readonly<Record<string, StoredItem | undefined>>;
}

/**
 * The tests of some clients, with one cluster for all.
 * @param entry what the cluster asks for: clients without it are turned away
 */
export function describeConversations(title: string, conversations: readonly Conversation[], entry: Entry = {}): void {
  describe(title, () => {
    let cluster: ClientCluster;

    before(async () => {
      cluster = await ClientCluster.start(entry);
    });

    after(async () => {
      await cluster.stop();
    });

    for (const [number, { name, skip = false, stored, hold, flush }] of conversations.entries()) {
      it(`${name} says and hears what it should`, { skip }, async () => {
        for (const servers of [[cluster.proxy], cluster.servers]) {
          const prefix = `client-${number}-${servers.length}`;
          await hold(servers, prefix, entry);
          for (const [key, item] of Object.entries(stored)) {
            if (item === undefined) await cluster.assertMissing(`${prefix}:${key}`);
            else await cluster.assertStored(`${prefix}:${key}`, item);
          }
        }
        await flush(cluster.servers, entry);
        for (const key of Object.keys(stored)) await cluster.assertMissing(`client-${number}-1:${key}`);
      });

      const wrong = wrongEntry(entry);
      if (wrong === undefined) continue;
      it(`${name} ${wrong.consequence}`, { skip }, async () => {
        await assertRejects(() => hold([cluster.proxy], "unknown", wrong));
        for (const key of Object.keys(stored)) await cluster.assertMissing(`unknown:${key}`);
      });
    }
  });
}

/** Almost what is needed, and what comes of it. */
function wrongEntry(entry: Entry): (Entry & { readonly consequence: string }) | undefined {
  const { login, authority } = entry;
  if (login !== undefined) {
    return { ...entry, login: { ...login, password: "Secret" }, consequence: "is turned away with a wrong password" };
  }
  if (authority === undefined) return undefined;
  return { authority: certificatePath("stranger_ca.pem"), consequence: "turns away servers that another authority knows" };
}
