import type { Snapshot, Span } from "./screen.ts";

interface Drawing {
  readonly snapshots: readonly Snapshot[];
  readonly columns: number;
  readonly rows: number;
  /** Milliseconds until it begins again. */
  readonly endsAtMs: number;
  readonly title: string;
  /** The same, to be read. */
  readonly text: string;
}

/** One row's content for a time. */
interface Piece {
  readonly row: number;
  readonly spans: readonly Span[];
  readonly fromMs: number;
  readonly toMs: number;
}

const cell = { width: 8.4, height: 19 };
const margin = { x: 18, top: 44, bottom: 16 };

/** A recording as a drawing that moves by itself, without a script; where motion is not wanted it shows the end. */
export function svgOf({ snapshots, columns, rows, endsAtMs, title, text }: Drawing): string {
  const width = Math.round(columns * cell.width + 2 * margin.x);
  const height = Math.round(rows * cell.height + margin.top + margin.bottom);
  const pieces = piecesOf(snapshots, endsAtMs);
  const percent = (ms: number) => `${Number(((ms / endsAtMs) * 100).toFixed(3))}%`;
  const frames = pieces.map(({ fromMs, toMs }, index) =>
    `@keyframes k${index}{${fromMs > 0 ? "0%{visibility:hidden}" : ""}${percent(fromMs)}{visibility:visible}${
      toMs < endsAtMs ? `${percent(toMs)}{visibility:hidden}` : ""
    }}.k${index}{animation-name:k${index}}`
  );
  const lines = pieces.map(({ row, spans, toMs }, index) => {
    const length = spans.reduce((sum, { text }) => sum + [...text].length, 0);
    const y = margin.top + row * cell.height + 14;
    return `<text class="k k${index}${toMs >= endsAtMs ? " z" : ""}" x="${margin.x}" y="${y}" textLength="${
      (length * cell.width).toFixed(1)
    }">${spans.map(spanText).join("")}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="recording-title recording-text">
<title id="recording-title">${escaped(title)}</title>
<desc id="recording-text">${escaped(text)}</desc>
<style>
.k{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;white-space:pre;fill:#d6deeb;visibility:hidden;animation:${
    (endsAtMs / 1000).toFixed(2)
  }s step-end infinite}
.b{font-weight:700}.d{fill:#8b9bb4}.red{fill:#ff8b92}.green{fill:#7fd88f}.yellow{fill:#f0c674}.blue{fill:#82aaff}.magenta{fill:#d7a6ff}.cyan{fill:#7fdbca}.white{fill:#fff}.black{fill:#8b9bb4}
${frames.join("\n")}
.paused .k{animation-play-state:paused}
@media (prefers-reduced-motion:reduce){.k{animation:none}.z{visibility:visible}}
</style>
<rect width="${width}" height="${height}" rx="10" fill="#10151f"/>
<circle cx="24" cy="20" r="6" fill="#ff5f57"/><circle cx="44" cy="20" r="6" fill="#febc2e"/><circle cx="64" cy="20" r="6" fill="#28c840"/>
${lines.join("\n")}
</svg>
`;
}

/** What each row shows and for how long; an empty row is nothing. */
function piecesOf(snapshots: readonly Snapshot[], endsAtMs: number): Piece[] {
  const pieces: Piece[] = [];
  const open = new Map<number, { readonly key: string; readonly spans: readonly Span[]; readonly fromMs: number }>();
  const close = (row: number, toMs: number) => {
    const found = open.get(row);
    open.delete(row);
    // What was gone in the same moment nobody saw.
    if (found && toMs > found.fromMs && found.spans.length > 0) {
      pieces.push({ row, spans: found.spans, fromMs: found.fromMs, toMs });
    }
  };
  for (const { atMs, rows } of snapshots) {
    for (const row of [...open.keys()].filter((row) => row >= rows.length)) close(row, atMs);
    for (const [row, spans] of rows.entries()) {
      const key = JSON.stringify(spans);
      if (open.get(row)?.key === key) continue;
      close(row, atMs);
      open.set(row, { key, spans, fromMs: atMs });
    }
  }
  for (const row of [...open.keys()]) close(row, endsAtMs);
  return pieces.toSorted((a, b) => a.fromMs - b.fromMs);
}

function spanText({ text, classes }: Span): string {
  return classes === "" ? escaped(text) : `<tspan class="${classes}">${escaped(text)}</tspan>`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
