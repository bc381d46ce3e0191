/** Asks for the token, and says why the last one was not accepted. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { usePage } from "./context.ts";
import { Dialog, Failure } from "./parts.tsx";

/** A question that waits for its answer. */
export interface TokenQuestion {
  readonly refused: string | undefined;
  readonly answer: (token: string | undefined) => void;
}

export function TokenDialog({ question }: { question: TokenQuestion }): JSX.Element {
  const { t } = usePage();
  const [token, setToken] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    if (token !== "") question.answer(token);
  };
  return (
    <Dialog title={t("tokenTitle")} onClose={() => question.answer(undefined)}>
      <p>{t("tokenWhy")}</p>
      {question.refused !== undefined && <Failure>{t("tokenRefused", { error: question.refused })}</Failure>}
      <form onSubmit={submit}>
        <label class="field">
          {t("token")}
          <input
            type="password"
            name="token"
            data-first
            autocomplete="off"
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <div class="buttons">
          <button type="submit" class="main">
            {t("useToken")}
          </button>
          <button type="button" class="quiet" onClick={() => question.answer(undefined)}>
            {t("cancel")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
