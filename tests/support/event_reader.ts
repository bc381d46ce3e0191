/** Server-sent events, read as a browser does. */

/** An event of a stream. */
export interface ReadEvent {
  readonly event: string;
  readonly id: string | undefined;
  /** Parsed. */
  readonly data: unknown;
}

const PATIENCE_MS = 30_000;

export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";
  #isOver = false;

  private constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
  }

  /** @throws Error unless the answer is a stream of events */
  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<EventReader> {
    const response = await fetch(url, { headers });
    const type = response.headers.get("content-type");
    if (response.body === null || type !== "text/event-stream; charset=utf-8") {
      throw new Error(`${url}: ${response.status} ${type} ${await response.text()}`);
    }
    return new EventReader(response.body);
  }

  /** The next event that is wanted; others are dropped. @throws Error when the stream ends, or after half a minute */
  async until(isWanted: (event: ReadEvent) => boolean): Promise<ReadEvent> {
    return this.#within(async () => {
      for (;;) {
        const event = await this.#next();
        if (event === undefined) throw new Error("the stream has ended");
        if (isWanted(event)) return event;
      }
    });
  }

  /** Resolves at the end of the stream. */
  async end(): Promise<void> {
    await this.#within(async () => {
      while ((await this.#next()) !== undefined);
    });
  }

  close(): void {
    void this.#reader.cancel().catch(() => undefined);
  }

  /** Undefined at the end. */
  async #next(): Promise<ReadEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1];
        const [event, data] = [field("event"), field("data")];
        if (event !== undefined && data !== undefined) return { event, id: field("id"), data: JSON.parse(data) };
        continue;
      }
      if (this.#isOver) return undefined;
      // A server that stops may end the connection in the middle of an answer.
      const { done, value } = await this.#reader.read().catch(() => ({ done: true, value: undefined }));
      if (value !== undefined) this.#text += this.#decoder.decode(value, { stream: true });
      this.#isOver = done;
    }
  }

  async #within<T>(work: () => Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came in ${PATIENCE_MS} ms: ${this.#text.slice(-300)}`)), PATIENCE_MS);
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
