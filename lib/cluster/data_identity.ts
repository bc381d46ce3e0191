/**
 * The identity of a node's data, which it reports when it joins, so that the index server knows whether a restarted master
 * still has its data, instead of trusting it. Each opening of the data has a random number; a node proves that it has the data
 * it joined with by naming that opening, which an older copy of the directory does not contain. Pure; reads and writes the
 * words for the wire and for `flare.xml`.
 */

/** What a node reports about its data. */
export interface DataIdentity {
  /** Random hexadecimal digits, chosen when the data directory was created. */
  readonly id: string;
  /** `new`: the directory has never been in a cluster. `passing`: the data is in memory only, different in each start. */
  readonly kind: "kept" | "new" | "passing";
  /** Random hexadecimal digits, one string per opening, from the opening of the last join to the current one. */
  readonly openings: readonly string[];
}

/** The data of a joining master, compared with what the index server remembers. */
export type DataVerdict =
  /** The data it was master with. */
  | "same"
  /** Unknown: there is nothing to compare. */
  | "unknown"
  /** None, and its data never outlived a process. */
  | "passing"
  /** None, different data, or an older copy. */
  | "lost";

/** Set by an operator: whatever data the node has when it joins next is accepted. */
export const ANY_DATA: DataIdentity = Object.freeze({ id: "any", kind: "kept", openings: Object.freeze(["any"]) });

/** Most openings a node reports. */
export const OPENINGS_MAX = 64;

const KINDS: readonly string[] = ["kept", "new", "passing"] satisfies DataIdentity["kind"][];

/** Compares what a node reports (undefined: nothing, as the C++ Flare) with what is remembered (undefined: nothing). */
export function judgeData(before: DataIdentity | undefined, said: DataIdentity | undefined): DataVerdict {
  if (said === undefined) return "unknown";
  if (before === ANY_DATA) return "same";
  if (before === undefined) return said.kind === "passing" ? "passing" : said.kind === "new" ? "lost" : "unknown";
  if (said.id === before.id && said.openings.includes(openingOf(before))) return "same";
  return before.kind === "passing" ? "passing" : "lost";
}

/** What to remember of a node that has joined. */
export function rememberedData(said: DataIdentity | undefined): DataIdentity | undefined {
  if (said === undefined) return undefined;
  return Object.freeze({ ...said, kind: said.kind === "new" ? "kept" : said.kind, openings: [openingOf(said)] });
}

/** Why data counts as lost, as text. */
export function describeLoss(before: DataIdentity | undefined, said: DataIdentity | undefined): string {
  if (said === undefined || said.kind === "passing") return "it has no persistent data now";
  if (said.kind === "new") return "its data directory is new";
  return said.id === before?.id ? "its data is an older copy" : "it has a different data directory";
}

/** Encodes it as three words. */
export function encodeDataIdentity({ id, kind, openings }: DataIdentity): string {
  return `${id} ${kind} ${openings.join(",")}`;
}

/** Reads the three words; undefined if they are malformed. */
export function parseDataIdentity(words: readonly string[]): DataIdentity | undefined {
  const [id = "", kind = "", list = ""] = words;
  if (words.length !== 3 || !KINDS.includes(kind)) return undefined;
  if (id === ANY_DATA.id) return encodeDataIdentity(ANY_DATA) === words.join(" ") ? ANY_DATA : undefined;
  const openings = list.split(",");
  if (openings.length > OPENINGS_MAX || ![id, ...openings].every((word) => /^[0-9a-f]{1,64}$/.test(word))) return undefined;
  return Object.freeze({ id, kind: kind as DataIdentity["kind"], openings });
}

function openingOf({ openings }: DataIdentity): string {
  return openings.at(-1) as string;
}
