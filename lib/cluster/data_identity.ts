/**
 * Which data a node has: what it says when it joins, so that the index server knows whether a master that was restarted
 * still is the one with the data, instead of believing it. Each opening of the data has a random number; a node proves
 * that it has the data it joined with by naming that opening, which an older copy of the directory does not know. Pure;
 * the words of the wire and of `flare.xml` both ways.
 */

/** What a node says of its data. */
export interface DataIdentity {
  /** Hexadecimal digits, drawn when the data directory was created. */
  readonly id: string;
  /** `new`: the directory has never been in a cluster. `passing`: nothing keeps the data, each start has others. */
  readonly kind: "kept" | "new" | "passing";
  /** Hexadecimal digits, drawn with each opening: that with which the node joined last first, this one last. */
  readonly openings: readonly string[];
}

/** What a master comes with, seen from what the index server remembers of it. */
export type DataVerdict =
  /** The data it held its role with. */
  | "same"
  /** Nobody said anything about them: it may be so. */
  | "unknown"
  /** None, and there never were any that outlive a process. */
  | "passing"
  /** None, other ones, or an older copy. */
  | "lost";

/** An operator's word: whatever the node has when it joins the next time counts as the data of its role. */
export const ANY_DATA: DataIdentity = Object.freeze({ id: "any", kind: "kept", openings: Object.freeze(["any"]) });

/** How many openings a node names at most. */
export const OPENINGS_MAX = 64;

const KINDS: readonly string[] = ["kept", "new", "passing"] satisfies DataIdentity["kind"][];

/** Judges what a node says (undefined: nothing, as the C++ Flare does) by what is remembered (undefined: nothing). */
export function judgeData(before: DataIdentity | undefined, said: DataIdentity | undefined): DataVerdict {
  if (said === undefined) return "unknown";
  if (before === ANY_DATA) return "same";
  if (before === undefined) return said.kind === "passing" ? "passing" : said.kind === "new" ? "lost" : "unknown";
  if (said.id === before.id && said.openings.includes(openingOf(before))) return "same";
  return before.kind === "passing" ? "passing" : "lost";
}

/** What is remembered of a node that was let in. */
export function rememberedData(said: DataIdentity | undefined): DataIdentity | undefined {
  if (said === undefined) return undefined;
  return Object.freeze({ ...said, kind: said.kind === "new" ? "kept" : said.kind, openings: [openingOf(said)] });
}

/** Why data count as lost, for people. */
export function describeLoss(before: DataIdentity | undefined, said: DataIdentity | undefined): string {
  if (said === undefined || said.kind === "passing") return "it keeps no data now";
  if (said.kind === "new") return "its data directory is new";
  return said.id === before?.id ? "its data are an older copy" : "its data directory is another one";
}

/** The three words that say it. */
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
