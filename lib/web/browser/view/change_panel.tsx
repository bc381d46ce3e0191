/**
 * A change of one node, in three steps: what to do, what that does (the server's own plan and warnings), and, once it is
 * confirmed, what has been done so far.
 */

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import type { MessageKey } from "../messages/messages.ts";
import {
  type ChangeForm,
  changeNews,
  changeRequest,
  newestId,
  partnersOf,
  takesBalance,
  takesPartition,
  takesUnsafe,
  type Verb,
  verbsFor,
} from "../model/changes.ts";
import type { Cluster, Happened, Node } from "../model/cluster.ts";
import { usePage } from "./context.ts";
import { English, Failure, Notice } from "./parts.tsx";

const VERB_WORDS: Readonly<Record<Verb, MessageKey>> = {
  promote: "verbPromote",
  activate: "verbActivate",
  slave: "verbSlave",
  master: "verbMaster",
  part: "verbPart",
  balance: "verbBalance",
  reconstruct: "verbReconstruct",
  down: "verbDown",
  remove: "verbRemove",
};

type Stage =
  | { readonly at: "form"; readonly error?: string }
  | { readonly at: "asking" }
  | { readonly at: "preview"; readonly steps: readonly string[]; readonly warnings: readonly string[] }
  /** `isLeft`: its answer did not wait for its end, which is an event. */
  | { readonly at: "running"; readonly afterId: number; readonly isLeft: boolean }
  | { readonly at: "ended"; readonly lines: readonly string[]; readonly error?: string };

interface Running {
  readonly at: "running";
  readonly lines: readonly string[];
}

export function ChangePanel({ node, cluster }: { node: Node; cluster: Cluster }): JSX.Element {
  const { t, api, link } = usePage();
  const [stage, setStage] = useState<Stage>({ at: "form" });
  const partners = partnersOf(node, cluster.nodes);
  const verbs = verbsFor(node, partners);
  const [form, setForm] = useState<ChangeForm>(() => firstForm(verbs[0] ?? "balance", node, cluster));
  const choose = (verb: Verb): void => setForm({ ...firstForm(verb, node, cluster), verb });
  // A node may change while its dialog is open: what no longer suits is not offered.
  const verb = verbs.includes(form.verb) ? form.verb : (verbs[0] ?? "balance");
  const current = { ...form, verb, slaves: form.slaves.filter((key) => partners.includes(key)) };

  const preview = async (): Promise<void> => {
    setStage({ at: "asking" });
    try {
      setStage({ at: "preview", ...(await api.preview(changeRequest(current, true))) });
    } catch (error) {
      setStage({ at: "form", error: wordsOf(error) });
    }
  };
  const carryOut = async (): Promise<void> => {
    const afterId = newestId(link.happened);
    setStage({ at: "running", afterId, isLeft: false });
    try {
      const { done, running } = await api.carryOut(changeRequest(current, false));
      setStage(running === undefined ? { at: "ended", lines: done } : { at: "running", afterId, isLeft: true });
    } catch (error) {
      setStage({ at: "ended", error: wordsOf(error), lines: (error as ApiError).done });
    }
  };
  const shown = withNews(stage, link.happened);

  return (
    <section class="change" aria-labelledby="change-title">
      <h3 id="change-title">{t("change")}</h3>
      {(stage.at === "form" || stage.at === "asking") && (
        <ChangeFields
          form={current}
          verbs={verbs}
          partners={partners}
          busy={stage.at === "asking"}
          onVerb={choose}
          onForm={setForm}
          onPreview={() => void preview()}
        />
      )}
      {stage.at === "form" && stage.error !== undefined && <Failure>{t("failed", { error: stage.error })}</Failure>}
      {stage.at === "preview" && (
        <PreviewView {...stage} verb={verb} onBack={() => setStage({ at: "form" })} onCarryOut={() => void carryOut()} />
      )}
      {(shown.at === "running" || shown.at === "ended") && (
        <>
          <Steps lines={shown.lines} />
          {shown.at === "running" && <Notice kind="plain">{t("underWay")}</Notice>}
          {shown.at === "ended" && shown.error === undefined && <Notice kind="good">{t("done")}</Notice>}
          {shown.at === "ended" && shown.error !== undefined && <Failure>{t("failed", { error: shown.error })}</Failure>}
          {shown.at === "ended" && (
            <button type="button" class="quiet" onClick={() => setStage({ at: "form" })}>
              {t("back")}
            </button>
          )}
        </>
      )}
    </section>
  );
}

