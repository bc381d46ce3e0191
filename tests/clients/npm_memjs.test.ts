/** The npm client `memjs` (binary protocol): every command it has. Values are bytes; it distributes keys with its own hash. */

import { Buffer } from "node:buffer";
import { assertEquals, assertRejects } from "@std/assert";
import { Client } from "memjs";
import { BY_LOGIN, type Login } from "../support/client_cluster.ts";
import { type Conversation, describeConversations } from "../support/client_conversation.ts";
import { BINARY, commonItems, LARGE, LIFETIME_SECONDS, MANY, PAST, TEXT, TOO_LARGE } from "../support/client_items.ts";

const conversation: Conversation = {
  name: "memjs",
  // Its prepend appends: it sends the opcode of append.
  stored: {
    joined: { flags: 0, value: "middle><" },
    ...commonItems({ text: 0, bytes: 0, counter: 0 }, ["swapped", "quiet-42", "joined"]),
  },
  async hold(servers, prefix, { login }) {
    const client = create(servers, login);
    const key = (name: string): string => `${prefix}:${name}`;
    const get = async (name: string): Promise<string | undefined> => {
      const { value } = await client.get(key(name));
      return value === null ? undefined : new TextDecoder().decode(value);
    };
    assertEquals([await client.set(key("text"), TEXT), await get("text")], [true, TEXT]);
    assertEquals(await get("missing"), undefined);
    assertEquals(await client.set(key("binary"), Buffer.from(BINARY, "latin1")), true);
    assertEquals([await client.set(key("large"), LARGE), (await get("large")) === LARGE], [true, true]);
    assertEquals([await client.set(key("empty"), ""), await get("empty")], [true, ""]);
    assertEquals([await client.add(key("added"), "1", {}), await client.add(key("added"), "2", {})], [true, false]);
    assertEquals([await client.replace(key("added"), "3", {}), await client.replace(key("missing"), "3", {})], [true, false]);
    await client.set(key("joined"), "middle");
    assertEquals([await client.append(key("joined"), ">"), await client.prepend(key("joined"), "<")], [true, true]);
    await assertRejects(() => client.append(key("missing"), ">"), Error, "Item not stored");

    assertEquals(await client.increment(key("counter"), 5, { initial: 40 }), { success: true, value: 40 });
    assertEquals(await client.increment(key("counter"), 5, {}), { success: true, value: 45 });
    assertEquals(await client.decrement(key("counter"), 3, {}), { success: true, value: 42 });
    await assertRejects(() => client.increment(key("text"), 1, {}), Error, "Incr/Decr on non-numeric value");

    await client.set(key("lasting"), "x");
    assertEquals(await client.touch(key("lasting"), LIFETIME_SECONDS), true);
    assertEquals(await client.touch(key("missing"), 1), false);
    assertEquals(await client.set(key("fading"), "x", { expires: LIFETIME_SECONDS }), true);
    assertEquals([await client.set(key("expired"), "x", { expires: PAST }), await get("expired")], [true, undefined]);
    await client.set(key("removed"), "x");
    assertEquals([await client.delete(key("removed")), await client.delete(key("removed"))], [true, false]);

    // All at once: the client writes them one behind the other, without waiting for answers.
    const many = Array.from({ length: MANY }, (_, number) => String(number));
    const sets = await Promise.all(many.map((number) => client.set(key(`many-${number}`), number)));
    assertEquals(new Set(sets), new Set([true]));
    assertEquals(await Promise.all(many.map((number) => get(`many-${number}`))), many);

    await assertRejects(() => client.set(key("too-large"), TOO_LARGE), Error, "Value too large");
    assertEquals(await get("text"), TEXT);
    client.close();
  },
  async flush(servers, { login }) {
    const client = create(servers, login);
    assertEquals(await client.flush(), Object.fromEntries(servers.map((server) => [server, true])));
    client.close();
  },
};

describeConversations("clients for JavaScript, npm", [conversation]);
describeConversations("clients for JavaScript, npm, with a login", [conversation], BY_LOGIN);

/** A client that gives up at once and says nothing of it by itself. */
function create(servers: readonly string[], login?: Login): Client {
  return Client.create(servers.join(","), {
    ...{ retries: 1, timeout: 20, logger: { log: () => undefined } },
    ...(login === undefined ? {} : { username: login.user, password: login.password }),
  });
}
