/** TLS for connections to other servers. Read again for each connection, because certificates are renewed. */

import type { TlsClient } from "../../runtime/runtime.ts";

export interface TlsLink {
  /** Undefined: plain text. */
  readonly client: TlsClient | undefined;
}
