/** PHP's clients: the extensions memcached and memcache. */

import { BY_LOGIN } from "../support/client_cluster.ts";
import { describeConversations } from "../support/client_conversation.ts";
import { commonItems, inflatesToLarge, isCompressed } from "../support/client_items.ts";
import { type ClientProgram, conversationsOf } from "../support/client_program.ts";

const clients: readonly ClientProgram[] = [
  {
    ...{ name: "memcached", debianPackage: "php-memcached", program: "with_php_memcached.php", interpreters: ["php"] },
    ...{ probe: ["-r", "exit(extension_loaded('memcached') ? 0 : 1);"], checks: { text: 37, binary: 37 }, logsIn: ["binary"] },
    stored: { ...commonItems({ text: 0, bytes: 0, counter: 1 }), compressed: { flags: 80, value: isCompressed } },
  },
  {
    ...{ name: "memcache", debianPackage: "php-memcache", program: "with_php_memcache.php", interpreters: ["php"] },
    ...{ probe: ["-r", "exit(extension_loaded('memcache') ? 0 : 1);"], checks: { text: 23 } },
    stored: {
      ...commonItems({ text: 0, bytes: 0, counter: 0 }, ["lasting", "quiet-42"]),
      // It compresses whatever is long.
      large: { flags: 2, value: inflatesToLarge },
      compressed: { flags: 2, value: inflatesToLarge },
    },
  },
];

describeConversations("clients for PHP", conversationsOf(clients));
describeConversations("clients for PHP, with a login", conversationsOf(clients, BY_LOGIN), BY_LOGIN);
