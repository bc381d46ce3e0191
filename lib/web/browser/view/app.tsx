/** The whole page: head, views, and what is said aloud. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { Api } from "../api.ts";
import { LANGUAGES, type Language, type MessageKey, preferredLanguage, translator } from "../messages/messages.ts";
import { duration, time } from "../model/format.ts";
import { type Announcement, isLive, noLink, staleSinceMs, step } from "../model/link_state.ts";
import { ClusterStream } from "../stream.ts";
import { ChartsView } from "./charts_view.tsx";
import { ClusterView } from "./cluster_view.tsx";
import { Page, type PageContext, usePage } from "./context.ts";
import { EventsView } from "./events_view.tsx";
import { ItemsView } from "./items_view.tsx";
import { RequestsView } from "./requests_view.tsx";
import { TokenDialog, type TokenQuestion } from "./token_dialog.tsx";

type ViewName = "cluster" | "charts" | "events" | "data" | "requests";
type Theme = "auto" | "light" | "dark";

const VIEWS: Readonly<Record<ViewName, () => JSX.Element>> = {
  cluster: ClusterView,
  charts: ChartsView,
  events: EventsView,
  data: ItemsView,
  requests: RequestsView,
};
const THEMES: Readonly<Record<Theme, MessageKey>> = { auto: "themeAuto", light: "themeLight", dark: "themeDark" };
const ANNOUNCED: Readonly<Record<Announcement["kind"], MessageKey>> = {
  nodeDown: "announceNodeDown",
  nodeServes: "announceNodeServes",
  nodeMaster: "announceNodeMaster",
  nodeAppears: "announceNodeAppears",
  nodeGone: "announceNodeGone",
  streamLost: "announceStreamLost",
  streamBack: "announceStreamBack",
};

export function App(): JSX.Element {
  const [link, dispatch] = useReducer(step, undefined, () => noLink(Date.now()));
  const [question, setQuestion] = useState<TokenQuestion>();
  const api = useMemo(() => new Api((refused) => askToken(refused, setQuestion)), []);
  useEffect(() => new ClusterStream(dispatch, () => api.happened()).start(), [api]);
  const [language, setLanguage] = useStored<Language>("flare-language", LANGUAGES, preferredLanguage(navigator.languages));
  const [theme, setTheme] = useStored<Theme>("flare-theme", THEMES, "auto");
  const system = useSystemTheme();
  const colours = theme === "auto" ? system : theme;
  const t = useMemo(() => translator(language), [language]);
  const view = useView();
  // Before what is drawn reads the colours.
  useLayoutEffect(() => {
    document.documentElement.lang = language;
    document.documentElement.dataset.theme = colours;
  }, [language, colours]);
  const down = link.cluster?.nodes.filter(({ state }) => state === "down").length ?? 0;
  const where = link.cluster?.self.address ?? location.host;
  useEffect(() => {
    const worst = !isLive(link) && link.receivedMs !== undefined ? "? " : down > 0 ? `(${down} ${t("down")}) ` : "";
    document.title = `${worst}${t(view)} – Flare ${where}`;
  }, [down, where, view, t, isLive(link)]);

  const page: PageContext = { t, language, theme: colours, api, link };
  const View = VIEWS[view];
  return (
    <Page.Provider value={page}>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <header>
        <p class="brand">
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
            <path d="M17 2c1 6-7 9-7 17a7 7 0 0 0 14 0c0-3-2-5-3-7-1 2-2 3-4 4 2-5 2-10 0-14Z" />
          </svg>
          {t("title")}
        </p>
        <nav aria-label={t("views")}>
          <ul>
            {(Object.keys(VIEWS) as ViewName[]).map((name) => (
              <li key={name}>
                <a href={`#/${name}`} aria-current={name === view ? "page" : undefined}>
                  {t(name)}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <LinkMark />
      </header>
      <main id="main" tabIndex={-1} data-live={String(isLive(link))}>
        <StaleBanner />
        <h1>{t(view)}</h1>
        <View />
      </main>
      <footer>
        <p>{link.cluster !== undefined && t("servedBy", { server: where, version: link.cluster.self.version })}</p>
        <section class="settings" aria-label={t("settings")}>
          <label>
            {t("language")}{" "}
            <select name="language" value={language} onChange={(event) => setLanguage(event.currentTarget.value as Language)}>
              {Object.entries(LANGUAGES).map(([name, { name: own }]) => (
                <option key={name} value={name} lang={name}>
                  {own}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t("theme")}{" "}
            <select name="theme" value={theme} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
              {Object.entries(THEMES).map(([name, key]) => (
                <option key={name} value={name}>
                  {t(key)}
                </option>
              ))}
            </select>
          </label>
        </section>
      </footer>
      <div class="hidden" aria-live="polite" id="announcements">
        {link.announcements.map(({ id, kind, node, partition }) => (
          <p key={id}>{t(ANNOUNCED[kind], { node, partition })}</p>
        ))}
      </div>
      {question !== undefined && <TokenDialog question={question} />}
    </Page.Provider>
  );
}

/** Whether what is shown is live, in the head of every view. */
function LinkMark(): JSX.Element {
  const { t, link, language } = usePage();
  const since = staleSinceMs(link);
  const [kind, text] = isLive(link)
    ? ["live", t("live")]
    : since === undefined
      ? ["waiting", t("connecting")]
      : ["stale", t("stale", { time: time(since, link.nowMs, language) })];
  return (
    <p class={`link link-${kind}`} id="link">
      <svg viewBox="0 0 16 16" width="10" height="10" aria-hidden="true">
        {kind === "stale" ? <path d="M7 1h2v9H7zM7 12h2v3H7z" /> : <circle cx="8" cy="8" r="6" />}
      </svg>
      {text}
    </p>
  );
}

