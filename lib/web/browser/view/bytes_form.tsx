/** A field for a key or the beginning of one, and what is done with it. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { unescaped } from "../model/bytes.ts";
import { usePage } from "./context.ts";
import { Failure } from "./parts.tsx";

export function BytesForm(props: {
  name: string;
  label: string;
  button: string;
  text: string;
  /** Whether nothing is something, too. */
  mayBeEmpty: boolean;
  /** The id of a note on the field. */
  note?: string;
  onText: (text: string) => void;
  onBytes: (bytes: Uint8Array) => void;
}): JSX.Element {
  const { t } = usePage();
  const [error, setError] = useState<string>();
  const submit = (event: Event): void => {
    event.preventDefault();
    const bytes = unescaped(props.text);
    const isEmpty = bytes?.length === 0 && !props.mayBeEmpty;
    setError(bytes === undefined ? t("badKey") : isEmpty ? t("emptyKey") : undefined);
    if (bytes !== undefined && !isEmpty) props.onBytes(bytes);
  };
  return (
    <>
      <form class="line-form" onSubmit={submit}>
        <label class="field">
          {props.label}
          <input
            name={props.name}
            value={props.text}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            aria-describedby={props.note}
            onInput={(event) => props.onText(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="main">
          {props.button}
        </button>
      </form>
      {error !== undefined && <Failure>{error}</Failure>}
    </>
  );
}
