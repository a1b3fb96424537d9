import { wrap } from "./columns.ts";

/** A part of a text: a paragraph runs on, and everything else stays as it was written. */
export type Block =
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "lines"; readonly lines: readonly string[] };

/** A text as Markdown reads it, as far as help needs that: what is indented, a list or a table is no paragraph. */
export function blocksOf(text: string): Block[] {
  const blocks: { kind: Block["kind"]; lines: string[] }[] = [];
  for (const line of text.split("\n")) {
    const kind = /^(?:\s|[-*|>]\s?|\d+\.\s|$)/.test(line) ? "lines" : "paragraph";
    const last = blocks.at(-1);
    if (last?.kind === kind) last.lines.push(line);
    else blocks.push({ kind, lines: [line] });
  }
  return blocks.map(({ kind, lines }) => kind === "paragraph" ? { kind, text: lines.join(" ") } : { kind, lines });
}

/** Its lines, of at most so many characters where they are a paragraph's or a list's. */
export function reflow(text: string, width: number): string[] {
  return blocksOf(text).flatMap((block) =>
    block.kind === "paragraph" ? wrap(block.text, width) : wrapItems(block.lines, width)
  );
}

/** Lines of a list run on within their item; others stay. */
function wrapItems(lines: readonly string[], width: number): string[] {
  const items: { mark: string; text: string }[] = [];
  for (const line of lines) {
    const [, mark, text = ""] = /^((?:[-*]|\d+\.)\s)(.*)$/.exec(line) ?? [];
    const last = items.at(-1);
    if (mark !== undefined) items.push({ mark, text });
    else if (last && last.mark !== "" && /^ *(?=\S)/.exec(line)?.[0].length === last.mark.length) {
      last.text += ` ${line.trim()}`;
    } else items.push({ mark: "", text: line });
  }
  return items.flatMap(({ mark, text }) =>
    mark === ""
      ? [text]
      : wrap(text, width - mark.length).map((line, index) => `${index === 0 ? mark : " ".repeat(mark.length)}${line}`)
  );
}

/** How wide a page of help is, in characters: as the terminal, where there is one, and not wider than is read with ease. */
export function pageWidth({ isTTY, columns }: { readonly isTTY: boolean; readonly columns: number }): number {
  return isTTY ? Math.max(20, Math.min(columns, 100)) : 80;
}
