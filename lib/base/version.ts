/** The release, in Flare's numbering (whose last C++ release is 1.3.4), because tools compare versions. */

export const VERSION = "2.0.0";
/** What `version` answers behind `VERSION `. */
export const PROTOCOL_VERSION = `flare-${VERSION}`;
