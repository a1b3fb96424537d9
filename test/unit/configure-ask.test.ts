import { expect, test } from "bun:test";
import { askChoice, askSecret, askText, askYesNo } from "../../src/terminal/ask.ts";
import { fakeTerminal } from "../fake/terminal.ts";
import { keys, typist } from "../fake/typist.ts";

test("text is typed, corrected and trimmed", async () => {
  const { terminal } = typist([["Your region?", `us-eats${keys.backspace.repeat(3)}ast ${keys.enter}`]]);
  expect(await askText(terminal, { question: "Your region?", flag: "--region" })).toBe("us-east");
});

test("what stands there already is kept with Enter, and may be emptied", async () => {
  const question = { question: "Hours?", flag: "--hours", initial: "4" };
  expect(await askText(typist([["Hours?", keys.enter]]).terminal, question)).toBe("4");
  expect(await askText(typist([["Hours?", `${keys.backspace}${keys.enter}`]]).terminal, question)).toBe("");
});

test("a wrong answer is said to be one, and the question stays", async () => {
  const { terminal, screen } = typist([
    ["Hours?", `soon${keys.enter}`],
    ["a number of hours", `${keys.backspace.repeat(4)}2${keys.enter}`],
  ]);
  const complain = (answer: string) => Number(answer) > 0 ? undefined : "a number of hours";
  expect(await askText(terminal, { question: "Hours?", flag: "--hours", complain })).toBe("2");
  expect(screen()).toContain("a number of hours");
});

test("a secret never stands on the screen", async () => {
  const { terminal, screen } = typist([["Key?", `s3cret-of-mine${keys.enter}`]]);
  expect(await askSecret(terminal, { question: "Key?", flag: "--api-key" })).toBe("s3cret-of-mine");
  expect(screen()).not.toContain("s3cret");
});

test("a whole line that is pasted is one answer", async () => {
  const { terminal } = typist([["Key?", "pasted"], ["Key?", ""]]);
  const pasting = {
    ...terminal,
    stdin: {
      isTTY: true,
      async *read() {
        yield new TextEncoder().encode("pasted-key\r");
      },
    },
  };
  expect(await askSecret(pasting, { question: "Key?", flag: "--api-key" })).toBe("pasted-key");
});

test("one of several is chosen with the arrows", async () => {
  const { terminal } = typist([["Which?", `${keys.down}${keys.down}${keys.up}${keys.enter}`]]);
  const choices = ["a", "b", "c"].map((value) => ({ value, label: value }));
  expect(await askChoice(terminal, { question: "Which?", flag: "--which", choices })).toBe("b");
});

test("the choice begins at what holds now", async () => {
  const { terminal } = typist([["Which?", keys.enter]]);
  const choices = ["a", "b", "c"].map((value) => ({ value, label: value }));
  expect(await askChoice(terminal, { question: "Which?", flag: "--which", choices, initial: "c" })).toBe("c");
});

test("one question follows another on the same terminal", async () => {
  const { terminal, left } = typist([["First?", `1${keys.enter}`], ["Second?", `2${keys.enter}`], ["Sure?", "y"]]);
  expect(await askText(terminal, { question: "First?", flag: "--first" })).toBe("1");
  expect(await askText(terminal, { question: "Second?", flag: "--second" })).toBe("2");
  expect(await askYesNo("Sure?", terminal)).toBe(true);
  expect(left()).toEqual([]);
});

test.each([["Ctrl-C", keys.ctrlC], ["Escape", keys.escape]])("%s leaves", async (_, key) => {
  const asked = askText(typist([["Key?", `abc${key}`]]).terminal, { question: "Key?", flag: "--api-key" });
  await expect(asked).rejects.toMatchObject({ name: "InterruptedError", exitCode: 130 });
});

test("a terminal that goes away leaves too, and no question hangs", async () => {
  const gone = fakeTerminal({ isTTY: true, typed: ["abc"] });
  await expect(askText(gone, { question: "Key?", flag: "--api-key" })).rejects.toMatchObject({ exitCode: 130 });
  await expect(askYesNo("Sure?", fakeTerminal({ isTTY: true, typed: [] }))).rejects.toMatchObject({ exitCode: 130 });
});

test("the signal ends a question with its own reason", async () => {
  const ending = new AbortController();
  const asked = askText(typist([]).terminal, { question: "Key?", flag: "--api-key", signal: ending.signal });
  await new Promise((resolve) => setImmediate(resolve));
  ending.abort(new Error("told to end"));
  await expect(asked).rejects.toThrow("told to end");
});

test("without a terminal nobody is asked, and the flag is named", async () => {
  const asked = askSecret(fakeTerminal(), { question: "Key?", flag: "--api-key" });
  await expect(asked).rejects.toMatchObject({ exitCode: 2, hint: "`--api-key` answers it" });
});

test("what a server says in a choice moves no cursor", async () => {
  const { terminal } = typist([["Which?", keys.enter]]);
  let shown = "";
  const watched = { ...terminal, stderr: { ...terminal.stderr, write: watch } };
  function watch(text: string | Uint8Array) {
    shown += text;
    return terminal.stderr.write(text);
  }
  const choices = [{ value: "a", label: "a\x1b]0;owned\x07\nb", says: "\x1b[2Jgone" }];
  expect(await askChoice(watched, { question: "Which?", flag: "--which", choices })).toBe("a");
  expect(shown).not.toContain("owned");
  expect(shown).not.toContain("\x1b[2J");
});
