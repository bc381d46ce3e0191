/** Perl's clients: Cache::Memcached and Cache::Memcached::Fast. */

import { describeConversations } from "../support/client_conversation.ts";
import { commonItems, inflatesToLarge } from "../support/client_items.ts";
import { conversationsOf } from "../support/client_program.ts";

describeConversations(
  "clients for Perl",
  conversationsOf([
    {
      ...{ name: "Cache::Memcached", debianPackage: "libcache-memcached-perl", program: "with_cache_memcached.pl" },
      ...{ interpreters: ["perl"], probe: ["-MCache::Memcached", "-e", "1"], checks: { text: 21 } },
      stored: {
        ...commonItems({ text: 0, bytes: 0, counter: 0 }, ["swapped", "lasting", "quiet-42"]),
        compressed: { flags: 2, value: inflatesToLarge },
      },
    },
    {
      ...{ name: "Cache::Memcached::Fast", debianPackage: "libcache-memcached-fast-perl" },
      ...{ interpreters: ["perl"], program: "with_cache_memcached_fast.pl", probe: ["-MCache::Memcached::Fast", "-e", "1"] },
      ...{ checks: { text: 29 } },
      stored: { ...commonItems({ text: 0, bytes: 0, counter: 0 }), compressed: { flags: 2, value: inflatesToLarge } },
    },
  ]),
);
