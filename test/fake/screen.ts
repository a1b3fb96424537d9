/** What stays to be read of text that moves the cursor: living lines and drawn-over questions are gone, colours are not seen. */
export function readScreen(text: string): string {
  if (!/[\r\x1b]/.test(text)) return text;
  const rows: string[] = [""];
  let row = 0;
  let column = 0;
  const put = (character: string) => {
    const line = (rows[row] ?? "").padEnd(column);
    rows[row] = line.slice(0, column) + character + line.slice(column + 1);
    column += 1;
  };
  const goTo = (wanted: number) => {
    row = Math.max(0, wanted);
    while (rows.length <= row) rows.push("");
  };
  for (const [token, count = "", command] of text.matchAll(/\x1b\[\??([\d;]*)([A-Za-z])|\r|\n|[^]/gu)) {
    const number = Number(count.split(";")[0]) || 0;
    if (token === "\r") column = 0;
    else if (token === "\n") {
      goTo(row + 1);
      column = 0;
    } else if (command === undefined) put(token);
    else if (command === "A") goTo(row - Math.max(1, number));
    else if (command === "B") goTo(row + Math.max(1, number));
    else if (command === "C") column += Math.max(1, number);
    else if (command === "D") column = Math.max(0, column - Math.max(1, number));
    else if (command === "G") column = Math.max(1, number) - 1;
    else if (command === "K") rows[row] = number === 2 ? "" : (rows[row] ?? "").slice(0, column);
    else if (command === "J") {
      rows[row] = (rows[row] ?? "").slice(0, column);
      rows.length = row + 1;
    }
  }
  return rows.map((line) => line.replace(/ +$/, "")).join("\n");
}
