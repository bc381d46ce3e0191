/** The commands of an index server, one row per word; see `command_rows.ts`. */

import { type CommandForm, type CommandRows, CommandSet } from "../net/command_rows.ts";
import type { IndexWord } from "../protocol/command.ts";
import type { NodeFormWord } from "./index_commands.ts";
import type { IndexReplies } from "./index_replies.ts";

/** A change of the in-sync set names the version of a map: it is a master's. */
const isOperators = (words: readonly string[]): boolean => words.length < 5 || words[4] === "unsafe";

export const indexCommands = {
  ping: {
    access: "everyone",
    run: (replies, request, reply) => replies.ping(request.words, reply),
    section: "index",
    lines: [["", "`OK`"]],
  },
  version: {
    access: "everyone",
    run: (replies, request, reply) => replies.version(request.words, reply),
    section: "index",
    lines: [["", "`VERSION flare-<release>`"]],
  },
  stats: {
    forms: {
      "": {
        access: "everyone",
        run: (replies, _request, reply) => replies.statsGeneral(reply),
        section: "index",
        lines: [["", "the server's statistics"]],
      },
      nodes: {
        access: "everyone",
        run: (replies, _request, reply) => replies.statsNodes(reply),
        section: "index",
        lines: [["", "role, state, partition and balance of every node"]],
      },
      threads: {
        access: "everyone",
        run: (replies, request, reply) => replies.statsThreads(request.words.slice(1), reply),
        section: "index",
        lines: [["[request|slave|queue]", "connections and other work; the leading number is the id for `kill`"]],
      },
      items: {
        access: "everyone",
        run: (_replies, _request, reply) => reply.end(),
        section: "index",
        lines: [["", "`END`: an index server stores no items"]],
      },
      slabs: {
        access: "everyone",
        run: (_replies, _request, reply) => reply.end(),
        section: "index",
        lines: [["", "the same"]],
      },
      sizes: {
        access: "everyone",
        run: (_replies, _request, reply) => reply.end(),
        section: "index",
        lines: [["", "the same"]],
      },
    },
    others: "everyone",
  },
  show: {
    access: "everyone",
    run: (replies, request, reply) => replies.show(request.words, reply),
    section: "index",
    lines: [["variables", "the settings, in the original's format"]],
  },
  verbosity: {
    access: "everyone",
    run: (replies, request, reply) => replies.verbosity(request.words, reply),
    section: "index",
    lines: [["<level> [noreply]", "`OK`; changes nothing"]],
  },
  meta: {
    access: "everyone",
    run: (replies, request, reply) => replies.meta(request.words, reply),
    section: "index",
    lines: [["", "how keys map to partitions: partition size, hash, virtual partitions"]],
  },
  quit: {
    access: "everyone",
    run: () => undefined,
    section: "index",
    lines: [["", "closes the connection"]],
  },
  // Joining is a change of the node map, too.
  node: {
    forms: {
      add: {
        access: "operators",
        run: (replies, request, reply, session) => replies.changeNode("add", request, reply, session),
        section: "index",
        lines: [
          [
            "<host> <port> [<id> <kind> <openings>]",
            "the node list and `END`; a new node is a proxy. A starting `flared` sends this, see [joining](#between-servers)",
          ],
        ],
      },
      role: {
        access: "operators",
        audited: true,
        run: (replies, request, reply, session) => replies.changeNode("role", request, reply, session),
        section: "index",
        lines: [
          [
            "<host> <port> <master|slave|proxy> [<balance> [<partition>]]",
            "`OK`, or `SERVER_ERROR failed to set role (and balance)`",
          ],
        ],
      },
      state: {
        access: "operators",
        audited: isOperators,
        run: (replies, request, reply, session) => replies.changeNode("state", request, reply, session),
        section: "index",
        lines: [
          ["<host> <port> <active|ready|down>", "`OK`, or `SERVER_ERROR failed to set state`"],
          [
            "<host> <port> <prepare|ready|active> <map version>",
            "`OK`, or `SERVER_ERROR <why>`; a master removes a replica from the [in-sync set](#between-servers), or adds it",
          ],
          ["<host> <port> active unsafe", "the same; and whatever data the node has when it joins next are accepted"],
        ],
      },
      remove: {
        access: "operators",
        audited: true,
        run: (replies, request, reply, session) => replies.changeNode("remove", request, reply, session),
        section: "index",
        lines: [["<host> <port>", "`OK`, or `SERVER_ERROR failed to remove node`; the node must be down"]],
      },
    } satisfies Record<NodeFormWord, CommandForm<IndexReplies>>,
    others: "operators",
  },
  shutdown: {
    access: "operators",
    run: (replies, request, reply, session) => replies.shutdown(request, reply, session),
    section: "index",
    lines: [["<host> <port>", "`OK`; marks the node as down (a stopping `flared` sends it), stops nothing"]],
  },
  relay: {
    access: "operators",
    run: (replies, request, reply, session) => replies.relay(request, reply, session),
    section: "index",
    lines: [
      [
        "<from> <node …|shutdown …>",
        "the answer to the command if this server leads, else `SERVER_ERROR <failure>: no index server leads now`: how an " +
          "index server passes a change on to the [leader](#between-servers)",
      ],
    ],
  },
  index: {
    forms: {
      history: {
        access: "operators",
        run: (replies, request, reply) => replies.history(request.words.slice(1), reply),
        section: "index",
        lines: [["[<count>]", "`MAP <record>` for each of the last stored [maps](#between-servers), then `END`"]],
      },
      map: {
        access: "operators",
        run: (replies, request, reply) => replies.storedMap(request.words.slice(1), reply),
        section: "index",
        lines: [["", "the lines of the stored `flare.xml`, with the term of the index server that stored it, then `END`"]],
      },
      move: {
        access: "operators",
        audited: true,
        run: (replies, request, reply, session) => replies.moveMap(request, reply, session),
        section: "index",
        lines: [
          [
            "<index-db>",
            "`OK`, or `SERVER_ERROR failed to move the node map: <why>`; marks the stored map as [gone](#between-servers) to " +
              "that place: no index server changes it here any more",
          ],
        ],
      },
      import: {
        access: "operators",
        audited: true,
        run: (replies, request, reply, session) => replies.importMap(request, reply, session),
        section: "index",
        lines: [
          [
            "<version> <flare.xml in base64> [older]",
            "`OK`, or `SERVER_ERROR failed to import the node map: <why>`; replaces the map, which must have this " +
              "version, and must not be newer without `older`",
          ],
        ],
      },
    },
    others: "operators",
  },
  kill: {
    access: "operators",
    audited: true,
    run: (replies, request, reply) => replies.kill(request.words, reply),
    section: "index",
    lines: [["<id>", "`OK` or `CLIENT_ERROR thread not found`"]],
  },
  // It reads files, and may change who can connect.
  refresh_certs: {
    access: "operators",
    audited: true,
    run: (replies, request, reply) => replies.refreshCertificates(request.words, reply),
    section: "index",
    lines: [["[noreply]", "as on a node server"]],
  },
} as const satisfies CommandRows<IndexReplies, IndexWord>;

/** The commands of an index server, ready for requests. */
export const indexCommandSet: CommandSet<IndexReplies> = new CommandSet<IndexReplies>(indexCommands, { takesNodeMaps: false });
