import type { Input, Sink, Terminal } from "../../src/world.ts";
import { readScreen } from "./screen.ts";

export interface FakeTerminal extends Terminal {
  /** What was printed since the last call, in its order, as lines; stderr carries `2| `. */
  takeLines(): string[];
  /** What went to stdout since the last call. */
  takeStdout(): string;
}

interface FakeTerminalOptions {
  readonly isTTY?: boolean;
  /** Wide enough for every table when left out. */
  readonly columns?: number;
  /** What is piped in, or what the person types into the questions: words as they are, and names of `keys`. */
  readonly typed?: readonly string[];
  /** The person stays at the keyboard after the last key, and types nothing more. */
  readonly staysOpen?: boolean;
}

/** Keys that have a name; anything else is typed letter by letter. */
export const keys: Readonly<Record<string, string>> = {
  "Enter": "\r",
  "Escape": "\x1b",
  "Ctrl-C": "\x03",
  "Up": "\x1b[A",
  "Down": "\x1b[B",
  "Backspace": "\x7f",
};

/** A terminal in memory. */
export function fakeTerminal(
  { isTTY = false, columns = 160, typed = [], staysOpen = false }: FakeTerminalOptions = {},
): FakeTerminal {
  // The library that reads keys asks the environment of the test run, which may say `dumb`.
  if (isTTY) process.env.TERM = "xterm-256color";
  const pressed = typed.flatMap((word) => keys[word] ?? [...word]);
  let printed: { to: 1 | 2; text: string }[] = [];
  let stdout = "";
  const decoders = { 1: new TextDecoder(), 2: new TextDecoder() };
  const sink = (to: 1 | 2): Sink => ({
    isTTY,
    columns,
    rows: 24,
    write: (chunk) => {
      const text = typeof chunk === "string" ? chunk : decoders[to].decode(chunk, { stream: true });
      if (to === 1) stdout += text;
      const last = printed.at(-1);
      if (last?.to === to) last.text += text;
      else printed.push({ to, text });
      return Promise.resolve();
    },
    onResize: () => ({ [Symbol.dispose]: () => {} }),
  });
  const stdin: Input = {
    isTTY,
    async *read({ raw = false, signal } = {}) {
      const encoder = new TextEncoder();
      if (!raw) {
        if (typed.length > 0) yield await Promise.resolve(encoder.encode(typed.join("\n")));
        return;
      }
      let last = "";
      for (let key = pressed.shift(); key !== undefined; key = pressed.shift()) {
        last = key;
        yield encoder.encode(key);
        // What the key does is done before the next one is typed: that may be for the next question.
        await new Promise((resolve) => setTimeout(resolve));
        if (signal?.aborted) return;
      }
      // A lone Escape is told from an arrow by the time after it.
      if ((staysOpen || last === keys.Escape) && signal) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
    },
  };
  return {
    stdin,
    stdout: sink(1),
    stderr: sink(2),
    takeLines() {
      const settled = printed.map(({ to, text }) => ({ to, text: readScreen(text) })).filter(({ text }) => text !== "");
      printed = [];
      return settled.flatMap(({ to, text }) =>
        text.replace(/\n$/, "").split("\n").map((line) => (to === 2 ? `2| ${line}`.trimEnd() : line))
      );
    },
    takeStdout() {
      const text = stdout;
      stdout = "";
      return text;
    },
  };
}
