/** A transport that remembers who lets connections in, so that a test can open sessions without sockets in between. */

import type { Connection, ConnectionHandler, Transport } from "../../lib/runtime/runtime.ts";

/** What a listener does with a new connection. */
export type Accept = (connection: Connection) => ConnectionHandler;

/** The same transport, and what was given to each `listen`, in order. */
export function recordedTransport(real: Transport): { readonly transport: Transport; readonly accepts: readonly Accept[] } {
  const accepts: Accept[] = [];
  const transport: Transport = {
    connect: (...given) => real.connect(...given),
    listen: (address, accept, options) => {
      accepts.push(accept);
      return real.listen(address, accept, options);
    },
  };
  return { transport, accepts };
}
