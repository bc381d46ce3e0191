"""The conversation with python-memcached (text protocol), which pickles what is no text and compresses on demand."""

import memcache

from conversation import *

client = memcache.Client(SERVERS, cache_cas=True, server_max_value_length=8 << 20, socket_timeout=20)

flush_only(client)

store_values(client)
ok("compressed", [client.set(key("compressed"), LARGE, min_compress_len=1000), client.get(key("compressed")) == LARGE],
   [True, True])
ok("add", [client.add(key("added"), b"1"), client.add(key("added"), b"2")], [True, False])
ok("replace", [client.replace(key("added"), b"3"), client.replace(key("missing"), b"3")], [True, False])
ok("append", [client.set(key("joined"), b"middle"), client.append(key("joined"), b">"), client.append(key("missing"), b">")],
   [True, True, False])
ok("prepend", [client.prepend(key("joined"), b"<"), client.prepend(key("missing"), b"<")], [True, False])

client.set(key("swapped"), b"first")
ok("gets", client.gets(key("swapped")), b"first")
stranger = memcache.Client(SERVERS, cache_cas=True)
stranger.gets(key("swapped"))
ok("cas", [client.cas(key("swapped"), b"second"), stranger.cas(key("swapped"), b"third")], [True, False])

client.set(key("counter"), 40)
ok("incr", [client.incr(key("counter"), 5), client.incr(key("missing"), 5)], [45, None])
ok("decr", [client.decr(key("counter"), 3), client.decr(key("missing"), 3)], [42, None])
fails("incr of a text", ValueError, lambda: client.incr(key("text"), 1))

ok("touch", [client.set(key("lasting"), b"x"), client.touch(key("lasting"), LIFETIME)], [True, 1])
ok("exptime", client.set(key("fading"), b"x", time=LIFETIME))
ok("expired", [client.set(key("expired"), b"x", time=PAST), client.get(key("expired"))], [True, None])
ok("delete", [client.set(key("removed"), b"x"), client.delete(key("removed")), client.get(key("removed"))], [True, 1, None])

ok("set many", client.set_multi(MANY), [])
ok("get many", client.get_multi([*MANY, key("missing")]), MANY)
gone = [key(f"gone-{number}") for number in range(100)]
client.set_multi({name: b"x" for name in gone})
ok("delete many", [client.delete_multi(gone), client.get_multi(gone)], [1, {}])
for number in range(100):
    client.set(key(f"quiet-{number}"), b"%d" % number, noreply=True)
ok("noreply", client.get(key("quiet-42")), b"42")

ok("too large", client.set(key("too-large"), TOO_LARGE), False)
ok("after an error", client.get(key("text")), TEXT)
ok("stats", all(int(stats["cmd_get"]) >= 0 for _, stats in client.get_stats()))
client.disconnect_all()
