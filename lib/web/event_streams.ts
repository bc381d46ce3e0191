/**
 * The open streams of server-sent events: each shows the newest picture of the cluster and what happened. A client that reads
 * slowly misses pictures, never events that are still kept; one that does not read at all is ended by its connection.
 */

import { type HttpHandler, textResponse } from "../net/http/http_handler.ts";
import type { Clock, Timer } from "../runtime/runtime.ts";
import type { ClusterPicture } from "./cluster_picture.ts";
import type { Happenings } from "./happenings.ts";

/** Most streams at the same time. */
export const STREAMS_MAX = 64;
/** A comment is sent this often, so that both sides and proxies between them see a living connection. */
export const HEARTBEAT_MS = 15_000;
/** How soon a browser connects again. */
const RETRY_MS = 2000;

const ENCODER = new TextEncoder();
const HEADERS = { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" };
const HEARTBEAT = ": alive\n\n";

export class EventStreams {
  readonly #clock: Clock;
  readonly #happenings: Happenings;
  readonly #streams = new Set<EventStream>();
  #timer: Timer | undefined;
  #isStopped = false;
  #picture = "";
  #pictures = 0;

  constructor(clock: Clock, happenings: Happenings) {
    this.#clock = clock;
    this.#happenings = happenings;
  }

  /** How many are open. */
  get count(): number {
    return this.#streams.size;
  }

  /** Shows a picture, and what has happened until now, to everybody. */
  publish(picture: ClusterPicture): void {
    if (this.#streams.size === 0) return;
    this.#show(picture);
    for (const stream of this.#streams) stream.wake();
  }

  /** Ends all of them, and accepts no more. */
  stop(): void {
    this.#isStopped = true;
    this.#endHeartbeats();
    for (const stream of [...this.#streams]) stream.end();
  }

  /** Opens one; `picture` is what it shows first. */
  readonly open: (picture: ClusterPicture) => HttpHandler = (picture) => async (request) => {
    if (this.#isStopped) return textResponse(503, "this server is stopping\n");
    if (this.#streams.size >= STREAMS_MAX) {
      return textResponse(503, `${STREAMS_MAX} streams of events are open, which is the limit: close one\n`);
    }
    if (request.method === "HEAD") return new Response(null, { headers: HEADERS });
    this.#show(picture);
    const stream = new EventStream(this, resumedAfter(request.headers.get("last-event-id")) ?? this.#happenings.lastId);
    this.#streams.add(stream);
    this.#beat();
    return new Response(stream.body, { headers: HEADERS });
  };

  /** What a stream has not sent yet: the newest picture, and events. */
  next(sentPicture: number, sentId: number): { readonly text: string; readonly picture: number; readonly id: number } {
    let text = sentPicture === this.#pictures ? "" : `event: cluster\ndata: ${this.#picture}\n\n`;
    let id = sentId;
    for (const happening of this.#happenings.after(sentId)) {
      id = happening.id;
      text += `event: happened\nid: ${id}\ndata: ${JSON.stringify(happening)}\n\n`;
    }
    return { text, picture: this.#pictures, id };
  }

  /** A stream's client is gone. */
  closed(stream: EventStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size === 0) this.#endHeartbeats();
  }

  #show(picture: ClusterPicture): void {
    this.#picture = JSON.stringify(picture);
    this.#pictures++;
  }

  #beat(): void {
    this.#timer ??= this.#clock.setTimer(() => {
      this.#timer = undefined;
      for (const stream of this.#streams) stream.beat();
      this.#beat();
    }, HEARTBEAT_MS);
  }

  #endHeartbeats(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}

/** The number behind which a browser that connects again goes on; undefined = it has none. */
function resumedAfter(header: string | null): number | undefined {
  return header !== null && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/** One of them. Its body is made only as fast as its client reads. */
class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #owner: EventStreams;
  #sentPicture = -1;
  #sentId: number;
  /** Sent as it is, first. */
  #urgent = `retry: ${RETRY_MS}\n\n`;
  #isEnded = false;
  #wake: (() => void) | undefined;

  constructor(owner: EventStreams, sentId: number) {
    this.#owner = owner;
    this.#sentId = sentId;
    this.body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => this.end(),
      },
      { highWaterMark: 0 },
    );
  }

  /** There may be something to send. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  beat(): void {
    this.#urgent ||= HEARTBEAT;
    this.wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#owner.closed(this);
    this.wake();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    for (;;) {
      if (this.#isEnded) return controller.close();
      const { text, picture, id } = this.#owner.next(this.#sentPicture, this.#sentId);
      const bytes = ENCODER.encode(this.#urgent + text);
      this.#urgent = "";
      this.#sentPicture = picture;
      this.#sentId = id;
      if (bytes.length > 0) return controller.enqueue(bytes);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
