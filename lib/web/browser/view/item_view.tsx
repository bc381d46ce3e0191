/** An item: its value as text, JSON or hex, and the fields to store or delete it. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError, valueIn } from "../api.ts";
import { escaped, fromHex, hexLines, hexText, indentedJson, isEditableText, textOf } from "../model/bytes.ts";
import { bytes as bytesText, count, duration, UNKNOWN } from "../model/format.ts";
import { usePage } from "./context.ts";
import type { Looked } from "./items_view.tsx";
import { Choice, English, Figure, Notice } from "./parts.tsx";

/** What a viewer shows of a value at most. */
const SHOWN_MAX = 65536;
/** The largest value that can be edited in a field. */
const EDITED_MAX = 262144;

type Viewer = "text" | "json" | "hex";
type Editor = "text" | "hex";

interface Outcome {
  readonly kind: "good" | "bad" | "plain";
  readonly text: string;
}

export function ItemView({ looked, onAgain }: { looked: Looked; onAgain: () => void }): JSX.Element {
  const { t, language } = usePage();
  const { item, key } = looked;
  const value = valueIn(item);
  const [outcome, setOutcome] = useState<Outcome>();
  return (
    <article class="item" aria-label={escaped(key)}>
      {item.found ? (
        <>
          <dl class="figures">
            <Pair name={t("size")} text={bytesText(value.length, language)} />
            <Pair name={t("flags")} text={count(item.flags, language)} />
            <Pair name={t("ttl")} text={ttlText(item.ttl, t("never"), (time) => t("inTime", { time }), language)} />
            <Pair
              name={t("version")}
              text={item.version === null || item.version === undefined ? UNKNOWN : String(item.version)}
            />
          </dl>
          <ValueView value={value} />
        </>
      ) : (
        outcome === undefined && <Notice kind="plain">{t("newItem")}</Notice>
      )}
      {value.length > EDITED_MAX ? (
        <p class="note">{t("tooLargeToEdit")}</p>
      ) : (
        <Editing looked={looked} value={value} onOutcome={setOutcome} onAgain={onAgain} />
      )}
      {outcome !== undefined && (
        <Notice kind={outcome.kind}>
          <English>{outcome.text}</English>
        </Notice>
      )}
    </article>
  );
}

function Pair({ name, text }: { name: string; text: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Figure text={text} />
      </dd>
    </div>
  );
}

function ValueView({ value }: { value: Uint8Array }): JSX.Element {
  const { t, language } = usePage();
  const shown = value.subarray(0, SHOWN_MAX);
  const text = textOf(value);
  const json = text === undefined || value.length > SHOWN_MAX ? undefined : indentedJson(text);
  const isStructure = json !== undefined && /^\s*[[{]/.test(json);
  const [viewer, setViewer] = useState<Viewer>(isStructure ? "json" : text === undefined ? "hex" : "text");
  return (
    <div class="value">
      <Choice
        legend={t("viewAs")}
        name="viewer"
        value={viewer}
        options={[
          ["text", t("text")],
          ["json", t("json"), json === undefined],
          ["hex", t("hex")],
        ]}
        onChange={setViewer}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard */}
      <section class="scroll" tabIndex={0} aria-label={t("value")}>
        {viewer === "hex" ? (
          <pre>
            {hexLines(shown)
              .map(({ offset, hex, text: plain }) => `${offset}  ${hex.padEnd(47)}  ${plain}`)
              .join("\n")}
          </pre>
        ) : (
          <pre>{viewer === "json" ? json : new TextDecoder().decode(shown)}</pre>
        )}
      </section>
      {value.length > SHOWN_MAX && (
        <p class="note">{t("viewCut", { shown: bytesText(SHOWN_MAX, language), size: bytesText(value.length, language) })}</p>
      )}
    </div>
  );
}

function Editing(props: {
  looked: Looked;
  value: Uint8Array;
  onOutcome: (outcome: Outcome) => void;
  onAgain: () => void;
}): JSX.Element {
  const { t, api } = usePage();
  const { key, item } = props.looked;
  const canBeText = isEditableText(props.value);
  const shownAs = (editor: Editor): string => (editor === "text" ? (textOf(props.value) ?? "") : hexText(props.value));
  const [editor, setEditor] = useState<Editor>(canBeText ? "text" : "hex");
  const [text, setText] = useState(shownAs(editor));
  const [flags, setFlags] = useState(item.flags ?? 0);
  const [ttl, setTtl] = useState(item.ttl !== undefined && item.ttl !== null && item.ttl > 0 ? item.ttl : 0);

  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      props.onOutcome({ kind: "bad", text: failure.message });
    }
  };
  const bytesIn = (from: Editor, what: string): Uint8Array | undefined =>
    from === "hex" ? fromHex(what) : new TextEncoder().encode(what);
  const change = (to: Editor): void => {
    const edited = bytesIn(editor, text);
    if (edited === undefined || (to === "text" && !isEditableText(edited))) {
      props.onOutcome({ kind: "bad", text: t("badHex") });
      return;
    }
    setText(to === "text" ? (textOf(edited) ?? "") : hexText(edited));
    setEditor(to);
  };
  const store = (event: Event): void => {
    event.preventDefault();
    const value = bytesIn(editor, text);
    if (value === undefined) return props.onOutcome({ kind: "bad", text: t("badHex") });
    void attempt(async () => {
      const stored = await api.store(key, value, flags, ttl, item);
      props.onOutcome({ kind: "good", text: t("stored", { version: stored.version ?? UNKNOWN }) });
      props.onAgain();
    });
  };
  const remove = (): void => {
    if (!confirm(t("deleteSure", { key: escaped(key) }))) return;
    void attempt(async () => {
      const { deleted } = await api.remove(key);
      props.onOutcome({ kind: deleted === false ? "plain" : "good", text: t(deleted === false ? "wasNotThere" : "deleted") });
      props.onAgain();
    });
  };
  return (
    <form class="editing" onSubmit={store}>
      <Choice
        legend={t("editAs")}
        name="editor"
        value={editor}
        options={[
          ["text", t("text"), !canBeText && editor === "hex"],
          ["hex", t("hex")],
        ]}
        onChange={change}
      />
      <label class="field">
        {t("value")}
        <textarea
          name="value"
          rows={6}
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <div class="pair">
        <label class="field">
          {t("flags")}
          <input
            type="number"
            name="flags"
            min="0"
            max="4294967295"
            required
            value={flags}
            onInput={(event) => setFlags(event.currentTarget.valueAsNumber || 0)}
          />
        </label>
        <label class="field">
          {t("ttlSeconds")}
          <input
            type="number"
            name="ttl"
            min="0"
            required
            value={ttl}
            onInput={(event) => setTtl(event.currentTarget.valueAsNumber || 0)}
          />
        </label>
      </div>
      <div class="buttons">
        <button type="submit" class="main">
          {t("store")}
        </button>
        {item.found && (
          <button type="button" class="danger" onClick={remove}>
            {t("deleteItem")}
          </button>
        )}
      </div>
    </form>
  );
}

function ttlText(ttl: number | null | undefined, never: string, inTime: (time: string) => string, language: string): string {
  if (ttl === null || ttl === undefined) return UNKNOWN;
  return ttl < 0 ? never : inTime(duration(ttl, language));
}
