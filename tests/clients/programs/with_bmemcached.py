"""The conversation with python-binary-memcached (binary protocol), which pickles what is no text and compresses on demand."""

import zlib

import bmemcached
from bmemcached.exceptions import MemcachedException

from conversation import *

# One server: the client that writes to all its servers; several: the one that spreads the keys.
kind = bmemcached.Client if len(SERVERS) == 1 else bmemcached.DistributedClient
client = kind(SERVERS, USER, PASSWORD, compression=zlib, socket_timeout=20, tls_context=TLS)

flush_only(client)

store_values(client, compress_level=0)
ok("empty", [client.set(key("empty"), b"", compress_level=0), client.get(key("empty"))], [True, b""])
ok("compressed", [client.set(key("compressed"), LARGE), client.get(key("compressed")) == LARGE], [True, True])
ok("add", [client.add(key("added"), "1"), client.add(key("added"), "2")], [True, False])
ok("replace", [client.replace(key("added"), "3", compress_level=0), client.replace(key("missing"), "3")], [True, False])

swap_values(client, "first", "second", "third", compress_level=0)

ok("incr", [client.incr(key("counter"), 5, default=40, time=0), client.incr(key("counter"), 5)], [40, 45])
ok("decr", client.decr(key("counter"), 3), 42)
fails("incr of a text", MemcachedException, lambda: client.incr(key("text"), 1))

ok("exptime", client.set(key("fading"), "x", time=LIFETIME, compress_level=0))
ok("expired", [client.set(key("expired"), "x", time=PAST), client.get(key("expired"))], [True, None])
ok("delete", [client.set(key("removed"), "x"), client.delete(key("removed")), client.delete(key("removed"))],
   [True, True, True])

ok("set many", client.set_multi(MANY, compress_level=0), [])
ok("get many", client.get_multi([*MANY, key("missing")]), MANY)
gone = [key(f"gone-{number}") for number in range(100)]
client.set_multi({name: "x" for name in gone})
ok("delete many", [client.delete_multi(gone), client.get_multi(gone)], [True, {}])

fails("too large", MemcachedException, lambda: client.set(key("too-large"), TOO_LARGE, compress_level=0))
ok("after an error", client.get(key("text")), TEXT)
ok("stats", all(int(stats["cmd_get"]) >= 0 for stats in client.stats().values()))
client.disconnect_all()
