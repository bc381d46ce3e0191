/** Ruby's client: dalli. */

import { commonItems, describeClients, isCompressed } from "../support/client_program.ts";

describeClients("Ruby", [
  {
    ...{ name: "dalli", debianPackage: "ruby-dalli", program: "with_dalli.rb", interpreters: ["ruby"] },
    ...{ probe: ["-e", "require 'dalli'"], protocols: ["binary"], checks: 30 },
    stored: { ...commonItems({ text: 0, bytes: 0, counter: 0 }), compressed: { flags: 3, value: isCompressed } },
  },
]);
