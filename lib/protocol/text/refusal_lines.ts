/** Refusals that several files answer or recognize, in memcached's words where it has them. */

/** A malformed line, or a key that is too long. */
export const BAD_LINE = "CLIENT_ERROR bad command line format";
export const BAD_FLAG = "CLIENT_ERROR invalid or duplicate flag";
export const BAD_EXPTIME = "CLIENT_ERROR invalid exptime argument";
export const BAD_NODE_MAP = "CLIENT_ERROR format error";
export const NON_NUMERIC = "CLIENT_ERROR cannot increment or decrement non-numeric value";
/** The client must log in first. */
export const UNAUTHENTICATED = "CLIENT_ERROR unauthenticated";
export const TOO_LARGE = "SERVER_ERROR object too large for cache";
export const OUT_OF_MEMORY = "SERVER_ERROR out of memory storing object";
/** The node is about to stop. */
export const STOPPING = "SERVER_ERROR stopping";
/** The request was sent to the node that has the key, and no valid answer came: it is in doubt. */
export const PROXY_ERROR = "SERVER_ERROR proxy error";
/** The first words of a refusal after which a part of the request is in doubt. */
export const IN_DOUBT = "SERVER_ERROR in doubt";
