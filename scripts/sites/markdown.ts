import { dirname, relative } from "node:path/posix";
import { parsePage, type Part, type Place } from "../../test/transcripts/page.ts";
import { asTyped } from "./examples.ts";
import { highlighted } from "./highlight.ts";
import type { SitePage } from "./pages.ts";

interface RenderOptions {
  /** Pages by their path: a link to another one is an error. */
  readonly links: ReadonlyMap<string, SitePage>;
  /** The path of the page itself. */
  readonly from: string;
}

/** A page as HTML. Blocks are as pages of transcripts have them: commands, files, and code. */
export function renderMarkdown(markdown: string, options: RenderOptions): string {
  return parsePage(markdown).parts.map((part) => renderPart(part, options)).join("\n");
}

function renderPart(part: Part, options: RenderOptions): string {
  if (part.kind === "text") return renderText(part.lines.join("\n"), options);
  if (part.kind === "file") {
    const [, language = ""] = /^```(\S+)/.exec(part.fence) ?? [];
    const name = part.name === "" ? "" : `<figcaption>${escaped(part.name)}</figcaption>`;
    return `<figure>${name}<pre tabindex="0"><code>${
      highlighted(part.lines.join("\n"), language)
    }</code></pre></figure>`;
  }
  const lines = part.steps.flatMap((
    { command, printed },
  ) => [commandLine(command, part.on), ...printed.map(printedLine)]);
  return `<figure><pre tabindex="0" class="console"><code>${lines.join("\n")}</code></pre></figure>`;
}

/** What a page does to its world is told as a remark: nobody can type it. */
function commandLine(line: string, on: Place): string {
  if (/^(cloud|sleep) /.test(line)) return `<i># ${escaped(stageDirection(line))}</i>`;
  const { command, remark } = asTyped(line, on);
  return `<b>$</b> <kbd>${escaped(command)}</kbd>${remark === undefined ? "" : `  <i># ${escaped(remark)}</i>`}`;
}

function stageDirection(command: string): string {
  const [what = "", ...rest] = command.split(" ");
  return what === "sleep" ? `${rest.join(" ")} later` : `the cloud: ${rest.join(" ")}`;
}

function printedLine(line: string): string {
  if (/^\[exit \d+\]$/.test(line)) return `<i>${escaped(line)}</i>`;
  return line.startsWith("2|") ? `<s>${escaped(line.replace(/^2\| ?/, ""))}</s>` : escaped(line);
}

function renderText(text: string, { links, from }: RenderOptions): string {
  if (text.trim() === "") return "";
  const html = Bun.markdown.html(text, { tables: true, headings: { ids: true }, autolinks: false });
  return html
    .replace(/<table>/g, '<div class="table" tabindex="0"><table>').replace(/<\/table>/g, "</table></div>")
    .replace(/href="\/([^"#]*)(#[^"]*)?"/g, (_, path: string, hash = "") => {
      if (!links.has(path)) throw new Error(`${from} links to ${path}, which is no page`);
      return `href="${relative(dirname(from), path)}.html${hash}"`;
    });
}

/** Text for HTML. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
