/** The npm client `memcache` (text protocol, values are texts; binary protocol connection by connection). */

import { assertEquals } from "@std/assert";
import { createNode, Memcache } from "memcache";
import { BY_LOGIN, type Login, VALUE_BYTES_MAX } from "../support/client_cluster.ts";
import { type Conversation, describeConversations } from "../support/client_conversation.ts";
import { commonItems, LARGE, LIFETIME_SECONDS, MANY, PAST, TEXT, TOO_LARGE } from "../support/client_items.ts";

const NO_SWAP = ["binary", "quiet-42", "swapped"];

const text: Conversation = {
  name: "memcache (text protocol)",
  stored: { ...commonItems({ text: 0, bytes: 0, counter: 0 }, NO_SWAP), flagged: { flags: 77, value: "x" } },
  async hold(servers, prefix) {
    const client = new Memcache({
      nodes: [...servers],
      maxValueSize: 2 * VALUE_BYTES_MAX,
      maxExpiration: PAST,
      timeout: 20000,
    });
    const key = (name: string): string => `${prefix}:${name}`;
    assertEquals([await client.set(key("text"), TEXT), await client.get(key("text"))], [true, TEXT]);
    assertEquals(await client.get(key("missing")), undefined);
    assertEquals([await client.set(key("large"), LARGE), (await client.get(key("large"))) === LARGE], [true, true]);
    assertEquals([await client.set(key("empty"), ""), await client.get(key("empty"))], [true, ""]);
    assertEquals([await client.set(key("flagged"), "x", 0, 77), await client.get(key("flagged"))], [true, "x"]);
    assertEquals([await client.add(key("added"), "1"), await client.add(key("added"), "2")], [true, false]);
    assertEquals([await client.replace(key("added"), "3"), await client.replace(key("missing"), "3")], [true, false]);
    await client.set(key("joined"), "middle");
    assertEquals([await client.append(key("joined"), ">"), await client.prepend(key("joined"), "<")], [true, true]);
    assertEquals(await client.append(key("missing"), ">"), false);
    // There is no gets that would tell the unique; that of the first write is 1.
    await client.set(key("changed"), "first");
    assertEquals(
      [await client.cas(key("changed"), "second", "1"), await client.cas(key("changed"), "third", "1")],
      [true, false],
    );

    await client.set(key("counter"), "40");
    assertEquals([await client.incr(key("counter"), 5), await client.decr(key("counter"), 3)], [45, 42]);
    assertEquals([await client.incr(key("missing"), 1), await client.incr(key("text"), 1)], [undefined, undefined]);

    await client.set(key("lasting"), "x");
    assertEquals(await client.touch(key("lasting"), LIFETIME_SECONDS), true);
    assertEquals(await client.touch(key("missing"), 1), false);
    assertEquals(await client.set(key("fading"), "x", LIFETIME_SECONDS), true);
    assertEquals([await client.set(key("expired"), "x", PAST), await client.get(key("expired"))], [true, undefined]);
    await client.set(key("removed"), "x");
    assertEquals([await client.delete(key("removed")), await client.delete(key("removed"))], [true, false]);

    // All at once: the client writes them one behind the other, without waiting for answers.
    const many = Array.from({ length: MANY }, (_, number) => String(number));
    const sets = await Promise.all(many.map((number) => client.set(key(`many-${number}`), number)));
    assertEquals(new Set(sets), new Set([true]));
    const found = await client.gets([...many.map((number) => key(`many-${number}`)), key("missing")]);
    assertEquals(Object.fromEntries(found), Object.fromEntries(many.map((number) => [key(`many-${number}`), number])));

    assertEquals([await client.set(key("too-large"), TOO_LARGE), await client.get(key("text"))], [false, TEXT]);
    assertEquals([...(await client.version()).keys()].sort(), [...servers].sort());
    const stats = await client.stats();
    assertEquals([stats.size, Number(stats.get(servers[0] ?? "")?.cmd_get) >= 0], [servers.length, true]);
    await client.disconnect();
  },
  async flush(servers) {
    const client = new Memcache({ nodes: [...servers] });
    assertEquals(await client.flush(), true);
    await client.disconnect();
  },
};

const binary: Conversation = {
  name: "memcache (binary protocol)",
  stored: commonItems({ text: 0, bytes: 0, counter: 0 }, [...NO_SWAP, "large", "many-7"]),
  async hold(servers, prefix, { login }) {
    // The client has this protocol for single connections only.
    for (const server of servers) {
      const client = await connect(server, login);
      const key = (name: string): string => `${prefix}:${name}`;
      assertEquals([await client.binarySet(key("text"), TEXT), await client.binaryGet(key("text"))], [true, TEXT]);
      assertEquals(await client.binaryGet(key("missing")), undefined);
      // It takes an empty value for none.
      assertEquals([await client.binarySet(key("empty"), ""), await client.binaryGet(key("empty"))], [true, undefined]);
      await client.binaryDelete(key("added"));
      assertEquals([await client.binaryAdd(key("added"), "1"), await client.binaryAdd(key("added"), "2")], [true, false]);
      assertEquals(await client.binaryReplace(key("added"), "3"), true);
      assertEquals(await client.binaryReplace(key("missing"), "3"), false);
      await client.binarySet(key("joined"), "middle");
      assertEquals(
        [await client.binaryAppend(key("joined"), ">"), await client.binaryPrepend(key("joined"), "<")],
        [true, true],
      );
      await client.binaryDelete(key("counter"));
      assertEquals([await client.binaryIncr(key("counter"), 5, 40), await client.binaryIncr(key("counter"), 5)], [40, 45]);
      assertEquals(await client.binaryDecr(key("counter"), 3), 42);
      await client.binarySet(key("lasting"), "x");
      assertEquals(await client.binaryTouch(key("lasting"), LIFETIME_SECONDS), true);
      assertEquals(await client.binarySet(key("fading"), "x", LIFETIME_SECONDS), true);
      assertEquals(await client.binarySet(key("expired"), "x", PAST), true);
      assertEquals(await client.binaryGet(key("expired")), undefined);
      await client.binarySet(key("removed"), "x");
      assertEquals([await client.binaryDelete(key("removed")), await client.binaryGet(key("removed"))], [true, undefined]);
      assertEquals(Number((await client.binaryStats()).cmd_get) >= 0, true);
      await client.disconnect();
    }
  },
  async flush(servers, { login }) {
    for (const server of servers) {
      const client = await connect(server, login);
      assertEquals(await client.binaryFlush(), true);
      await client.disconnect();
    }
  },
};

describeConversations("clients for JavaScript, npm", [text, binary]);
describeConversations("clients for JavaScript, npm, with a login", [binary], BY_LOGIN);

async function connect(server: string, login?: Login): Promise<ReturnType<typeof createNode>> {
  const [host = "", port] = server.split(":");
  const client = createNode(host, Number(port), {
    timeout: 20000,
    ...(login === undefined ? {} : { sasl: { username: login.user, password: login.password } }),
  });
  await client.connect();
  return client;
}
