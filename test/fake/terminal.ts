import type { Input, Sink, Terminal } from "../../src/world.ts";

export interface FakeTerminal extends Terminal {
  /** What was printed since the last call, in its order, as lines; stderr carries `2| `. */
  takeLines(): string[];
  /** What went to stdout since the last call. */
  takeStdout(): string;
}

interface FakeTerminalOptions {
  readonly isTTY?: boolean;
  /** What the person types, or what is piped in. */
  readonly typed?: string;
}

/** A terminal in memory. */
export function fakeTerminal({ isTTY = false, typed = "" }: FakeTerminalOptions = {}): FakeTerminal {
  let printed: { to: 1 | 2; text: string }[] = [];
  let stdout = "";
  const decoders = { 1: new TextDecoder(), 2: new TextDecoder() };
  const sink = (to: 1 | 2): Sink => ({
    isTTY,
    columns: 100,
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
    async *read() {
      if (typed !== "") yield await Promise.resolve(new TextEncoder().encode(typed));
    },
  };
  return {
    stdin,
    stdout: sink(1),
    stderr: sink(2),
    takeLines() {
      const settled = printed.map(({ to, text }) => ({ to, text: settle(text) })).filter(({ text }) => text !== "");
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

/** What stays to be read: living lines are gone, colours are not seen. */
function settle(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll("\r\n", "\n").replace(/[^\n]*\r\x1b\[2K/g, "").replace(/\x1b\[[0-9;]*m/g, "");
}
