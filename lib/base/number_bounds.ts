/**
 * The largest numbers of the widths that protocols, files and platforms have. A bound with a meaning has a name of its own
 * where it belongs (`PORT_MAX`, `EXPIRE_MAX`). 64 bits are in `uint64.ts`.
 */

export const UINT16_MAX = 0xffff;
export const INT32_MAX = 0x7fffffff;
export const UINT32_MAX = 0xffffffff;

/** The longest delay of a timer that all platforms support, in milliseconds (about 24.8 days). */
export const DELAY_MS_MAX: number = INT32_MAX;
