/**
 * Where our answer in the binary protocol is not memcached's recorded one, or where only the C++ Flare was recorded: the
 * replies as `describeReplies` says them. Each stands in docs/compatibility.md with its reason.
 */

export interface BinaryDecision {
  readonly replies: readonly string[];
  readonly closed?: boolean;
}

export const BINARY_DECISIONS: Readonly<Record<string, BinaryDecision>> = {
  // Versions count per key here: what was a wrong guess for memcached is the right version.
  "set-cas-ok": { replies: ["01 00 cas", "01 00 cas", '00 00 cas extras 00000000 "y"'] },
  "append-cas-current": { replies: ["01 00 cas", "0e 00 cas"] },
  // memcached 1.6 answers a request it does not know only when the next one has come, and loses that one.
  "unknown-then-noop": { replies: ['ff 81 - "Unknown command"', "0a 00 -"] },
  "hello-0x1f": { replies: ['1f 81 - "Unknown command"'] },
  rget: { replies: ['30 81 - "Unknown command"'] },
  "unknown-0xff": { replies: ['ff 81 - "Unknown command"'] },
  // Verbosity is answered, as the protocol's description has it; the level changes nothing.
  verbosity: { replies: ["1b 00 -"] },
  // Flare's way: the protocol is chosen for each request.
  "text-and-binary-mixed": { replies: ['"VERSION flare-2.0.0\\r\\n"', "0a 00 -", '"OK\\r\\n"', '0b 00 - "flare-2.0.0"'] },
  "text-sees-binary": { replies: ["01 00 cas", '"VALUE b64 3 2 1\\r\\nhi\\r\\nEND\\r\\n"'] },
  // There are no slab classes.
  // A node that is not the owner forwards: same meaning, same answers.
  "proxy-set": { replies: ["01 00 cas"] },
  "proxy-get": { replies: ['00 00 cas extras 00000009 "hello"'] },
  "proxy-getk-miss": { replies: ['0c 01 - key "Pmiss"'] },
  "proxy-add-exists": { replies: ['02 02 - "Data exists for key."'] },
  "proxy-set-cas-ok": { replies: ["01 00 cas"] },
  "proxy-set-cas-newer": { replies: ['01 02 - "Data exists for key."'] },
  "proxy-incr": { replies: ['05 00 cas "\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u000f"'] },
  "proxy-incr-missing": { replies: ['05 01 - "Not found"'] },
  "proxy-delete": { replies: ["04 00 -"] },
  "proxy-touch": { replies: ["1c 00 cas extras 00000000"] },
  "proxy-gat": { replies: ['1d 00 cas extras 00000003 "10"'] },
  "proxy-append": { replies: ["0e 00 cas"] },
  "slave-set": { replies: ["01 00 cas"] },
  "slave-get": { replies: ['00 00 cas extras 00000009 "hello"'] },
  "slave-getk-miss": { replies: ['0c 01 - key "Smiss"'] },
  "slave-add-exists": { replies: ['02 02 - "Data exists for key."'] },
  "slave-set-cas-ok": { replies: ["01 00 cas"] },
  "slave-set-cas-newer": { replies: ['01 02 - "Data exists for key."'] },
  "slave-incr": { replies: ['05 00 cas "\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u000f"'] },
  "slave-incr-missing": { replies: ['05 01 - "Not found"'] },
  "slave-delete": { replies: ["04 00 -"] },
  "slave-touch": { replies: ["1c 00 cas extras 00000000"] },
  "slave-gat": { replies: ['1d 00 cas extras 00000003 "10"'] },
  "slave-append": { replies: ["0e 00 cas"] },
  // Nobody to forward to.
  "nopartition-set": { replies: ['01 84 - "no partition available"'] },
  "nopartition-get": { replies: ['00 84 - "no partition available"'] },
  "nopartition-incr": { replies: ['05 84 - "no partition available"'] },
  // As flush_all: the whole cluster's, and with a delay when that is over.
  "flush-extras": { replies: ["08 00 -"] },
  flush: { replies: ["08 00 -"] },
  flushq: { replies: [] },
  // The index server speaks text only.
  "index-noop": { replies: [], closed: true },
};

/** Answers that depend on where the servers listen and what they hold: their form is checked. */
export const BINARY_LOOSE: Readonly<Record<string, RegExp>> = {
  "stat-nodes": /^(?:10 00 - key "[^"]+:(?:role|state|partition|balance|thread_type)" "[^"]+"\n){15}10 00 -$/,
  "stat-items": /^(?:10 00 - key "items:1:[a-z_]+" "\d+"\n){28}10 00 -$/,
  "stat-threads-queue": /^10 00 - key "total_thread_queue" "\d+"\n10 00 -$/,
};
