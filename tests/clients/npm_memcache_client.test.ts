/** The npm client `memcache-client` (text protocol), which encodes by the type of the value and accepts arbitrary commands. */

import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { assertEquals, assertRejects } from "@std/assert";
import { MemcacheClient } from "memcache-client";
import { VERSION } from "../../mod.ts";
import { BY_TLS, type Entry } from "../support/client_cluster.ts";
import { type Conversation, describeConversations } from "../support/client_conversation.ts";
import { BINARY, commonItems, LARGE, LIFETIME_SECONDS, MANY, PAST, QUIET, TEXT, TOO_LARGE } from "../support/client_items.ts";
import { waitUntil } from "../support/daemon.ts";

/** The client's default time for items that never expire, unless each call says otherwise. */
const DEFAULT_LIFETIME_SECONDS = 60;
const ITEMS = {
  ...commonItems({ text: 0, bytes: 0, counter: 4 }, ["binary"]),
  bytes: { flags: 8, value: BINARY },
  packed: { flags: 2, value: '{"list":[1,2.5,null]}' },
};

const conversation: Conversation = {
  name: "memcache-client",
  stored: Object.fromEntries(
    Object.entries(ITEMS).map(([key, item]) => [key, item && { lifetimeSeconds: DEFAULT_LIFETIME_SECONDS, ...item }]),
  ),
  async hold(servers, prefix, entry) {
    const client = create(servers, entry);
    const key = (name: string): string => `${prefix}:${name}`;
    const get = async (name: string): Promise<unknown> => (await client.get<unknown>(key(name)))?.value;
    const refused = (call: Promise<unknown>, answer: string): Promise<unknown> => assertRejects(() => call, Error, answer);
    assertEquals([await client.set(key("text"), TEXT), await get("text")], [["STORED"], TEXT]);
    assertEquals(await get("missing"), undefined);
    await client.set(key("bytes"), Buffer.from(BINARY, "latin1"));
    assertEquals(Buffer.from((await get("bytes")) as Uint8Array).toString("latin1"), BINARY);
    await client.set(key("large"), LARGE);
    assertEquals((await get("large")) === LARGE, true);
    assertEquals([await client.set(key("empty"), ""), await get("empty")], [["STORED"], ""]);
    await client.set(key("packed"), { list: [1, 2.5, null] });
    assertEquals(await get("packed"), { list: [1, 2.5, null] });
    await client.add(key("added"), "1");
    await refused(client.add(key("added"), "2"), "NOT_STORED");
    await client.replace(key("added"), "3");
    await refused(client.replace(key("missing"), "3"), "NOT_STORED");
    await client.set(key("joined"), "middle");
    await client.append(key("joined"), ">");
    await client.prepend(key("joined"), "<");
    await refused(client.append(key("missing"), ">"), "NOT_STORED");

    await client.set(key("swapped"), "first");
    const { casUniq } = await client.gets(key("swapped"));
    await client.cas(key("swapped"), "second", { casUniq });
    await refused(client.cas(key("swapped"), "third", { casUniq }), "EXISTS");
    await refused(client.cas(key("missing"), "third", { casUniq }), "NOT_FOUND");

    await client.set(key("counter"), 40);
    assertEquals([await client.incr(key("counter"), 5), await client.decr(key("counter"), 3)], ["45", "42"]);
    await refused(client.incr(key("missing"), 1), "NOT_FOUND");
    await refused(client.incr(key("text"), 1), "CLIENT_ERROR cannot increment or decrement non-numeric value");

    await client.set(key("lasting"), "x");
    assertEquals(await client.touch(key("lasting"), LIFETIME_SECONDS), ["TOUCHED"]);
    await refused(client.touch(key("missing"), 1), "NOT_FOUND");
    await client.set(key("fading"), "x", { lifetime: LIFETIME_SECONDS });
    assertEquals([await client.set(key("expired"), "x", { lifetime: PAST }), await get("expired")], [["STORED"], undefined]);
    await client.set(key("removed"), "x");
    assertEquals(await client.delete(key("removed")), ["DELETED"]);
    await refused(client.delete(key("removed")), "NOT_FOUND");

    // All at once: the client writes them one behind the other, without waiting for answers.
    const many = Array.from({ length: MANY }, (_, number) => String(number));
    await Promise.all(many.map((number) => client.set(key(`many-${number}`), number)));
    const found = (await client.get(many.map((number) => key(`many-${number}`)))) as unknown as Record<
      string,
      { readonly value: string }
    >;
    assertEquals(
      many.map((number) => found[key(`many-${number}`)]?.value),
      many,
    );
    for (let number = 0; number < QUIET; number++) await client.set(key(`quiet-${number}`), String(number), { noreply: true });
    // A list of servers counts as replicas, of which each request takes any.
    await waitUntil(async () => (await get("quiet-42")) === "42", "what was written with noreply");

    await refused(client.set(key("too-large"), TOO_LARGE), "SERVER_ERROR object too large for cache");
    assertEquals(await get("text"), TEXT);
    assertEquals((await client.version())[1], VERSION);
    const { STAT } = await client.cmd<{ readonly STAT: readonly (readonly string[])[] }>("stats");
    assertEquals(new Map(STAT as [string, string][]).get("version"), VERSION);
    client.shutdown();
  },
  async flush(servers, entry) {
    // A command like this goes to one of its servers.
    for (const server of servers) {
      const client = create([server], entry);
      assertEquals(await client.cmd("flush_all"), ["OK"]);
      client.shutdown();
    }
  },
};

describeConversations("clients for JavaScript, npm", [conversation]);
describeConversations("clients for JavaScript, npm, by TLS", [conversation], BY_TLS);

function create(servers: readonly string[], { authority }: Entry): MemcacheClient {
  const list = servers.map((server) => ({ server, maxConnections: 1 }));
  return new MemcacheClient({
    server: { servers: list },
    cmdTimeout: 20000,
    ...(authority === undefined ? {} : { tls: { ca: readFileSync(authority) } }),
  });
}