function StaleBanner(): JSX.Element | null {
  const { t, link, language } = usePage();
  const since = staleSinceMs(link);
  if (since === undefined) {
    return link.hasFailed ? (
      <div class="banner" id="stale">
        <p>{t("neverBanner")}</p>
      </div>
    ) : null;
  }
  const age = duration(Math.max(link.nowMs - since, 0) / 1000, language);
  return (
    <div class="banner" id="stale">
      <p>
        {t("staleBanner", {
          server: link.cluster?.self.address ?? location.host,
          time: time(since, link.nowMs, language),
          age,
        })}
      </p>
    </div>
  );
}

function askToken(
  refused: string | undefined,
  show: (question: TokenQuestion | undefined) => void,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    show({
      refused,
      answer: (token) => {
        show(undefined);
        resolve(token);
      },
    });
  });
}

/** The view that the address names with `#/`; the content gets the focus when another one is chosen. */
function useView(): ViewName {
  const named = (before: ViewName): ViewName => {
    if (!location.hash.startsWith("#/")) return before;
    const name = location.hash.slice(2);
    return Object.hasOwn(VIEWS, name) ? (name as ViewName) : "cluster";
  };
  const [view, setView] = useState(() => named("cluster"));
  const first = useRef(true);
  useEffect(() => {
    const changed = (): void => setView(named);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  // With the view, not later: somebody may be in one of its fields by then.
  useLayoutEffect(() => {
    if (first.current) first.current = false;
    else document.getElementById("main")?.focus();
  }, [view]);
  return view;
}

/** A choice that the browser keeps. */
function useStored<T extends string>(
  place: string,
  allowed: Readonly<Record<T, unknown>>,
  initial: T,
): [T, (value: T) => void] {
  const kept = localStorage.getItem(place);
  const [value, setValue] = useState<T>(kept !== null && Object.hasOwn(allowed, kept) ? (kept as T) : initial);
  const set = (next: T): void => {
    localStorage.setItem(place, next);
    setValue(next);
  };
  return [value, set];
}

function useSystemTheme(): "dark" | "light" {
  const query = useMemo(() => matchMedia("(prefers-color-scheme: dark)"), []);
  const [isDark, setIsDark] = useState(query.matches);
  useEffect(() => {
    const changed = (): void => setIsDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [query]);
  return isDark ? "dark" : "light";
}
