/** Cuts the bytes one server sends another into requests, for tests that play the other one. */

/** Words that a data block follows. */
export const STORING_WORDS = new Set(["set", "add", "replace", "append", "prepend", "cas"]);

/** The first whole request of a stream, undefined while there is none. */
export function cutRequest(stream: string): string | undefined {
  const lineEnd = stream.indexOf("\r\n");
  if (lineEnd < 0) return undefined;
  const words = stream
    .slice(0, lineEnd)
    .replace(/^<[^>]*>/, "")
    .split(" ");
  let end = lineEnd + 2;
  if (STORING_WORDS.has(words[0] ?? "")) end += Number(words[4]) + 2;
  else if (words[0] === "ms") end += Number(words[2]) + 2;
  else if (words[0] === "block") end += Number(words[7]) + 2;
  else if (words[0] === "node" && words[1] === "sync")
    end = stream.indexOf("END\r\n") < 0 ? Infinity : stream.indexOf("END\r\n") + 5;
  return end <= stream.length ? stream.slice(0, end) : undefined;
}
