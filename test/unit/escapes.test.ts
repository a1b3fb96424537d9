import { expect, test } from "bun:test";
import { withoutEscapes } from "../../src/exec/escapes.ts";

/** What is sent, with what the escapes did in brackets. */
async function typing(...chunks: string[]): Promise<string> {
  const done: string[] = [];
  const typed = (async function* () {
    for (const chunk of chunks) yield new TextEncoder().encode(chunk);
  })();
  for await (
    const sent of withoutEscapes(typed, {
      disconnect: () => void done.push("[cut]"),
      show: (text) => void done.push(text.startsWith("Supported") ? "[help]" : text),
    })
  ) done.push(new TextDecoder().decode(sent));
  return done.join("");
}

test.each([
  [["ls\r"], "ls\r"],
  [["~."], "[cut]"],
  [["ls\r~.more"], "ls\r[cut]"],
  [["ls\n", "~", "."], "ls\n[cut]"],
  [["a~."], "a~."],
  [["a\r~~.x"], "a\r~.x"],
  [["~~~."], "~~."],
  [["~?~."], "[help][cut]"],
  [["~x\r~."], "~x\r[cut]"],
  [["cd ~/x\r"], "cd ~/x\r"],
  [["~/run\r"], "~/run\r"],
  [["~\r~."], "~\r[cut]"],
  [["~"], "~"],
])("%j sends %j", async (chunks, sent) => {
  expect(await typing(...chunks)).toBe(sent);
});
