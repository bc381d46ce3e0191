/** The languages of the page: the same messages in each, with the same things to fill in. */

import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import {
  LANGUAGES,
  type Language,
  type MessageKey,
  preferredLanguage,
  translator,
} from "../../../lib/web/browser/messages/messages.ts";
import { readRepositoryFile, repositoryFiles } from "../../support/repository.ts";

const languages = Object.keys(LANGUAGES) as Language[];
const { messages: english } = LANGUAGES.en;
const holesIn = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

describe("the languages of the page", () => {
  for (const language of languages) {
    const { messages } = LANGUAGES[language];

    it(`have the same messages: ${language}`, () => {
      assertEquals(Object.keys(messages).sort(), Object.keys(english).sort());
      const wrong = Object.entries(messages).filter(([key, text]) => {
        const expected = holesIn(english[key as MessageKey]);
        return text.trim() === "" || holesIn(text).join() !== expected.join();
      });
      assertEquals(wrong, []);
    });
  }

  it("have no message that nobody shows", () => {
    const sources = ["lib/web/browser/view", "lib/web/browser/model"].flatMap((place) => [
      ...repositoryFiles(place, ".ts"),
      ...repositoryFiles(place, ".tsx"),
    ]);
    const text = sources.map(readRepositoryFile).join("\n");
    const unused = Object.keys(english).filter((key) => !text.includes(`"${key}"`));
    assertEquals(unused, []);
  });

  it("differ from each other", () => {
    const same = Object.entries(LANGUAGES.ja.messages).filter(([key, text]) => text === english[key as MessageKey]);
    assertEquals(
      same.map(([key]) => key),
      ["title", "get", "set", "p99", "json"].filter((key) => same.some(([each]) => each === key)),
    );
  });

  it("are chosen by what the reader prefers", () => {
    assertEquals(preferredLanguage(["ja-JP", "en"]), "ja");
    assertEquals(preferredLanguage(["fr", "JA"]), "ja");
    assertEquals(preferredLanguage(["de", "en-GB", "ja"]), "en");
    assertEquals(preferredLanguage(["de"]), "en");
    assertEquals(preferredLanguage([]), "en");
    assertEquals(preferredLanguage(["constructor"]), "en");
  });
});

describe("a message", () => {
  it("is filled in, each hole by its name", () => {
    assertEquals(translator("en")("partition", { number: 3 }), "Partition 3");
    assertEquals(translator("ja")("partition", { number: 3 }), "パーティション 3");
  });

  it("shows a hole that nobody fills, and takes what fills it as it is", () => {
    const t = translator("en");
    assertEquals(t("failed"), "Failed: {error}");
    assertEquals(t("failed", { error: "{error} $& <b>" }), "Failed: {error} $& <b>");
    assert(t("failed", { toString: "x" } as never).includes("{error}"));
  });
});
