/** The text in at most so many cells of a terminal; an ellipsis stands for what is cut off at its end. */
export function fitted(text: string, cells: number): string {
  if (Bun.stringWidth(text) <= cells) return text;
  if (cells < 1) return "";
  const cut = Bun.sliceAnsi(text, 0, cells - 1);
  // Of a character two cells wide `sliceAnsi` takes both where there is room for one.
  return `${Bun.stringWidth(cut) < cells ? cut : Bun.sliceAnsi(text, 0, cells - 2)}…`;
}
