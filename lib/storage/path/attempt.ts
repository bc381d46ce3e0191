/**
 * What becomes of an attempt at a key. Attempts never wait; whoever makes one sees to what it must wait for.
 */

/** Carried out (a refusal counts too), or the engine must be read or the arena emptied first, and nothing was done. */
export const Attempt = { done: 0, load: 1, room: 2 } as const;
export type Attempt = (typeof Attempt)[keyof typeof Attempt];
