"""The conversation with pymemcache (text protocol); its values are bytes, and pickles where they are neither bytes nor text."""

from pymemcache.client.base import Client
from pymemcache.client.hash import HashClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError
from pymemcache.serde import pickle_serde

from conversation import *


class UserClient(Client):
    """pymemcache has no login of its own, but the first request of a connection may be one."""

    def _connect(self):
        super()._connect()
        if USER:
            self.set("login", f"{USER} {PASSWORD}")


class UserHashClient(HashClient):
    client_class = UserClient


options = {"serde": pickle_serde, "default_noreply": False, "no_delay": True, "timeout": 20, "tls_context": TLS}
single = len(SERVERS) == 1
client = UserClient(SERVERS[0], **options) if single else UserHashClient(SERVERS, **options)
each = [client] if single else client.clients.values()

flush_only(client)

store_values(client)
ok("empty", [client.set(key("empty"), b""), client.get(key("empty"))], [True, b""])
ok("add", [client.add(key("added"), b"1"), client.add(key("added"), b"2")], [True, False])
ok("replace", [client.replace(key("added"), b"3"), client.replace(key("missing"), b"3")], [True, False])
ok("append", [client.set(key("joined"), b"middle"), client.append(key("joined"), b">"), client.append(key("missing"), b">")],
   [True, True, False])
ok("prepend", [client.prepend(key("joined"), b"<"), client.prepend(key("missing"), b"<")], [True, False])

cas = swap_values(client, b"first", b"second", b"third")
ok("cas miss", client.cas(key("missing"), b"third", cas), None)

client.set(key("counter"), b"40")
ok("incr", [client.incr(key("counter"), 5), client.incr(key("missing"), 5)], [45, None])
ok("decr", [client.decr(key("counter"), 3), client.decr(key("missing"), 3)], [42, None])
fails("incr of a text", MemcacheClientError, lambda: client.incr(key("text"), 1))

ok("touch", [client.set(key("lasting"), b"x"), client.touch(key("lasting"), LIFETIME), client.touch(key("missing"), 1)],
   [True, True, False])
ok("exptime", client.set(key("fading"), b"x", expire=LIFETIME))
ok("expired", [client.set(key("expired"), b"x", expire=PAST), client.get(key("expired"))], [True, None])
ok("delete", [client.set(key("removed"), b"x"), client.delete(key("removed")), client.delete(key("removed"))],
   [True, True, False])

ok("set many", client.set_many(MANY), [])
ok("get many", client.get_many([*MANY, key("missing")]), MANY)
for number in range(100):
    client.set(key(f"quiet-{number}"), b"%d" % number, noreply=True)
client.incr(key("quiet-41"), 1, noreply=True)
client.delete(key("quiet-99"), noreply=True)
ok("noreply", client.get(key("quiet-41")), b"42")

fails("too large", MemcacheServerError, lambda: client.set(key("too-large"), TOO_LARGE))
ok("after an error", client.get(key("text")), TEXT)
ok("version", {connection.version()[-6:] for connection in each}, {b" flare"})
ok("stats", all(int(connection.stats()[b"cmd_get"]) >= 0 for connection in each))
