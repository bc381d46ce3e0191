/** The npm client `memcached` (text protocol): every command it has. It turns everything into text or JSON. */

import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert";
import { fromLatin1 } from "../../lib/base/bytes.ts";
import { VERSION } from "../../mod.ts";
import { type Conversation, describeConversations } from "../support/client_conversation.ts";
import { commonItems, LARGE, LIFETIME_SECONDS, MANY, PAST, TEXT, TOO_LARGE } from "../support/client_items.ts";
import { Memcached } from "../support/npm_memcached.ts";

type Client = InstanceType<typeof Memcached>;
type Callback<T> = (error: Error | undefined, result: T) => void;

const CONNECTIONS = 10;
const BYTES = Uint8Array.from({ length: 1024 }, (_, at) => at & 255);

/** It sends bytes as UTF-8, and escapes line ends here, too. */
function isEscaped(value: string): void {
  const text = new TextDecoder().decode(fromLatin1(value)).replaceAll(/\\([\r\n])/g, "$1");
  assertEquals(text, String.fromCharCode(...BYTES));
}

const conversation: Conversation = {
  name: "memcached",
  stored: {
    ...commonItems({ text: 0, bytes: 0, counter: 0 }, ["binary", "quiet-42"]),
    // It puts a backslash before every character of a line end.
    text: { flags: 0, value: "w\xc3\xb6rld\\\r\\\nEND\\\r\\\n" },
    bytes: { flags: 4, value: isEscaped },
    packed: { flags: 2, value: '{"list":[1,2.5,null]}' },
  },
  async hold(servers, prefix) {
    await using(servers, async (client) => {
      const key = (name: string): string => `${prefix}:${name}`;
      assertEquals(await outcome((done) => client.set(key("text"), TEXT, 0, done)), true);
      assertEquals(await outcome((done) => client.get(key("text"), done)), TEXT);
      assertEquals(await outcome((done) => client.get(key("missing"), done)), undefined);
      assertEquals(await outcome((done) => client.set(key("empty"), "", 0, done)), true);
      assertEquals(await outcome((done) => client.set(key("bytes"), Buffer.from(BYTES), 0, done)), true);
      assertEquals(new Uint8Array(await outcome((done) => client.get(key("bytes"), done as Callback<unknown>))), BYTES);
      assertEquals(await outcome((done) => client.set(key("packed"), { list: [1, 2.5, null] }, 0, done)), true);
      assertEquals(await outcome((done) => client.get(key("packed"), done)), { list: [1, 2.5, null] });
      assertEquals(await outcome((done) => client.set(key("large"), LARGE, 0, done)), true);
      assertEquals((await outcome((done) => client.get(key("large"), done))) === LARGE, true);

      assertEquals(await outcome((done) => client.add(key("added"), "1", 0, done)), true);
      await refused((done) => client.add(key("added"), "2", 0, done));
      assertEquals(await outcome((done) => client.replace(key("added"), "3", 0, done)), true);
      await refused((done) => client.replace(key("missing"), "3", 0, done));
      assertEquals(await outcome((done) => client.set(key("joined"), "middle", 0, done)), true);
      assertEquals(await outcome((done) => client.append(key("joined"), ">", done)), true);
      assertEquals(await outcome((done) => client.prepend(key("joined"), "<", done)), true);
      await refused((done) => client.append(key("missing"), ">", done));

      await outcome((done) => client.set(key("counter"), "40", 0, done));
      assertEquals(await outcome((done) => client.incr(key("counter"), 5, done)), 45);
      assertEquals(await outcome((done) => client.decr(key("counter"), 3, done)), 42);
      assertEquals(await outcome((done) => client.incr(key("missing"), 1, done)), false);

      await outcome((done) => client.set(key("swapped"), "first", 0, done));
      const { cas } = await outcome<{ cas: string }>((done) => client.gets(key("swapped"), done as Callback<unknown>));
      assertEquals(await outcome((done) => client.cas(key("swapped"), "second", cas, 0, done)), true);
      assertEquals(await outcome((done) => client.cas(key("swapped"), "third", cas, 0, done)), false);

      assertEquals(await outcome((done) => client.set(key("lasting"), "x", 0, done)), true);
      assertEquals(await outcome((done) => client.touch(key("lasting"), LIFETIME_SECONDS, done)), true);
      assertEquals(await outcome((done) => client.touch(key("missing"), 1, done)), false);
      assertEquals(await outcome((done) => client.set(key("fading"), "x", LIFETIME_SECONDS, done)), true);
      assertEquals(await outcome((done) => client.set(key("expired"), "x", PAST, done)), true);
      assertEquals(await outcome((done) => client.get(key("expired"), done)), undefined);
      await outcome((done) => client.set(key("removed"), "x", 0, done));
      assertEquals(await outcome((done) => client.del(key("removed"), done)), true);
      assertEquals(await outcome((done) => client.del(key("removed"), done)), false);

      // As many at once as it has connections; more are an error.
      const many = Array.from({ length: MANY }, (_, number) => number);
      for (let from = 0; from < MANY; from += CONNECTIONS) {
        const some = many.slice(from, from + CONNECTIONS);
        const sets = some.map((number) => outcome((done) => client.set(key(`many-${number}`), String(number), 0, done)));
        assertEquals(new Set(await Promise.all(sets)), new Set([true]));
      }
      const names = many.map((number) => key(`many-${number}`));
      const found = await outcome((done) => client.getMulti([...names, key("missing")], done));
      assertEquals(found, Object.fromEntries(many.map((number) => [key(`many-${number}`), String(number)])));

      const versions = await outcome<readonly { readonly version: string }[]>((done) => client.version(done));
      assertEquals(new Set(versions.map(({ version }) => version)), new Set([VERSION]));
      const stats = await outcome<readonly Record<string, unknown>[]>((done) => client.stats(done));
      assertEquals([stats.length, stats[0]?.version], [servers.length, VERSION]);
      await outcome((done) => client.settings(done));
      await outcome((done) => client.slabs(done));
      await outcome((done) => client.items(done));
      // After this answer the client uses the server no more.
      await refused((done) => client.set(key("too-large"), TOO_LARGE, 0, done));
    });
  },
  async flush(servers) {
    await using(servers, async (client) => {
      assertEquals(new Set(await outcome<readonly boolean[]>((done) => client.flush(done))), new Set([true]));
    });
  },
};

describeConversations("clients for JavaScript, npm", [conversation]);

async function using(servers: readonly string[], work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Memcached([...servers], {
    ...{ retries: 0, remove: true, failures: 0, timeout: 20000, maxValue: 8 << 20, poolSize: CONNECTIONS },
  });
  try {
    await work(client);
  } finally {
    client.end();
  }
}

/** The outcome of a call with a callback. */
function outcome<T>(call: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error === undefined || error === null) resolve(result);
      else reject(error);
    });
  });
}

/** A write that is refused: the client tells by an error or by false. */
async function refused(call: (callback: Callback<boolean>) => void): Promise<void> {
  const result = await outcome(call).catch((error: { readonly notStored?: boolean }) => {
    assertEquals(error.notStored, true);
    return false;
  });
  assertEquals(result, false);
}
