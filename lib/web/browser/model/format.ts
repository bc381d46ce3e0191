/**
 * Figures as text, in the language of the reader. What is not known is a dash, never a zero. Pure.
 */

/** What stands where a figure is not known. */
export const UNKNOWN = "–";

type Figure = number | null | undefined;

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const DURATION_UNITS: readonly (readonly [seconds: number, unit: string])[] = [
  [86400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
];

/** Making one takes long, and a large cluster has thousands of figures. */
const formats = new Map<string, Intl.NumberFormat>();

function numberFormat(language: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const name = `${language} ${JSON.stringify(options)}`;
  const known = formats.get(name) ?? new Intl.NumberFormat(language, options);
  formats.set(name, known);
  return known;
}

/** Whether a figure is one. */
export function isKnown(figure: Figure): figure is number {
  return typeof figure === "number" && Number.isFinite(figure);
}

/** A whole number: `12,345`. */
export function count(figure: Figure, language: string): string {
  return isKnown(figure) ? numberFormat(language, { maximumFractionDigits: 0 }).format(figure) : UNKNOWN;
}

/** A number per second: `0.42`, `12`, `12,345`, `1.2M`. */
export function rate(figure: Figure, language: string): string {
  if (!isKnown(figure)) return UNKNOWN;
  const compact = Math.abs(figure) >= 100_000;
  const digits = Math.abs(figure) < 1 ? 2 : compact || Math.abs(figure) < 10 ? 1 : 0;
  return numberFormat(language, {
    maximumFractionDigits: digits,
    ...(compact ? { notation: "compact" } : {}),
  }).format(figure);
}

/** A part of a whole as `98.2 %`; the whole is the sum of both. */
export function share(part: Figure, rest: Figure, language: string): string {
  if (!isKnown(part) || !isKnown(rest) || part + rest <= 0) return UNKNOWN;
  return percent(part / (part + rest), language);
}

/** A fraction as `98.2%`. */
export function percent(fraction: Figure, language: string): string {
  if (!isKnown(fraction)) return UNKNOWN;
  return numberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(fraction);
}

/** `512 B`, `1.5 MiB`. */
export function bytes(figure: Figure, language: string): string {
  if (!isKnown(figure)) return UNKNOWN;
  const power = figure < 1 ? 0 : Math.min(Math.floor(Math.log2(figure) / 10), BYTE_UNITS.length - 1);
  const value = figure / 1024 ** power;
  const digits = power === 0 || value >= 100 ? 0 : 1;
  return `${numberFormat(language, { maximumFractionDigits: digits }).format(value)} ${BYTE_UNITS[power]}`;
}

/** Milliseconds: `0.12 ms`, `3.4 ms`, `120 ms`. */
export function milliseconds(figure: Figure, language: string): string {
  if (!isKnown(figure)) return UNKNOWN;
  const digits = figure < 1 ? 2 : figure < 10 ? 1 : 0;
  return `${numberFormat(language, { maximumFractionDigits: digits }).format(figure)} ms`;
}

/** Seconds in at most two units: `3d 4h`, `5m 2s`, `1.5s`, `20 ms`. */
export function duration(seconds: Figure, language: string): string {
  if (!isKnown(seconds)) return UNKNOWN;
  const with1 = (value: number, unit: string, digits = 0): string =>
    numberFormat(language, { style: "unit", unit, unitDisplay: "narrow", maximumFractionDigits: digits }).format(value);
  if (seconds > 0 && seconds < 0.9995) return milliseconds(seconds * 1000, language);
  if (seconds < 9.95) return with1(Math.max(seconds, 0), "second", 1);
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const [size, unit] of DURATION_UNITS) {
    if (parts.length === 0 && left < size) continue;
    const value = Math.floor(left / size);
    left -= value * size;
    if (parts.length < 2) parts.push(value === 0 && parts.length === 1 ? "" : with1(value, unit));
  }
  return parts.filter((part) => part !== "").join(" ");
}

/** A time of day, with the date unless it is that of now: `14:03:09`. */
export function time(atMs: Figure, nowMs: number, language: string): string {
  if (!isKnown(atMs)) return UNKNOWN;
  const [at, now] = [new Date(atMs), new Date(nowMs)];
  const sameDay = at.toDateString() === now.toDateString();
  return new Intl.DateTimeFormat(language, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    ...(sameDay ? {} : { year: "numeric", month: "2-digit", day: "2-digit" }),
  }).format(at);
}
