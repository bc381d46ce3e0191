/** The outcome of an attempt to read or write a key. Attempts never wait; the caller handles what they must wait for. */

/** Done (a refusal counts too), or the engine must be read or the arena needs room first, and nothing was done. */
export const Attempt = { done: 0, load: 1, room: 2 } as const;
export type Attempt = (typeof Attempt)[keyof typeof Attempt];
