/** Ruby's client: dalli. */

import { BY_LOGIN } from "../support/client_cluster.ts";
import { describeConversations } from "../support/client_conversation.ts";
import { commonItems, isCompressed } from "../support/client_items.ts";
import { type ClientProgram, conversationsOf } from "../support/client_program.ts";

const clients: readonly ClientProgram[] = [
  {
    ...{ name: "dalli", debianPackage: "ruby-dalli", program: "with_dalli.rb", interpreters: ["ruby"] },
    ...{ probe: ["-e", "require 'dalli'"], checks: { binary: 31 }, logsIn: ["binary"] },
    stored: { ...commonItems({ text: 0, bytes: 0, counter: 0 }), compressed: { flags: 3, value: isCompressed } },
  },
];

describeConversations("clients for Ruby", conversationsOf(clients));
describeConversations("clients for Ruby, with a login", conversationsOf(clients, BY_LOGIN), BY_LOGIN);
