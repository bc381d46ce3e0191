/** Python's clients: pymemcache, pylibmc, python-binary-memcached and python-memcached. */

import { BY_LOGIN, BY_TLS } from "../support/client_cluster.ts";
import { describeConversations } from "../support/client_conversation.ts";
import { commonItems, inflatesToLarge, LIFETIME_SECONDS } from "../support/client_items.ts";
import { type ClientProgram, conversationsOf } from "../support/client_program.ts";

// Debian packages belong to the system's Python, which must leave no compiled files here.
const python = { interpreters: ["python3", "/usr/bin/python3"], flags: ["-B"] } as const;

const clients: readonly ClientProgram[] = [
  {
    ...{ ...python, name: "pymemcache", debianPackage: "python3-pymemcache", program: "with_pymemcache.py" },
    ...{ probe: ["-c", "import pymemcache"], checks: { text: 28 }, logsIn: ["text"], speaksTls: true },
    stored: commonItems({ text: 16, bytes: 0, counter: 0 }),
  },
  {
    ...{ ...python, name: "pylibmc", debianPackage: "python3-pylibmc", program: "with_pylibmc.py" },
    ...{ probe: ["-c", "import pylibmc"], checks: { text: 31, binary: 31 }, logsIn: ["binary"] },
    stored: { ...commonItems({ text: 16, bytes: 0, counter: 4 }), compressed: { flags: 8, value: inflatesToLarge } },
  },
  {
    ...{ ...python, name: "python-binary-memcached", debianPackage: "python3-binary-memcached" },
    ...{
      program: "with_bmemcached.py",
      probe: ["-c", "import bmemcached"],
      checks: { binary: 24 },
      logsIn: ["binary"],
      speaksTls: true,
    },
    stored: {
      ...commonItems({ text: 0, bytes: 16, counter: 0 }, ["joined", "lasting", "quiet-42"]),
      ...{ added: { flags: 0, value: "3" }, swapped: { flags: 0, value: "second" } },
      fading: { flags: 0, value: "x", lifetimeSeconds: LIFETIME_SECONDS },
      compressed: { flags: 24, value: inflatesToLarge },
    },
  },
  {
    ...{ ...python, name: "python-memcached", debianPackage: "python3-memcache", program: "with_python_memcached.py" },
    ...{ probe: ["-c", "import memcache"], checks: { text: 27 } },
    stored: {
      ...commonItems({ text: 16, bytes: 0, counter: 2 }, ["empty"]),
      compressed: { flags: 8, value: inflatesToLarge },
    },
  },
];

describeConversations("clients for Python", conversationsOf(clients));
describeConversations("clients for Python, with a login", conversationsOf(clients, BY_LOGIN), BY_LOGIN);
describeConversations("clients for Python, by TLS", conversationsOf(clients, BY_TLS), BY_TLS);
