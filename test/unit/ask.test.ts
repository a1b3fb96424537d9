import { describe, expect, test } from "bun:test";
import { InterruptedError } from "../../src/errors.ts";
import { askChoice, askSecret, askText, askYesNo } from "../../src/terminal/ask.ts";
import { fakeTerminal } from "../fake/terminal.ts";

const person = (...typed: string[]) => fakeTerminal({ isTTY: true, typed, staysOpen: true });
const question = { question: "Well?", flag: "--well" };

/** The name of what was thrown, and its exit code. */
async function failure(asked: Promise<unknown>): Promise<{ name: string; exitCode: number }> {
  const error = await asked.then(() => undefined, (thrown) => thrown);
  return { name: error?.name, exitCode: error?.exitCode };
}

describe("yes or no", () => {
  test.each([
    [["y"], true],
    [["n"], false],
    [["Enter"], false],
    [["Up", "Enter"], true],
  ])("%j", async (typed, answer) => {
    expect(await askYesNo("Well?", person(...typed))).toBe(answer);
  });

  test.each(["Ctrl-C", "Escape"])("%s is no answer: it interrupts", async (key) => {
    expect(await failure(askYesNo("Well?", person(key)))).toEqual({ name: "InterruptedError", exitCode: 130 });
  });

  test("any other key leaves the question", async () => {
    expect(await askYesNo("Well?", person("x", "7", " ", "y"))).toBe(true);
  });

  test("a keyboard that is gone is no yes", async () => {
    expect(await failure(askYesNo("Well?", fakeTerminal({ isTTY: true })))).toMatchObject({ name: "InterruptedError" });
  });
});

describe("a signal while it is asked", () => {
  test.each([["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const)("%s", async (signal, exitCode) => {
    const ending = new AbortController();
    const terminal = person();
    const asked = failure(askYesNo("Well?", terminal, ending.signal));
    while (terminal.takeLines().length === 0) await new Promise(setImmediate);
    ending.abort(new InterruptedError(signal));
    expect(await asked).toEqual({ name: "InterruptedError", exitCode });
  });
});

describe("a line of text", () => {
  test("is what was typed, without blanks around it", async () => {
    expect(await askText(person(" two words ", "Enter"), question)).toBe("two words");
  });

  test("begins with what stood there, and may be empty", async () => {
    expect(await askText(person("Backspace", "8", "Enter"), { ...question, initial: "4" })).toBe("8");
    expect(await askText(person("Backspace", "Enter"), { ...question, initial: "4" })).toBe("");
  });

  test("that cannot be is asked for again, and said why", async () => {
    const terminal = person("0", "Enter", "Backspace", "1", "Enter");
    const complain = (answer: string) => answer === "0" ? "more than that" : undefined;
    let seen = "";
    const { write } = terminal.stderr;
    terminal.stderr.write = (chunk) => {
      seen += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
      return write(chunk);
    };
    expect(await askText(terminal, { ...question, complain })).toBe("1");
    expect(seen).toContain("more than that");
  });

  test("two questions one after the other each get their own keys", async () => {
    const terminal = person("first", "Enter", "second", "Enter", "y");
    expect(await askText(terminal, question)).toBe("first");
    expect(await askText(terminal, question)).toBe("second");
    expect(await askYesNo("Well?", terminal)).toBe(true);
  });
});

test("a secret is not shown", async () => {
  const terminal = person("hunter2", "Enter");
  expect(await askSecret(terminal, question)).toBe("hunter2");
  expect(terminal.takeLines().join("\n")).not.toContain("hunter2");
});

test("one of several", async () => {
  const choices = ["a10", "h100", "b200"].map((value) => ({ value, label: value }));
  expect(await askChoice(person("Down", "Enter"), { ...question, choices })).toBe("h100");
  expect(await askChoice(person("Up", "Enter"), { ...question, choices, initial: "b200" })).toBe("h100");
});

test("where nobody can be asked, the flag is named", async () => {
  const asked = askText(fakeTerminal({ typed: ["an answer"] }), question);
  await expect(asked).rejects.toMatchObject({ name: "UsageError", hint: "`--well` answers it" });
});

test("nothing of a question is on stdout", async () => {
  const terminal = person("y");
  await askYesNo("Well?", terminal);
  expect(terminal.takeStdout()).toBe("");
});
