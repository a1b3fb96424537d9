import { dirname, relative } from "node:path/posix";
import { escaped } from "./markdown.ts";
import type { SitePage } from "./pages.ts";

interface PageParts {
  readonly page: SitePage;
  readonly body: string;
  /** Pages of the same kind, for the list at the side. */
  readonly siblings: readonly SitePage[];
  readonly version: string;
}

const sections = [["guides/index", "Guides"], ["reference/index", "Reference"], [
  "sessions/index",
  "Sessions",
]] as const;

/** A whole page. It asks for nothing but files beside it, and reads without a script. */
export function htmlPage({ page, body, siblings, version }: PageParts): string {
  const top = relative(dirname(page.path), ".") || ".";
  const link = (path: string) => `${top}/${path}`;
  const items = siblings.map(({ path, title }) =>
    `<li><a href="${link(path)}.html"${path === page.path ? ' aria-current="page"' : ""}>${escaped(title)}</a></li>`
  );
  const side = items.length === 0
    ? ""
    : `<nav class="side" aria-label="${sectionOf(page)}"><details><summary>${sectionOf(page)}</summary><ul>${
      items.join("")
    }</ul></details></nav>`;
  const name = page.kind === "start" ? "gpu" : `${page.title} · gpu`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="${escaped(page.summary)}">
<title>${escaped(name)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${link("style.css")}">
<script defer src="${link("site.js")}" data-top="${top}"></script>
</head>
<body>
<a class="skip" href="#content">To the text</a>
<header>
<a class="brand" href="${link("index.html")}">gpu</a>
<nav aria-label="Site">${
    sections.map(([path, title]) =>
      `<a href="${link(path)}.html"${isIn(page, path) ? ' aria-current="true"' : ""}>${title}</a>`
    ).join("")
  }</nav>
<form role="search" hidden><input type="search" name="q" placeholder="Search" aria-label="Search" autocomplete="off" aria-controls="found"><ul id="found" hidden></ul></form>
</header>
<div class="columns${side === "" ? " wide" : ""}">
${side}
<main id="content">
${body}
</main>
</div>
<footer>gpu ${escaped(version)}. Each command on these pages is run by a test.</footer>
</body>
</html>
`;
}

function sectionOf({ kind }: SitePage): string {
  return { start: "Start", guide: "Guides", reference: "Reference", session: "Sessions" }[kind];
}

function isIn({ kind }: SitePage, path: string): boolean {
  return path.startsWith(`${kind}s/`) || path.startsWith(`${kind}/`);
}
