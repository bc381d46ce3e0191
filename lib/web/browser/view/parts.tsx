/** Small parts that all views are made of. */

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { State } from "../model/cluster.ts";
import { UNKNOWN } from "../model/format.ts";
import { usePage } from "./context.ts";

/** A figure; one that is not known is a dash, which is read aloud as what it means. */
export function Figure({ text }: { text: string }): JSX.Element {
  const { t } = usePage();
  if (text !== UNKNOWN) return <>{text}</>;
  return (
    <>
      <span aria-hidden="true">{UNKNOWN}</span>
      <span class="hidden">{t("unknown")}</span>
    </>
  );
}

/** Words of the server, which are English whatever the page's language. */
export function English({ children }: { children: ComponentChildren }): JSX.Element {
  return <span lang="en">{children}</span>;
}

const STATE_SHAPES: Readonly<Record<State, string>> = {
  active: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Z",
  ready: "M8 1.5 14.5 8 8 14.5 1.5 8Z",
  prepare: "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2Zm0 2.5v7a3.5 3.5 0 0 0 0-7Z",
  down: "m3.5 2 4.5 4.5L12.5 2 14 3.5 9.500 8l4.5 4.5-1.500 1.500L8 9.500 3.500 14 2 12.500 6.500 8 2 3.500Z",
};

/** A state by shape, colour and word. */
export function StateMark({ state }: { state: State }): JSX.Element {
  const { t } = usePage();
  return (
    <span class={`state state-${state}`}>
      <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        <path d={STATE_SHAPES[state]} fill-rule="evenodd" />
      </svg>
      {t(state)}
    </span>
  );
}

/** A message about what was done; read aloud when it changes. */
export function Notice({ kind, children }: { kind: "good" | "bad" | "plain"; children: ComponentChildren }): JSX.Element {
  return (
    <p class={`notice notice-${kind}`} role={kind === "bad" ? "alert" : "status"}>
      {children}
    </p>
  );
}

/** What failed, in the server's words most of the time. */
export function Failure({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <Notice kind="bad">
      <English>{children}</English>
    </Notice>
  );
}

/**
 * A dialog over the page, closed by Escape, too. The focus goes to its first field marked with `data-first`, and in the end
 * back to where it was.
 */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }): JSX.Element {
  const { t } = usePage();
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    dialog?.querySelector<HTMLElement>("[data-first]")?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const cancel = (event: Event): void => {
    event.preventDefault();
    props.onClose();
  };
  return (
    <dialog ref={ref} aria-labelledby="dialog-title" onCancel={cancel}>
      <div class="dialog-head">
        <h2 id="dialog-title">{props.title}</h2>
        <button type="button" class="quiet" onClick={props.onClose}>
          {t("close")}
        </button>
      </div>
      {props.children}
    </dialog>
  );
}

/** One of a few, as radio buttons that look like a switch. */
export function Choice<T extends string>(props: {
  legend: string;
  name: string;
  value: T;
  options: readonly (readonly [value: T, label: string, disabled?: boolean])[];
  onChange: (value: T) => void;
}): JSX.Element {
  return (
    <fieldset class="choice">
      <legend>{props.legend}</legend>
      {props.options.map(([value, label, disabled]) => (
        <label key={value}>
          <input
            type="radio"
            name={props.name}
            value={value}
            checked={value === props.value}
            disabled={disabled ?? false}
            onChange={() => props.onChange(value)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** A table that scrolls sideways where it is too wide, by keyboard, too. */
export function Table(props: { label: string; head: readonly string[]; children: ComponentChildren }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
    <section class="table scroll" tabIndex={0} aria-label={props.label}>
      <table>
        <thead>
          <tr>
            {props.head.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  );
}
