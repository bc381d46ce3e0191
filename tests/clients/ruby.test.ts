/** Ruby's client: dalli. */

import { describeConversations } from "../support/client_conversation.ts";
import { commonItems, isCompressed } from "../support/client_items.ts";
import { conversationsOf } from "../support/client_program.ts";

describeConversations(
  "clients for Ruby",
  conversationsOf([
    {
      ...{ name: "dalli", debianPackage: "ruby-dalli", program: "with_dalli.rb", interpreters: ["ruby"] },
      ...{ probe: ["-e", "require 'dalli'"], checks: { binary: 30 } },
      stored: { ...commonItems({ text: 0, bytes: 0, counter: 0 }), compressed: { flags: 3, value: isCompressed } },
    },
  ]),
);
