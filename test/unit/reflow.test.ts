import { expect, test } from "bun:test";
import { reflow } from "../../src/surface/reflow.ts";

test("an item of a list runs on below its beginning; what is indented and a table stay", () => {
  const text = [
    "A paragraph of words",
    "that runs on.",
    "- one two three four five six",
    "  seven",
    "- short",
    "10. the tenth has more room before it",
    "",
    "    code that is long stays on its line",
    "- item",
    "      deeper than the item",
    "| a table | of cells | stays |",
  ].join("\n");
  expect(reflow(text, 20)).toEqual([
    ...["A paragraph of words", "that runs on."],
    ...[
      "- one two three four",
      "  five six seven",
      "- short",
      "10. the tenth has",
      "    more room before",
      "    it",
      "",
    ],
    ...["    code that is long stays on its line", "- item", "      deeper than the item"],
    "| a table | of cells | stays |",
  ]);
});
