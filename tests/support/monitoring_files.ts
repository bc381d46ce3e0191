/** The expressions of the alert rules and the dashboard in docs/monitoring, and what they name. */

import { readRepositoryFile } from "./repository.ts";

/** An expression of PromQL, and where it stands. */
export interface Expression {
  readonly place: string;
  readonly text: string;
}

/** An alert rule: its fields as they stand in the file. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly severity: string;
  readonly summary: string;
  readonly description: string;
}

/** What an expression names of a metric. */
export interface NamedMetric {
  /** Without the suffixes of a histogram's samples. */
  readonly name: string;
  readonly labels: readonly string[];
}

/** Words of PromQL that could be taken for names. */
const SELECTOR = /\b((?:memcached|flare|process)_[a-z_]+)(?:\{([^}]*)\})?/g;
/** Labels that Prometheus itself or the histogram adds. */
const ADDED = new Set(["instance", "job", "le"]);

/** The rules of docs/monitoring/alerts.yml. @throws Error at a line that is none of theirs */
export function alertRules(): AlertRule[] {
  const rules: (Record<string, string> & { alert: string })[] = [];
  for (const [at, line] of readRepositoryFile("docs/monitoring/alerts.yml").split("\n").entries()) {
    const [, dash, key = "", value = ""] = /^\s*(- )?([a-z]+):(?: (.*))?$/.exec(line) ?? [];
    if (line === "" || line.startsWith("#") || ["groups", "rules", "annotations", "name"].includes(key)) continue;
    const current = rules.at(-1);
    if (key === "alert" && dash !== undefined) rules.push({ alert: value });
    else if (key === "labels") (current as Record<string, string>).severity = /^\{ severity: (\w+) \}$/.exec(value)?.[1] ?? "";
    else if (current !== undefined && ["expr", "for"].includes(key)) current[key] = value;
    else if (current !== undefined && ["summary", "description"].includes(key)) current[key] = JSON.parse(value) as string;
    else throw new Error(`docs/monitoring/alerts.yml:${at + 1}: ${line}`);
  }
  return rules.map(({ alert, expr = "", severity = "", summary = "", description = "" }) => {
    return { alert, expr, severity, summary, description };
  });
}

/** The expressions of docs/monitoring/dashboard.json, by the titles of their panels. */
export function dashboardExpressions(): Expression[] {
  const { panels } = JSON.parse(readRepositoryFile("docs/monitoring/dashboard.json")) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ place: `panel "${title}"`, text: expr })));
}

/** All expressions. */
export function allExpressions(): Expression[] {
  const rules = alertRules().map(({ alert, expr }) => ({ place: `alert ${alert}`, text: expr }));
  return [...rules, ...dashboardExpressions()];
}

/** The metrics of an expression, with the labels it selects by; and those by which it groups. */
export function namedIn({ text }: Expression): { readonly metrics: NamedMetric[]; readonly groupedBy: string[] } {
  const metrics = [...text.matchAll(SELECTOR)].map(([, name = "", selector = ""]) => ({
    name: name.replace(/_(?:bucket|sum|count)$/, ""),
    labels: [...selector.matchAll(/([a-z]+)\s*(?:=~|!~|!=|=)/g)]
      .map(([, label = ""]) => label)
      .filter((each) => !ADDED.has(each)),
  }));
  const groups = [...text.matchAll(/\b(?:by|on|without|ignoring) ?\(([^)]*)\)/g)];
  const groupedBy = groups.flatMap(([, list = ""]) => list.split(",").map((label) => label.trim()));
  return { metrics, groupedBy: groupedBy.filter((label) => !ADDED.has(label)) };
}
