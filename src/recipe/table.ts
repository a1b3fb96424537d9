import type { Table } from "../command.ts";
import { oneLine } from "../safe-text.ts";

/** What stands in one cell: text, a number, or nothing, which is shown as `-`. */
export type Cell = string | number | boolean | null | undefined;

/**
 * Rows and columns for the `view` of a recipe: aligned on a terminal, with tabs between in a pipe. Each column is a
 * function of an item; where a terminal is too narrow, the last columns give way first.
 *
 * ```ts
 * view: (runs) => table(runs, {
 *   type: ({ type }) => type,
 *   cost: ({ costDollars }) => `$${costDollars.toFixed(2)}`,
 *   "": ({ costDollars }) => bar(costDollars, { max: 10 }),
 * }),
 * ```
 */
export function table<T>(items: Iterable<T>, columns: Readonly<Record<string, (item: T) => Cell>>): Table {
  const names = Object.keys(columns);
  return {
    columns: names,
    rows: [...items].map((item) => Object.values(columns).map((read) => cellText(read(item)))),
    narrow: names.slice(1).toReversed().map((column) => ({ column, min: 8 })),
    empty: "there is nothing to show",
  };
}

/**
 * A bar of blocks as long as `value` is of `max`, in eighths of a character: what is more than nothing is seen, and what
 * is more than `max` is as long as `max`.
 *
 * ```ts
 * bar(30, { max: 40, width: 8 }); // "██████"
 * ```
 */
export function bar(value: number, { max, width = 24 }: { readonly max: number; readonly width?: number }): string {
  if (!(value > 0) || !(max > 0)) return "";
  const eighths = Math.max(1, Math.round(Math.min(1, value / max) * width * 8));
  return "█".repeat(Math.floor(eighths / 8)) + (["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] ?? "");
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return "-";
  return oneLine(String(cell), 400);
}
