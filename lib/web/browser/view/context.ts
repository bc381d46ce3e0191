/** What every view has: the language, the server, and what is known of the cluster. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Api } from "../api.ts";
import type { Language, Translate } from "../messages/messages.ts";
import type { LinkState } from "../model/link_state.ts";

export interface PageContext {
  readonly t: Translate;
  readonly language: Language;
  /** Changes with the colours, so that what is drawn can be drawn again. */
  readonly theme: string;
  readonly api: Api;
  readonly link: LinkState;
}

export const Page = createContext<PageContext | undefined>(undefined);

export function usePage(): PageContext {
  const page = useContext(Page);
  if (page === undefined) throw new Error("a view is not on the page");
  return page;
}
