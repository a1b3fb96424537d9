import type { Sink, Terminal } from "../../world.ts";

/** A terminal that nobody looks at, and what was said on its stderr. What the recipe prints itself goes past it. */
export function heardTerminal(): { readonly terminal: Terminal; said(): string } {
  const chunks: string[] = [];
  const sink = (hear: (text: string) => void): Sink => ({
    ...{ isTTY: false, columns: 120, rows: 40 },
    write: (text) => {
      hear(typeof text === "string" ? text : Buffer.from(text).toString());
      return Promise.resolve();
    },
    onResize: () => ({ [Symbol.dispose]() {} }),
  });
  return {
    terminal: {
      stdin: { isTTY: false, async *read() {} },
      stdout: sink(() => {}),
      stderr: sink((text) => void chunks.push(text)),
    },
    said: () => chunks.join(""),
  };
}
