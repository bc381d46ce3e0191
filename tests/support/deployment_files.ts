/** The files of docs/deployment, read: what a test asks of them. */

import { parse, parseAllDocuments } from "yaml";
import { readRepositoryFile } from "./repository.ts";

const DIRECTORY = "docs/deployment";
/** What stands before the commands of a document that a test executes. */
const EXECUTED = "<!-- executed by a test -->\n```sh\n";

/** The text of a file of docs/deployment. */
export function deploymentText(name: string): string {
  return readRepositoryFile(`${DIRECTORY}/${name}`);
}

/** A file of YAML with one document; anchors are merged. @throws Error if it is malformed */
export function yamlFile(name: string): unknown {
  return parse(deploymentText(name), { merge: true, strict: true });
}

/** The documents of a file of YAML. @throws Error if one is malformed */
export function yamlDocuments(name: string): unknown[] {
  return parseAllDocuments(deploymentText(name), { strict: true }).map((document) => {
    if ("errors" in document && document.errors.length > 0) throw document.errors[0];
    return (document as { toJS(): unknown }).toJS();
  });
}

/** A directive of a unit and its value. */
export type Directive = readonly [section: string, name: string, value: string];

/** The directives of a unit of systemd, in their order. @throws Error at a line that is none */
export function unitDirectives(name: string): Directive[] {
  let section = "";
  return deploymentText(name)
    .split("\n")
    .flatMap((line): Directive[] => {
      const [, head] = /^\[(\w+)\]$/.exec(line) ?? [];
      if (head !== undefined) section = head;
      if (head !== undefined || line === "" || line.startsWith("#")) return [];
      const [, directive, value] = /^([A-Z]\w+)=(.*)$/.exec(line) ?? [];
      if (directive === undefined || value === undefined) throw new Error(`${name}: "${line}" is no directive`);
      return [[section, directive, value]];
    });
}

/** The instructions of a Dockerfile, lines that go on joined. */
export function dockerInstructions(name: string): (readonly [instruction: string, rest: string])[] {
  return deploymentText(name)
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)] as const);
}

/** The commands of docs/deployment.md that tests execute. @throws Error if there are none */
export function executedCommands(): string {
  const [, after = ""] = readRepositoryFile("docs/deployment.md").split(EXECUTED);
  const end = after.indexOf("```");
  if (end < 0) throw new Error("docs/deployment.md has no commands that a test executes");
  return after.slice(0, end);
}
