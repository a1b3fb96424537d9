import type { SitePage } from "./pages.ts";

/** How much of a page is searched, in characters: enough for all but its longest output. */
const mostText = 6000;

/** The index as a script: a page that was opened as a file may load one, and no data. */
export function searchIndex(pages: readonly SitePage[]): string {
  const entries = pages.map(({ path, title, summary, markdown }) => ({
    path: `${path}.html`,
    title,
    summary: summary.replaceAll("`", ""),
    text: plain(markdown).slice(0, mostText),
  }));
  return `globalThis.searchIndex = ${JSON.stringify(entries)};\n`;
}

function plain(markdown: string): string {
  return markdown.replace(/^```.*$/gm, "").replace(/\]\(\/[^)]*\)/g, "]").replace(/[`|#*[\]]|2\|/g, " ")
    .replace(/[\s─-]+/g, " ").toLowerCase();
}
