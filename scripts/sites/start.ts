import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../toolchain.ts";
import { escaped } from "./markdown.ts";
import type { SitePage } from "./pages.ts";

interface StartParts {
  readonly guides: readonly SitePage[];
  readonly reference: readonly SitePage[];
  /** The drawing that moves. */
  readonly recording: string;
  /** The same, to be read. */
  readonly recorded: string;
}

/** The start page: what README.md says first, the recording, the guides, the commands of every day. */
export function startPage({ guides, reference, recording, recorded }: StartParts): { page: SitePage; html: string } {
  const [, tagline = ""] = /^# gpu\n\n([^\n]+)/.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];
  const cards = guides.map(({ path, title, summary }) =>
    `<li><a href="${path}.html">${escaped(title)}</a><p>${inline(summary)}</p></li>`
  );
  const everyday = reference.filter(({ title }) => title.split(" ").length === 2).map(({ path, title, summary }) =>
    `<li><a href="${path}.html"><code>${escaped(title)}</code></a> ${inline(summary)}</li>`
  );
  const html = `<h1>${escaped(tagline)}</h1>
<figure class="recording">${recording}<figcaption><button type="button" id="pause" hidden>Pause</button></figcaption></figure>
<details><summary>The same as text</summary><pre tabindex="0" class="console"><code>${
    escaped(recorded)
  }</code></pre></details>
<h2 id="guides">Guides</h2>
<ul class="cards">${cards.join("")}</ul>
<h2 id="commands">Commands of every day</h2>
<ul class="commands">${everyday.join("")}</ul>
<p><a href="reference/index.html">All ${reference.length} commands</a></p>`;
  return { page: { kind: "start", path: "index", title: "gpu", summary: tagline, markdown: "" }, html };
}

function inline(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");
}
