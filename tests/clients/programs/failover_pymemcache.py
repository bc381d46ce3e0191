"""
pymemcache while a node fails over: `PROGRAM SERVER`. It writes and reads a few keys, one request at a time, and says `ready`
when that goes well; errors are allowed, wrong answers never. At the end of stdin the trouble is over: after that, a number of
requests go without any error, and it says how many were answered in all. Anything else ends the program with a message.
"""

import sys
import threading

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheError

KEYS = [f"failover-python-{number}" for number in range(20)]
READY = 200
CALM = 400

client = Client(sys.argv[1], default_noreply=False, timeout=10, connect_timeout=10, no_delay=True)
# What a key may hold: what was acknowledged last, and what got an error since.
possible = {key: {None} for key in KEYS}
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
answered = calm = number = 0
while calm < CALM:
    number += 1
    key = KEYS[number % len(KEYS)]
    was_over = over.is_set()
    value = b"%d" % number
    try:
        client.set(key, value)
        possible[key] = {value}
        found = client.get(key)
    except (MemcacheError, OSError) as error:
        if was_over:
            sys.exit(f"after the failover: {error!r}")
        possible[key].add(value)
        continue
    if found not in possible[key]:
        sys.exit(f"{key} holds {found!r}, not one of {possible[key]!r}")
    answered += 1
    calm += was_over
    if answered == READY:
        print("ready", flush=True)
for key in KEYS:
    if client.get(key) not in possible[key]:
        sys.exit(f"{key} does not hold one of {possible[key]!r}")
print("answered", answered, flush=True)
