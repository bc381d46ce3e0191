"""
What the Python programs share: `PROGRAM SERVERS PREFIX PROTOCOL USER PASSWORD AUTHORITY`, the values to be stored, and
`ok NAME` for each thing that went as it should. The first thing that does not ends the program with a message. With the
prefix `flush` only that is done. Without a user there is no login, without the file of an authority no TLS.
"""

import ssl
import sys

SERVERS = sys.argv[1].split(",")
PREFIX, PROTOCOL = sys.argv[2:4]
USER, PASSWORD, AUTHORITY = (word or None for word in sys.argv[4:7])
TLS = ssl.create_default_context(cafile=AUTHORITY) if AUTHORITY else None
TEXT = "wörld\r\nEND\r\n"
BINARY = bytes(range(256)) * 4
LARGE = b"0123456789abcdef" * (3 << 15)
TOO_LARGE = b"x" * (3 << 20)
LIFETIME = 1000
# More than 30 days count as a moment: this one is in February 1970.
PAST = 60 * 60 * 24 * 31


def key(name):
    return f"{PREFIX}:{name}"


MANY = {key(f"many-{number}"): str(number) for number in range(1000)}


def ok(name, found, wanted=True):
    if found != wanted:
        sys.exit(f"{name}: expected {wanted!r:.200}, found {found!r:.200}")
    print("ok", name, flush=True)


def fails(name, error, call):
    try:
        found = call()
    except error as reason:
        print("ok", name, flush=True)
        return reason
    sys.exit(f"{name}: expected an error, found {found!r:.200}")


def flush_only(client):
    """With the prefix `flush` everything is removed, and that is all."""
    if PREFIX == "flush":
        # Some of them give no answer.
        ok("flush", client.flush_all() in (True, None))
        sys.exit(0)


def store_values(client, **plain):
    """Values of every kind; `plain` are the options with which texts and bytes are stored as they are."""
    ok("set", client.set(key("text"), TEXT, **plain))
    ok("get", client.get(key("text")), TEXT)
    ok("miss", client.get(key("missing")), None)
    ok("binary", [client.set(key("binary"), BINARY, **plain), client.get(key("binary"))], [True, BINARY])
    ok("large", [client.set(key("large"), LARGE, **plain), client.get(key("large")) == LARGE], [True, True])
    packed = {"list": [1, 2.5, None]}
    ok("packed", [client.set(key("packed"), packed), client.get(key("packed"))], [True, packed])


def swap_values(client, first, second, third, **plain):
    """cas, once with what is there and once with what was; gives the unique that was."""
    client.set(key("swapped"), first, **plain)
    value, cas = client.gets(key("swapped"))
    ok("gets", value, first)
    ok("cas", [client.cas(key("swapped"), second, cas, **plain), client.cas(key("swapped"), third, cas)], [True, False])
    return cas
