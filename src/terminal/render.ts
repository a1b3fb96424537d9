import { styleText } from "node:util";
import type { Table, View } from "../command.ts";
import { safeText } from "../safe-text.ts";

export interface RenderOptions {
  readonly isTTY: boolean;
  readonly color: boolean;
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

function alignedTable({ columns, rows }: Table, { color }: RenderOptions): string {
  const cells = [columns.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(oneLine))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => Bun.stringWidth(row[index] ?? ""))));
  const lines = cells.map((row) =>
    row.map((cell, index) => cell + " ".repeat((widths[index] ?? 0) - Bun.stringWidth(cell))).join("  ").trimEnd()
  );
  const [header = "", ...body] = lines;
  return [color ? styleText("dim", header, { validateStream: false }) : header, ...body, ""].join("\n");
}

function plainTable({ rows }: Table): string {
  return rows.map((row) => `${row.map(oneLine).join("\t")}\n`).join("");
}

function oneLine(cell: string): string {
  return safeText(cell).replace(/[\n\t]+/g, " ");
}
