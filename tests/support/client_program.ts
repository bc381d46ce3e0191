/**
 * Clients in other languages: each has a program in `tests/clients/programs` that holds a conversation, checks every answer
 * itself, says `ok` for each and nothing else, and leaves items.
 */

import { spawnSync } from "node:child_process";
import type { Entry, StoredItem } from "./client_cluster.ts";
import type { Conversation } from "./client_conversation.ts";
import { repositoryRoot } from "./repository.ts";
import { skipUnless } from "./skip.ts";
import { runTool } from "./tools.ts";

/** A client in another language. */
export interface ClientProgram {
  /** The client's name, as its users know it. */
  readonly name: string;
  readonly debianPackage: string;
  /** Programs that may run it: the first that passes the probe does. */
  readonly interpreters: readonly string[];
  /** Arguments that make the interpreter succeed if the client is installed. */
  readonly probe: readonly string[];
  /** Arguments of the interpreter before the program. */
  readonly flags?: readonly string[];
  /** In `tests/clients/programs`. */
  readonly program: string;
  /** How often the program says `ok`, in each protocol the client speaks. */
  readonly checks: { readonly text?: number; readonly binary?: number; readonly meta?: number };
  /** The protocols in which it can log in. */
  readonly logsIn?: readonly string[];
  /** Whether it speaks TLS. */
  readonly speaksTls?: boolean;
  readonly stored: Readonly<Record<string, StoredItem | undefined>>;
}

/** The interpreter of a client's programs; undefined = the client is not installed. */
export function findInterpreter(client: Pick<ClientProgram, "interpreters" | "probe">): string | undefined {
  return client.interpreters.find((candidate) => spawnSync(candidate, client.probe).status === 0);
}

/** A conversation for each client that can enter so, and for each protocol in which it can. */
export function conversationsOf(clients: readonly ClientProgram[], { login, authority }: Entry = {}): Conversation[] {
  return clients.flatMap((client) => {
    const { name, debianPackage, program, flags = [], stored } = client;
    const interpreter = findInterpreter(client);
    const skip = skipUnless(interpreter !== undefined, `${name} (${debianPackage})`);
    const spoken = Object.entries(client.checks).filter(
      ([protocol]) =>
        (login === undefined || client.logsIn?.includes(protocol)) && (authority === undefined || client.speaksTls),
    );
    return spoken.map(([protocol, checks]): Conversation => {
      const run = (servers: readonly string[], prefix: string, entry: Entry, wanted: number): Promise<void> => {
        const { login = { user: "", password: "" }, authority = "" } = entry;
        const args = [servers.join(","), prefix, protocol, login.user, login.password, authority];
        return runProgram([interpreter ?? "", ...flags], program, args, wanted);
      };
      return {
        name: `${name} (${protocol} protocol)`,
        skip,
        stored,
        hold: (servers, prefix, entry) => run(servers, prefix, entry, checks),
        flush: (servers, entry) => run(servers, "flush", entry, 1),
      };
    });
  });
}

/** Runs a program. @throws Error if it failed, complained, or made fewer or more checks than it should */
async function runProgram(command: readonly string[], program: string, args: readonly string[], wanted: number): Promise<void> {
  const [interpreter = "", ...flags] = command;
  const path = `${repositoryRoot}tests/clients/programs/${program}`;
  const { status, stdout, stderr } = await runTool(interpreter, [...flags, path, ...args]);
  const checks = stdout.match(/^ok /gm)?.length ?? 0;
  if (status === 0 && stderr === "" && checks === wanted) return;
  throw new Error(`${program} ended with ${status} after ${checks} of ${wanted} checks:\n${stdout}${stderr}`);
}
