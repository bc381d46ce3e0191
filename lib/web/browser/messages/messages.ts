/** The languages of the page, and how a message becomes a text. A message is plain text: nothing in it is markup. */

import { en } from "./en.ts";
import { ja } from "./ja.ts";

export type MessageKey = keyof typeof en;
export type Messages = Readonly<Record<MessageKey, string>>;
export type Language = "en" | "ja";

/** Each language by its name in itself. */
export const LANGUAGES: Readonly<Record<Language, { readonly name: string; readonly messages: Messages }>> = {
  en: { name: "English", messages: en },
  ja: { name: "日本語", messages: ja },
};

/** Fills in the values of a message. */
export type Translate = (key: MessageKey, values?: Readonly<Record<string, string | number>>) => string;

/** The messages of a language; a value that is missing stays visible as `{name}`. */
export function translator(language: Language): Translate {
  const { messages } = LANGUAGES[language];
  return (key, values = {}) =>
    messages[key].replaceAll(/\{(\w+)\}/g, (hole, name: string) => String(Object.hasOwn(values, name) ? values[name] : hole));
}

/** The first of a reader's languages that the page has; English if it has none. */
export function preferredLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split("-")[0] ?? "";
    if (Object.hasOwn(LANGUAGES, language)) return language as Language;
  }
  return "en";
}
