import { maskOf } from "../mask.ts";
import { clockText } from "../runs/text.ts";
import { safeText } from "../safe-text.ts";
import { currentRun } from "./current.ts";
import { paint } from "../paint.ts";

type Level = "info" | "warn" | "error";

/**
 * Says something about the run, on stderr, so that stdout stays for its result: above the living part of a terminal, and
 * with the time where there is no terminal. Values that are no text look as `console.log` shows them.
 *
 * ```ts
 * log.info("epoch", epoch, { loss });
 * log.warn("the lease ends soon");
 * ```
 */
export const log = {
  /** Nothing of it with `--quiet`. */
  info: (...values: readonly unknown[]) => say("info", values),
  /** The same, as a warning. */
  warn: (...values: readonly unknown[]) => say("warn", values),
  /** The same, as an error; with `--quiet` too. The run goes on. */
  error: (...values: readonly unknown[]) => say("error", values),
} as const;

const words = { info: "", warn: "warning: ", error: "error: " } as const;
const colors = { warn: "yellow", error: "red" } as const;

function say(level: Level, values: readonly unknown[]): void {
  const run = currentRun();
  const { world: { terminal, clock }, globals, around } = run.context;
  if (globals.quiet && level !== "error") return;
  const text = values.map((value) => (typeof value === "string" ? value : Bun.inspect(value))).join(" ");
  const { isTTY } = terminal.stderr;
  const isColored = isTTY && globals.color && level !== "info";
  const word = isColored ? paint(colors[level], words[level]) : words[level];
  const time = isTTY ? "" : `${clockText(clock.now())} `;
  const line = `${time}${word}${maskOf(terminal).text(safeText(text))}`;
  if (run.say) return run.say(line);
  around(() => terminal.stderr.write(`${line}\n`)).catch(() => {});
}
