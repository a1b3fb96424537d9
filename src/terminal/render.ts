import type { Table, View } from "../command.ts";
import { safeText } from "../safe-text.ts";
import { fitted } from "./fit.ts";
import { fitTable } from "./table.ts";
import { paint } from "../paint.ts";

export interface RenderOptions {
  readonly isTTY: boolean;
  readonly color: boolean;
  /** Width of the terminal in cells; any when left out. */
  readonly columns?: number;
}

/** A view as what goes to stdout and to stderr, in its order. Bytes stay as they are; text is made safe for a terminal. */
export function render(view: View, options: RenderOptions): { to: "stdout" | "stderr"; chunk: string | Uint8Array }[] {
  if (view === undefined) return [];
  if (typeof view === "string") return [{ to: "stdout", chunk: `${safeText(view)}\n` }];
  if (view instanceof Uint8Array) return [{ to: "stdout", chunk: view }];
  if (isList(view)) return view.flatMap((part) => render(part, options));
  if ("stderr" in view) return [{ to: "stderr", chunk: `${safeText(view.stderr)}\n` }];
  if (view.rows.length === 0) return view.empty === undefined ? [] : [{ to: "stderr", chunk: `${view.empty}\n` }];
  return [{ to: "stdout", chunk: options.isTTY ? alignedTable(view, options) : plainTable(view) }];
}

// `Array.isArray` alone does not narrow a readonly array.
function isList(view: View): view is readonly View[] {
  return Array.isArray(view);
}

function alignedTable(table: Table, { color, columns = Infinity }: RenderOptions): string {
  const header = table.columns.map((name) => name.toUpperCase());
  const cells = { ...table, header, rows: table.rows.map((row) => row.map(oneLine)) };
  const { widths, kept } = fitTable(cells, columns);
  const lines = [header, ...cells.rows].map((row) =>
    kept.map((index) => padded(row[index] ?? "", widths[index] ?? 0)).join("  ").trimEnd()
  );
  const [first = "", ...body] = lines;
  return [paint("dim", first, color), ...body, ""].join("\n");
}

function padded(cell: string, width: number): string {
  const text = fitted(cell, width);
  return text + " ".repeat(width - Bun.stringWidth(text));
}

function plainTable({ rows }: Table): string {
  return rows.map((row) => `${row.map(oneLine).join("\t")}\n`).join("");
}

function oneLine(cell: string): string {
  return safeText(cell).replace(/[\n\t]+/g, " ");
}
