import type { Sink, Terminal } from "../../src/world.ts";

/** A person at a terminal: reads what is asked, then types. */
export interface Typist {
  readonly terminal: Terminal;
  /** Everything that was on the screen, without its control sequences. */
  screen(): string;
  /** What was not typed because it was not asked for. */
  left(): string[];
}

/** Keys by the names people give them; other text is typed as it is. */
export const keys = { enter: "\r", down: "\x1b[B", up: "\x1b[A", escape: "\x1b", ctrlC: "\x03", backspace: "\x7f" };

/** Types each answer, key by key, once its question stands on the screen. */
export function typist(answers: readonly (readonly [question: string, keys: string])[]): Typist {
  // The library that reads keys asks the environment of the test run, which may say `dumb`.
  process.env.TERM = "xterm-256color";
  const waiting = [...answers];
  let shown = "";
  let unread = "";
  let wake = () => {};
  const sink: Sink = {
    isTTY: true,
    columns: 100,
    rows: 30,
    write(chunk) {
      const text = typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
      shown += text;
      unread += plain(text);
      wake();
      return Promise.resolve();
    },
    onResize: () => ({ [Symbol.dispose]: () => {} }),
  };
  const terminal: Terminal = {
    stdout: sink,
    stderr: sink,
    stdin: {
      isTTY: true,
      async *read({ signal } = {}) {
        signal?.addEventListener("abort", () => wake(), { once: true });
        while (!signal?.aborted) {
          const [question, text] = waiting[0] ?? [];
          if (question !== undefined && text !== undefined && unread.includes(question)) {
            waiting.shift();
            unread = unread.slice(unread.indexOf(question) + question.length);
            for (const key of text.match(/\x1b\[[A-D]|[^]/g) ?? []) yield new TextEncoder().encode(key);
          } else {
            await new Promise<void>((resolve) => wake = resolve);
          }
        }
      },
    },
  };
  return { terminal, screen: () => plain(shown), left: () => waiting.map(([question]) => question) };
}

function plain(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
}