function ChangeFields(props: {
  form: ChangeForm;
  verbs: readonly Verb[];
  partners: readonly string[];
  busy: boolean;
  onVerb: (verb: Verb) => void;
  onForm: (form: ChangeForm) => void;
  onPreview: () => void;
}): JSX.Element {
  const { t } = usePage();
  const { form, onForm } = props;
  const submit = (event: Event): void => {
    event.preventDefault();
    props.onPreview();
  };
  const numberOf = (event: JSX.TargetedEvent<HTMLInputElement>): number => event.currentTarget.valueAsNumber || 0;
  return (
    <form onSubmit={submit}>
      <label class="field">
        {t("whatToDo")}
        <select value={form.verb} onChange={(event) => props.onVerb(event.currentTarget.value as Verb)}>
          {props.verbs.map((verb) => (
            <option key={verb} value={verb}>
              {t(VERB_WORDS[verb])}
            </option>
          ))}
        </select>
      </label>
      {takesPartition(form.verb) && (
        <label class="field">
          {t("partitionHead")}
          <input
            type="number"
            name="partition"
            min="0"
            required
            value={form.partition}
            onInput={(event) => onForm({ ...form, partition: numberOf(event) })}
          />
        </label>
      )}
      {takesBalance(form.verb) && (
        <label class="field">
          {t("balance")}
          <input
            type="number"
            name="balance"
            min="0"
            required
            value={form.balance}
            onInput={(event) => onForm({ ...form, balance: numberOf(event) })}
          />
        </label>
      )}
      {form.verb === "part" && (
        <fieldset class="field">
          <legend>{t("itsSlaves")}</legend>
          {props.partners.map((key) => (
            <Check
              key={key}
              checked={form.slaves.includes(key)}
              onChange={(isSlave) => {
                const others = form.slaves.filter((each) => each !== key);
                onForm({ ...form, slaves: isSlave ? [...others, key] : others });
              }}
            >
              {key}
            </Check>
          ))}
        </fieldset>
      )}
      {form.verb === "master" && (
        <Check checked={form.activate} onChange={(activate) => onForm({ ...form, activate })}>
          {t("activateAfter")}
        </Check>
      )}
      {takesUnsafe(form.verb) && (
        <Check checked={form.unsafe} onChange={(unsafe) => onForm({ ...form, unsafe })}>
          {t("unsafe")}
        </Check>
      )}
      <button type="submit" class="main" disabled={props.busy}>
        {t("preview")}
      </button>
    </form>
  );
}

function Check(props: { checked: boolean; onChange: (checked: boolean) => void; children: string }): JSX.Element {
  return (
    <label class="check">
      <input type="checkbox" checked={props.checked} onChange={(event) => props.onChange(event.currentTarget.checked)} />
      {props.children}
    </label>
  );
}

function PreviewView(props: {
  verb: Verb;
  steps: readonly string[];
  warnings: readonly string[];
  onBack: () => void;
  onCarryOut: () => void;
}): JSX.Element {
  const { t } = usePage();
  // The button that had the focus is gone: the focus goes to what came instead.
  const title = useRef<HTMLHeadingElement>(null);
  const focus = (heading: HTMLHeadingElement | null): void => {
    if (title.current === null) heading?.focus();
    title.current = heading;
  };
  return (
    <div class="preview">
      <h4 tabIndex={-1} ref={focus}>
        {t("willDo")}
      </h4>
      <p>{t("sentence", { text: t(VERB_WORDS[props.verb]) })}</p>
      {props.steps.length === 0 ? <p>{t("nothingToDo")}</p> : <Steps lines={props.steps} />}
      <h4>{t("warnings")}</h4>
      {props.warnings.length === 0 ? (
        <p>{t("noWarnings")}</p>
      ) : (
        <ul class="warnings">
          {props.warnings.map((warning) => (
            <li key={warning}>
              <English>{warning}</English>
            </li>
          ))}
        </ul>
      )}
      <div class="buttons">
        <button type="button" class={props.warnings.length === 0 ? "main" : "danger"} onClick={props.onCarryOut}>
          {t("carryOut")}
        </button>
        <button type="button" class="quiet" onClick={props.onBack}>
          {t("back")}
        </button>
      </div>
    </div>
  );
}

function Steps({ lines }: { lines: readonly string[] }): JSX.Element {
  return (
    <ol class="steps" aria-live="polite">
      {lines.map((line, i) => (
        // Lines are only ever added at the end.
        <li key={i}>
          <English>{line}</English>
        </li>
      ))}
    </ol>
  );
}

/** A change that runs, with what the events say of it. */
function withNews(stage: Stage, happened: readonly Happened[]): Exclude<Stage, { at: "running" }> | Running {
  if (stage.at !== "running") return stage;
  const { lines, hasEnded, error } = changeNews(happened, stage.afterId);
  if (!stage.isLeft || !hasEnded) return { at: "running", lines };
  return { at: "ended", lines, ...(error === undefined ? {} : { error }) };
}

function firstForm(verb: Verb, node: Node, cluster: Cluster): ChangeForm {
  const partition = verb === "master" || verb === "part" ? (cluster.partitions ?? 0) : (node.partition ?? 0);
  const balance = verb === "balance" ? (node.balance ?? 1) : node.balance || 1;
  return { verb, node: node.key, partition, balance, slaves: [], activate: true, unsafe: false };
}

function wordsOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  throw error;
}
