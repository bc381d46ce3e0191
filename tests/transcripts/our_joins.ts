/**
 * How joining differs from the recordings of the C++ daemons: a node of ours asks for the meta lines first, because they
 * tell whether the index server takes what a node says of its data, and an index server of ours sends a line with them that
 * says so, and one that says that it keeps in-sync sets.
 */

import type { Message } from "./golden_cluster_stage.ts";

/** What an index server of ours adds to its meta lines. */
export const OUR_META_LINES = "META flare-kv-node-data 1\r\nMETA flare-kv-in-sync-set 1\r\n";

/**
 * A recorded conversation as it is when `role` is played by our server.
 * @param meta the meta lines, where the recorded node left before it heard them; @param fails the node is not let in
 */
export function asOursJoins(messages: readonly Message[], role: string, meta: string, fails: boolean): readonly Message[] {
  return role.endsWith("index") ? withOurMetaLines(messages, role) : withMetaFirst(messages, role, meta, fails);
}

function withOurMetaLines(messages: readonly Message[], role: string): readonly Message[] {
  return messages.map((message) =>
    message.from === role && message.data?.startsWith("META ") === true
      ? { ...message, data: message.data.replace("END\r\n", `${OUR_META_LINES}END\r\n`) }
      : message,
  );
}

function withMetaFirst(messages: readonly Message[], role: string, meta: string, fails: boolean): readonly Message[] {
  const add = messages.find(({ from, data }) => from === role && data?.startsWith("node add") === true);
  if (add === undefined) return messages;
  const { conn, to } = add;
  const [added, told] = messages.filter((message) => message.conn === conn && message.to === role);
  const asked: Message[] = [
    { conn, from: role, to, data: "meta\r\n" },
    { conn, from: to, to: role, data: told?.data ?? meta },
  ];
  // Who cannot use the meta lines does not go on to join.
  const leaves = fails && told !== undefined;
  return messages.flatMap((message) => {
    if (message === add) return leaves ? asked : [...asked, add];
    const isGone = message === told || (message.conn === conn && message.data === "meta\r\n") || (leaves && message === added);
    return isGone ? [] : [message];
  });
}
