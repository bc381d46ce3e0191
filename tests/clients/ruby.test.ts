/**
 * Ruby's client: dalli. It has meta commands from 3.2 on; if the installed version is older, `.ci/fetch_dalli` downloads one.
 */

import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { latin1 } from "../../lib/base/bytes.ts";
import { BY_LOGIN, BY_TLS } from "../support/client_cluster.ts";
import { describeConversations } from "../support/client_conversation.ts";
import { commonItems, isCompressed, LIFETIME_SECONDS } from "../support/client_items.ts";
import { type ClientProgram, conversationsOf } from "../support/client_program.ts";

const newer = ["-I", join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "flare-kv/dalli")];
const program = { name: "dalli", program: "with_dalli.rb", interpreters: ["ruby"] };
const stored = {
  ...commonItems({ text: 0, bytes: 0, counter: 0 }),
  compressed: { flags: 3, value: isCompressed },
};

const clients: readonly ClientProgram[] = [
  {
    ...{ ...program, debianPackage: "ruby-dalli", probe: ["-e", "require 'dalli'"] },
    ...{ checks: { binary: 31 }, logsIn: ["binary"], stored },
  },
  {
    ...{ ...program, debianPackage: "ruby-dalli 3.2, see .ci/fetch_dalli", flags: newer },
    ...{ probe: [...newer, "-e", "require 'dalli'; Dalli::Protocol::Meta"], checks: { meta: 42 }, speaksTls: true },
    stored: {
      ...stored,
      falling: { flags: 0, value: "0", lifetimeSeconds: LIFETIME_SECONDS },
      counted: { flags: 0, value: "214" },
      long: { flags: 0, value: "x", lifetimeSeconds: LIFETIME_SECONDS },
      [latin1(new TextEncoder().encode("schlüssel"))]: { flags: 0, value: latin1(new TextEncoder().encode("ü")) },
      "large-9": { flags: 0, value: "9".repeat(1 << 20) },
      ...{ short: undefined, unwanted: undefined },
    },
  },
];

describeConversations("clients for Ruby", conversationsOf(clients));
describeConversations("clients for Ruby, with a login", conversationsOf(clients, BY_LOGIN), BY_LOGIN);
describeConversations("clients for Ruby, by TLS", conversationsOf(clients, BY_TLS), BY_TLS);
