import type { Table } from "../command.ts";

const gap = 2;

/** The columns of a table that stay, by index, and how many cells each of all its columns has. */
export interface FittedTable {
  readonly kept: readonly number[];
  readonly widths: readonly number[];
}

/** Lets columns give way as the table says, until it fits. What may not give way stays, however wide it is. */
export function fitTable(
  { columns, rows, header, narrow = [] }: Table & { readonly header: readonly string[] },
  cells: number,
): FittedTable {
  const wanted = header.map((name, index) =>
    rows.reduce((most, row) => Math.max(most, Bun.stringWidth(row[index] ?? "")), Bun.stringWidth(name))
  );
  const widths = [...wanted];
  let kept = columns.map((_, index) => index);
  const excess = () => kept.reduce((sum, index) => sum + (widths[index] ?? 0) + gap, -gap) - cells;
  for (const { column, min } of narrow) {
    if (excess() <= 0) break;
    const at = columns.indexOf(column);
    const width = widths[at] ?? 0;
    if (min === undefined) kept = kept.filter((index) => index !== at);
    else if (kept.includes(at)) {
      const least = Math.max(min, Bun.stringWidth(header[at] ?? ""));
      widths[at] = Math.min(width, Math.max(least, width - excess()));
    }
  }
  // What a column that went left free, those that were shortened before it get back.
  for (const index of kept) {
    widths[index] = Math.min(wanted[index] ?? 0, (widths[index] ?? 0) + Math.max(0, -excess()));
  }
  return { kept, widths };
}
