// Writes dist/docs (or the folder that is named): `scripts/site [folder]`. Everything on it is computed: the reference from
// the definitions of the commands, the guides and sessions from the pages that are run as tests, the start page from these.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import project from "../package.json" with { type: "json" };
import { commands } from "../src/commands.ts";
import { groupSummaries } from "../src/surface/overview.ts";
import { stepsByCommand } from "./sites/examples.ts";
import { htmlPage } from "./sites/layout.ts";
import { renderMarkdown } from "./sites/markdown.ts";
import { guidePages, sessionPages, type SitePage } from "./sites/pages.ts";
import { commandPage, referenceName } from "./sites/reference.ts";
import { searchIndex } from "./sites/search.ts";
import { startPage } from "./sites/start.ts";
import { root } from "./toolchain.ts";

const sources = join(root, "scripts/sites");

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(root, "dist/docs"));
  if (existsSync(folder) && readdirSync(folder).length > 0 && !existsSync(join(folder, "search-index.js"))) {
    console.error(`error: ${folder} holds something else, and a site takes the place of what is there`);
    process.exit(1);
  }
  const pages = await writeSite(folder);
  console.log(`wrote ${pages.length} pages into ${relative(process.cwd(), folder) || "."}`);
}

/** Writes the whole site into a folder, in the place of what was there. */
export async function writeSite(folder: string): Promise<SitePage[]> {
  const guides = guidePages();
  const sessions = sessionPages();
  const seen = stepsByCommand([...guides, ...sessions]);
  const loaded = await Promise.all(commands.map((entry) => entry.load()));
  const reference = loaded.map((command): SitePage => ({
    kind: "reference",
    path: `reference/${referenceName(command.name)}`,
    title: `gpu ${command.name}`,
    summary: `${command.summary}.`,
    markdown: commandPage(command, { seen: seen.get(command.name) ?? [], all: commands }),
  }));
  const lists: SitePage[] = [
    listPage("guides/index", "Guides", guides),
    { ...listPage("reference/index", "Reference", reference), markdown: referenceList(reference) },
    listPage("sessions/index", "Sessions", sessions, [
      "Each of these pages is a test: its commands are run, and what they print must be what stands here.",
      "",
    ]),
  ];
  const content = [...guides, ...reference, ...sessions];
  const all = [...lists, ...content];
  const byPath = new Map(all.map((page) => [page.path, page]));

  rmSync(folder, { recursive: true, force: true });
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const page of all) {
    const body = renderMarkdown(page.markdown, { links: byPath, from: page.path });
    write(`${page.path}.html`, htmlPage({ page, body, siblings: siblingsOf(page, content), version: project.version }));
  }
  for (const page of [...reference, ...guides]) write(`${page.path}.md`, withFileLinks(page));
  const recording = readFileSync(join(root, "scripts/recordings/session.svg"), "utf8");
  const recorded = readFileSync(join(root, "scripts/recordings/session.txt"), "utf8");
  const start = startPage({ guides, reference, recording, recorded });
  write("index.html", htmlPage({ page: start.page, body: start.html, siblings: [], version: project.version }));
  write("search-index.js", searchIndex(content));
  for (const name of ["style.css", "site.js"]) copyFileSync(join(sources, name), join(folder, name));
  return [start.page, ...all];
}

/** For whoever reads the Markdown itself: links lead to the files beside it. */
function withFileLinks({ path, markdown }: SitePage): string {
  return markdown.replace(/\]\(\/([^)]+)\)/g, (_, to: string) => {
    const target = relative(dirname(path), to);
    return `](${target}${to.startsWith("sessions/") ? ".html" : ".md"})`;
  });
}

function siblingsOf(page: SitePage, content: readonly SitePage[]): SitePage[] {
  return content.filter(({ kind }) => kind === page.kind);
}

function listPage(path: string, title: string, pages: readonly SitePage[], intro: readonly string[] = []): SitePage {
  const [kind] = pages;
  const items = pages.map(({ path, title, summary }) => `- [${title}](/${path}): ${summary}`);
  return {
    kind: kind?.kind ?? "guide",
    path,
    title,
    summary: "",
    markdown: [`# ${title}`, "", ...intro, ...items].join("\n"),
  };
}

/** Commands by the first of their words. */
function referenceList(reference: readonly SitePage[]): string {
  const groups = Map.groupBy(reference, ({ title }) => {
    const words = title.split(" ");
    return words.length > 2 && groupSummaries[words[1] ?? ""] ? words[1] ?? "" : "";
  });
  const sections = [...groups].toSorted(([a], [b]) => a < b ? -1 : 1).map(([group, pages]) => [
    group === "" ? "## Every day" : `## ${groupSummaries[group]}`,
    "",
    "| command | does |",
    "| --- | --- |",
    ...pages.map(({ path, title, summary }) => `| [\`${title}\`](/${path}) | ${summary} |`),
    "",
  ]);
  return ["# Reference", "", ...sections.flat()].join("\n");
}
