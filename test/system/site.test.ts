import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSite } from "../../scripts/site.ts";
import { brokenLinks } from "../../scripts/sites/links.ts";
import type { SitePage } from "../../scripts/sites/pages.ts";
import { commands } from "../../src/commands.ts";

const folder = mkdtempSync(join(tmpdir(), "gpu-site-test-"));
let pages: SitePage[] = [];
beforeAll(async () => {
  pages = await writeSite(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = (path: string) => readFileSync(join(folder, path), "utf8");
const files = () => readdirSync(folder, { recursive: true, encoding: "utf8" });

test("every link leads somewhere, and none to the outside", () => {
  expect(brokenLinks(folder)).toEqual([]);
  expect(files().length).toBeGreaterThan(100);
});

test("every command has a page with what was seen of it in a test", () => {
  for (const { name, summary } of commands) {
    const page = read(`reference/${name.replaceAll(" ", "-")}.md`);
    expect(page).toStartWith(`# gpu ${name}\n\n${summary}.\n`);
    const [, seen = ""] = /## As it is in a test\n([^]*?)\n## /.exec(page) ?? [];
    expect({ name, isSeen: seen.includes(`\`\`\`console\n$ gpu `) }).toEqual({ name, isSeen: true });
  }
});

test("what is not one's to type is not shown as typed", () => {
  const safety = read("guides/safety.html");
  expect(safety).not.toContain("<kbd>cloud ");
  expect(safety).toContain("<i># 61m later</i>");
});

test("what a page gives a command is told in a remark: a shell would take it for a file", () => {
  expect(read("sessions/notify.html")).toContain("<kbd>gpu secret set HF_TOKEN</kbd>  <i># piped in: hf_not");
  expect(read("reference/secret-set.md")).toContain("$ gpu secret set HF_TOKEN  # piped in: hf_not");
  expect(read("sessions/reconcile.html")).not.toContain("<kbd>elsewhere ");
});

test("links of the reference in Markdown lead to files", () => {
  for (const { name } of commands) {
    const page = read(`reference/${name.replaceAll(" ", "-")}.md`);
    for (const [, to = ""] of page.matchAll(/\]\(([^)]+)\)/g)) {
      expect({ name, to, isThere: existsSync(join(folder, "reference", to)) }).toEqual({ name, to, isThere: true });
    }
  }
});

test("the guides are there, in the order in which they are read", () => {
  const start = read("index.html");
  const titles = pages.filter(({ kind, path }) => kind === "guide" && path !== "guides/index").map(({ title }) =>
    title
  );
  expect(titles).toEqual([
    "The first five minutes",
    "Recipes",
    "What survives which death",
    "Machines of your own",
    "Tests on a GPU",
    "A cloud on this computer",
    "Coming from ci",
    "Coming from gpu-session",
    "Coming from SkyPilot",
    "Coming from runpodctl",
  ]);
  const places = titles.map((title) => start.indexOf(`>${title}</a>`));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
});

test("nothing is asked of anybody, and every page works without the folder it was made in", () => {
  for (const file of files().filter((file) => /\.(html|css|js)$/.test(file) && file !== "search-index.js")) {
    const text = read(file).replace(/<code[^]*?<\/code>|<desc[^]*?<\/desc>/g, "");
    expect({ file, outside: text.match(/(?:src|href|url|fetch|import)\s*[=(]\s*["']?(?:https?:|\/)[^\s]*/g) })
      .toEqual({ file, outside: null });
  }
});

test("the search knows every page, and each is there", () => {
  const entries: { path: string }[] = JSON.parse(
    read("search-index.js").replace(/^globalThis\.searchIndex = /, "").replace(/;\n$/, ""),
  );
  expect(entries.filter(({ path }) => !existsSync(join(folder, path)))).toEqual([]);
  const paths = new Set(entries.map(({ path }) => path));
  const missing = pages.filter(({ path }) =>
    path !== "index" && !path.endsWith("/index") && !paths.has(`${path}.html`)
  );
  expect(missing).toEqual([]);
});

test("the recording is small enough for a README, and what it shows is gpu as it is", () => {
  const svg = readFileSync(join(import.meta.dir, "../../scripts/recordings/session.svg"), "utf8");
  expect(svg.length).toBeLessThan(200_000);
  expect(read("index.html")).toContain(svg.slice(0, 200));
});
