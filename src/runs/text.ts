import { safeText } from "../safe-text.ts";

/** A span as a step shows it: `0.4 s`, `12 s`, `4 min 05 s`, `2 h 07 min`. */
export function timeText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (ms > 0 && seconds < 10) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, "0")} min`;
}

/** `$0.31`; of less than a cent two more digits, so that it is not taken for nothing. */
export function moneyText(dollars: number): string {
  return `$${dollars.toFixed(dollars > 0 && dollars < 0.01 ? 4 : 2)}`;
}

/** The time of day here, `08:00:00`. Not with `toTimeString`, which also loads the names of all time zones. */
export function clockText(time: number): string {
  const date = new Date(time);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** Text of a child as one line of a terminal: its colours stay and end with it, the cursor is not moved. */
export function lineText(text: string): string {
  // Of a line that was drawn over, as a progress bar is, the last state is what counts.
  const shown = text.replace(/\r+$/, "");
  const line = safeText(shown.slice(shown.lastIndexOf("\r") + 1)).replaceAll("\t", "    ");
  return line.includes("\x1b") ? `${line}\x1b[0m` : line;
}

/** The same without colours, for files and pipes. */
export function plainText(text: string): string {
  return Bun.stripANSI(lineText(text));
}

/** The first line of an error, without the colon that announces what is left out. */
export function firstLineOf(text: string): string {
  const [first = "", ...more] = text.split("\n", 2);
  return more.length > 0 ? first.replace(/:$/, "") : first;
}
