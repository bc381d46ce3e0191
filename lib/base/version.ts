/** The release, in Flare's numbering (whose last C++ release is 1.3.4), because tools compare versions. */

export const VERSION = "2.0.0";
/** The answer to `version` after `VERSION `, as in the original. */
export const PROTOCOL_VERSION = `flare-${VERSION}`;
/** The same with the numbers first: libmemcached rejects a server whose version does not start with a number. */
export const MEMCACHED_VERSION = `${VERSION} flare`;
