/** How connections to other servers speak TLS: read for each of them, because certificates are renewed. */

import type { TlsClient } from "../../runtime/runtime.ts";

export interface TlsLink {
  /** Undefined: plainly. */
  readonly client: TlsClient | undefined;
}
