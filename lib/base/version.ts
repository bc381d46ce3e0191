/** The release, in Flare's numbering (whose last C++ release is 1.3.4), because tools compare versions. */

export const VERSION = "2.0.0";
/** What `version` answers behind `VERSION `, as the original does. */
export const PROTOCOL_VERSION = `flare-${VERSION}`;
/** The same with the numbers first: libmemcached gives up a server whose version begins otherwise. */
export const MEMCACHED_VERSION = `${VERSION} flare`;
