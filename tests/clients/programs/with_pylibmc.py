"""The conversation with pylibmc, which is libmemcached (text or binary protocol), with ketama over several servers."""

import pylibmc

from conversation import *

binary = PROTOCOL == "binary"
who = {"username": USER, "password": PASSWORD} if USER else {}
client = pylibmc.Client(SERVERS, binary=binary, **who, behaviors={"cas": True, "tcp_nodelay": True, "ketama": True})

flush_only(client)

store_values(client)
ok("empty", [client.set(key("empty"), b""), client.get(key("empty"))], [True, b""])
ok("compressed", [client.set(key("compressed"), LARGE, min_compress_len=1000), client.get(key("compressed")) == LARGE],
   [True, True])
ok("add", [client.add(key("added"), b"1"), client.add(key("added"), b"2")], [True, False])
ok("replace", client.replace(key("added"), b"3"))
if binary:
    fails("replace miss", pylibmc.NotFound, lambda: client.replace(key("missing"), b"3"))
else:
    ok("replace miss", client.replace(key("missing"), b"3"), False)
ok("append", [client.set(key("joined"), b"middle"), client.append(key("joined"), b">")], [True, True])
ok("prepend", [client.prepend(key("joined"), b"<"), client.prepend(key("missing"), b"<")], [True, False])

swap_values(client, b"first", b"second", b"third")

client.set(key("counter"), 40)
ok("incr", client.incr(key("counter"), 5), 45)
ok("decr", client.decr(key("counter"), 3), 42)
fails("incr miss", pylibmc.NotFound, lambda: client.incr(key("missing"), 1))
fails("incr of a text", pylibmc.Error, lambda: client.incr(key("text"), 1))
client.set(key("first"), 1)
client.set(key("second"), 2)
client.incr_multi([key("first"), key("second")], delta=10)
ok("incr many", client.get_multi([key("first"), key("second")]), {key("first"): 11, key("second"): 12})

ok("touch", [client.set(key("lasting"), b"x"), client.touch(key("lasting"), LIFETIME), client.touch(key("missing"), 1)],
   [True, True, False])
ok("exptime", client.set(key("fading"), b"x", time=LIFETIME))
ok("expired", [client.set(key("expired"), b"x", time=PAST), client.get(key("expired"))], [True, None])
ok("delete", [client.set(key("removed"), b"x"), client.delete(key("removed")), client.delete(key("removed"))],
   [True, True, False])

ok("set many", client.set_multi(MANY), [])
ok("get many", client.get_multi([*MANY, key("missing")]), MANY)
client.set_multi({f"gone-{number}": b"x" for number in range(100)}, key_prefix=f"{PREFIX}:")
ok("delete many", client.delete_multi([f"gone-{number}" for number in range(100)], key_prefix=f"{PREFIX}:"))

quiet = pylibmc.Client(SERVERS, binary=binary, **who, behaviors={"_noreply": True, "ketama": True})
for number in range(100):
    quiet.set(key(f"quiet-{number}"), b"%d" % number)
ok("noreply", quiet.get(key("quiet-42")), b"42")

fails("too large", pylibmc.Error, lambda: client.set(key("too-large"), TOO_LARGE))
ok("after an error", client.get(key("text")), TEXT)
ok("stats", all(int(stats["cmd_get"]) >= 0 for _, stats in client.get_stats()))
