/** One item by its key, and the keys that there are. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { escaped, from64 } from "../model/bytes.ts";
import type { Item } from "../model/cluster.ts";
import { bytes, count } from "../model/format.ts";
import { BytesForm } from "./bytes_form.tsx";
import { usePage } from "./context.ts";
import { ItemView } from "./item_view.tsx";
import { Failure, Figure, Table } from "./parts.tsx";

const SCAN_LIMIT = 100;

/** The item that is shown. */
export interface Looked {
  readonly key: Uint8Array;
  readonly item: Item;
  /** Counts the looks, so that each one starts with fresh fields. */
  readonly look: number;
}

export function ItemsView(): JSX.Element {
  const { t, api, link } = usePage();
  const [key, setKey] = useState("");
  const [looked, setLooked] = useState<Looked>();
  const [error, setError] = useState<string>();
  if (link.cluster?.changesAllowed === false) return <p class="empty">{t("changesOff")}</p>;

  const look = async (bytesOfKey: Uint8Array): Promise<void> => {
    setError(undefined);
    try {
      const item = await api.item(bytesOfKey);
      setLooked({ key: bytesOfKey, item, look: (looked?.look ?? 0) + 1 });
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setLooked(undefined);
      setError(failure.message);
    }
  };
  const choose = (chosen: Uint8Array): void => {
    setKey(escaped(chosen));
    void look(chosen);
  };
  return (
    <div class="data">
      <section aria-labelledby="item">
        <h2 id="item">{t("oneItem")}</h2>
        <p class="note" id="key-note">
          {t("dataIntro")}
        </p>
        <BytesForm
          name="key"
          label={t("key")}
          button={t("look")}
          text={key}
          mayBeEmpty={false}
          note="key-note"
          onText={setKey}
          onBytes={(wanted) => void look(wanted)}
        />
        {error !== undefined && <Failure>{error}</Failure>}
        {looked !== undefined && <ItemView key={looked.look} looked={looked} onAgain={() => void look(looked.key)} />}
      </section>
      <KeyList onChoose={choose} />
      {api.hasToken && (
        <p>
          <button type="button" class="quiet" onClick={() => api.forgetToken()}>
            {t("forgetToken")}
          </button>
        </p>
      )}
    </div>
  );
}

interface Listed {
  readonly prefix: Uint8Array;
  readonly keys: readonly { readonly key64: string; readonly bytes: number | null }[];
  readonly cursor: string | null;
}

function KeyList({ onChoose }: { onChoose: (key: Uint8Array) => void }): JSX.Element {
  const { t, api, language } = usePage();
  const [prefix, setPrefix] = useState("");
  const [listed, setListed] = useState<Listed>();
  const [error, setError] = useState<string>();

  const list = async (begin: Uint8Array, before: Listed | undefined): Promise<void> => {
    setError(undefined);
    try {
      const page = await api.scan(begin, before?.cursor ?? null, SCAN_LIMIT);
      setListed({ prefix: begin, keys: [...(before?.keys ?? []), ...page.keys], cursor: page.cursor });
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure.message);
    }
  };
  return (
    <div>
      <h2>{t("scan")}</h2>
      <BytesForm
        name="prefix"
        label={t("prefix")}
        button={t("list")}
        text={prefix}
        mayBeEmpty={true}
        onText={setPrefix}
        onBytes={(begin) => void list(begin, undefined)}
      />
      {error !== undefined && <Failure>{error}</Failure>}
      {listed !== undefined && (
        <p class="note" role="status">
          {listed.keys.length === 0 ? t("noKeys") : t("keysShown", { count: count(listed.keys.length, language) })}
        </p>
      )}
      {listed !== undefined && listed.keys.length > 0 && (
        <Table label={t("scan")} head={[t("key"), t("size")]}>
          {listed.keys.map((each) => (
            <tr key={each.key64}>
              <th scope="row">
                <button type="button" class="name" onClick={() => onChoose(from64(each.key64))}>
                  {escaped(from64(each.key64))}
                </button>
              </th>
              <td class="figure">
                <Figure text={bytes(each.bytes, language)} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      {listed !== undefined && listed.cursor !== null && (
        <button type="button" class="quiet" onClick={() => void list(listed.prefix, listed)}>
          {t("more")}
        </button>
      )}
    </div>
  );
}
