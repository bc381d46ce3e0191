/**
 * What one key should hold, and the requests a worker makes of it. As only that worker uses the key, one request at a
 * time, the right answer to each is known exactly.
 */

/** What a key holds; undefined = nothing. */
export type Held = { readonly value: string; readonly flags: number } | undefined;

/** One request, the answer it has to get, and what the key holds afterwards. */
export interface Operation {
  readonly key: string;
  readonly request: string;
  readonly writes: boolean;
  /** The end of a complete answer. */
  readonly last: RegExp;
  readonly answer: RegExp | string;
  readonly after: Held;
}

const VALUE_BYTES_MAX = 400;

/**
 * Picks the next request for a key.
 * @param unique makes every value different; @param version what `gets` last showed, if it still holds
 */
export function nextOperation(key: string, held: Held, unique: number, version: string | undefined): Operation {
  const kind = Math.random();
  if (kind < 0.3) return retrieve("get", key, held);
  if (kind < 0.45) return retrieve("gets", key, held);
  const text = `<${unique}>`;
  if (key.startsWith("counter")) {
    if (kind < 0.85) return incr(key, held, 1 + Math.floor(Math.random() * 1000));
    return kind < 0.9 ? remove(key, held) : store("set", key, held, String(unique), 0);
  }
  if (kind < 0.65)
    return store("set", key, held, text + "x".repeat(Math.floor(Math.random() * VALUE_BYTES_MAX)), unique % 1000);
  if (kind < 0.7) return store("add", key, held, text, unique % 1000);
  if (kind < 0.8 && (held?.value.length ?? 0) < VALUE_BYTES_MAX) return append(key, held, text);
  if (kind < 0.86) {
    return version === undefined ? retrieve("gets", key, held) : compareAndSwap(key, held, version, text, unique % 1000);
  }
  return kind < 0.93 ? remove(key, held) : touch(key, held, 20000 + Math.floor(Math.random() * 20000));
}

/** get, or gets, whose answer shows a version, too. */
export function retrieve(command: "get" | "gets", key: string, held: Held): Operation {
  const version = command === "gets" ? " \\d+" : "";
  const block = held === undefined ? "" : `VALUE ${key} ${held.flags} ${held.value.length}${version}\r\n${held.value}\r\n`;
  return {
    key,
    writes: false,
    request: `${command} ${key}\r\n`,
    last: /END\r\n$/,
    after: held,
    answer: command === "gets" ? new RegExp(`^${block}END\r\n$`) : `${block}END\r\n`,
  };
}

function store(command: "set" | "add", key: string, held: Held, value: string, flags: number): Operation {
  const stored = command === "set" || held === undefined;
  return write(key, `${command} ${key} ${flags} 0 ${value.length} sync\r\n${value}`, {
    answer: stored ? "STORED" : "NOT_STORED",
    after: stored ? { value, flags } : held,
  });
}

function append(key: string, held: Held, text: string): Operation {
  return write(key, `append ${key} 0 0 ${text.length} sync\r\n${text}`, {
    answer: held === undefined ? "NOT_STORED" : "STORED",
    after: held === undefined ? undefined : { value: held.value + text, flags: held.flags },
  });
}

function compareAndSwap(key: string, held: Held, version: string, value: string, flags: number): Operation {
  return write(key, `cas ${key} ${flags} 0 ${value.length} ${version} sync\r\n${value}`, {
    answer: held === undefined ? "NOT_FOUND" : "STORED",
    after: held === undefined ? undefined : { value, flags },
  });
}

function incr(key: string, held: Held, delta: number): Operation {
  const value = held === undefined ? undefined : String(Number(held.value) + delta);
  return write(key, `incr ${key} ${delta} sync`, {
    answer: value ?? "NOT_FOUND",
    after: held === undefined || value === undefined ? undefined : { value, flags: held.flags },
  });
}

function remove(key: string, held: Held): Operation {
  return write(key, `delete ${key} 0 sync`, { answer: held === undefined ? "NOT_FOUND" : "DELETED", after: undefined });
}

function touch(key: string, held: Held, exptime: number): Operation {
  return write(key, `touch ${key} ${exptime}`, { answer: held === undefined ? "NOT_FOUND" : "TOUCHED", after: held });
}

function write(key: string, request: string, { answer, after }: { answer: RegExp | string; after: Held }): Operation {
  const line = typeof answer === "string" ? `${answer}\r\n` : answer;
  return { key, writes: true, request: `${request}\r\n`, last: /\r\n$/, answer: line, after };
}
