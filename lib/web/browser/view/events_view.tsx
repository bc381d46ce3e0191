/** What happened in the cluster, newest first. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { time } from "../model/format.ts";
import { HAPPENED_MAX } from "../model/link_state.ts";
import { usePage } from "./context.ts";
import { English, Table } from "./parts.tsx";

export function EventsView(): JSX.Element {
  const { t, language, link } = usePage();
  const [filter, setFilter] = useState("");
  const wanted = filter.trim().toLowerCase();
  const events = link.happened.filter(({ text, kind, node }) => `${text} ${kind} ${node ?? ""}`.toLowerCase().includes(wanted));
  return (
    <>
      <p class="note">{t("eventsIntro", { count: HAPPENED_MAX })}</p>
      <label class="field narrow">
        {t("filter")}
        <input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
      </label>
      {events.length === 0 ? (
        <p class="empty">{t("noEvents")}</p>
      ) : (
        <Table label={t("events")} head={[t("timeHead"), t("kind"), t("node"), t("what")]}>
          {events.toReversed().map(({ id, atMs, kind, node, text }) => (
            <tr key={id}>
              <td class="figure">{time(atMs, link.nowMs, language)}</td>
              <td>
                <span class="tag">
                  <English>{kind}</English>
                </span>
              </td>
              <td>
                <code>{node ?? ""}</code>
              </td>
              <td class="prose">
                <English>{text}</English>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}
