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
    "Install",
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

test("how it is installed is what README says", () => {
  const page = read("guides/install.md");
  expect(page).toContain("curl -fsSL $URL/latest/install.sh | sh ");
  expect(page).not.toContain("## ");
});

test("a provider that only tests have is said to be one", () => {
  for (const path of ["guides/first-five-minutes", "guides/safety", "guides/from-gpu-session"]) {
    const page = read(`${path}.md`);
    const places = [page.indexOf("`cloud` stands here for a provider"), page.indexOf("--provider cloud")];
    expect({ path, places }).toEqual({ path, places: places.toSorted((a, b) => a - b) });
    expect(places[0]).toBeGreaterThan(0);
  }
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

test("every colour has a light and a dark form, and text stands out from what is behind it as WCAG 2.2 AA asks", () => {
  const css = read("style.css");
  const colours = (block: string) =>
    Object.fromEntries(
      [...block.matchAll(/--(\w+): (#[0-9a-f]{6});/g)].map(([, name = "", value = ""]) => [name, value]),
    );
  const [, light = "", dark = ""] =
    /^:root \{([^}]*)\}[^]*?prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}/.exec(css) ?? [];
  const schemes = [colours(light), colours(dark)];
  const names = Object.keys(schemes[0] ?? {});
  expect(Object.keys(schemes[1] ?? {})).toEqual(names);
  const used = new Set([...css.matchAll(/var\(--(\w+)\)/g)].map(([, name]) => name));
  expect([...used].toSorted()).toEqual(names.toSorted());
  // Any other colour would be the same by day and by night.
  expect(css.replace(light, "").replace(dark, "").match(/:[^;{}]*#[0-9a-f]{3,8}\b[^;{}]*;/gi)).toBeNull();
  for (const scheme of schemes) {
    for (const front of ["ink", "quiet", "link", "good", "word"]) {
      for (const behind of ["paper", "tint"]) {
        const found = contrast(scheme[front] ?? "", scheme[behind] ?? "");
        expect({ front, behind, isClear: found >= 4.5 }).toEqual({ front, behind, isClear: true });
      }
    }
  }
});

/** Of two colours, as WCAG 2.2 computes it: from 1 to 21. */
function contrast(one: string, other: string): number {
  const [bright = 0, dim = 0] = [one, other].map((colour) => {
    const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return parts.reduce((sum, part, index) => sum + part * (([0.2126, 0.7152, 0.0722] as const)[index] ?? 0), 0);
  }).toSorted((a, b) => b - a);
  return (bright + 0.05) / (dim + 0.05);
}

test("every page says its language, fits a phone and reads without a script", () => {
  for (const file of files().filter((file) => file.endsWith(".html"))) {
    const page = read(file);
    const has = (text: string) => page.includes(text);
    const found = [
      has('<html lang="en">'),
      has('content="width=device-width, initial-scale=1"'),
      has('<main id="content">'),
    ];
    expect({ file, found, scripts: page.match(/<script\b/g)?.length }).toEqual({
      file,
      found: [true, true, true],
      scripts: 1,
    });
  }
});

test("the recording is small enough for a README, and moves on the start page", () => {
  const svg = readFileSync(join(import.meta.dir, "../../scripts/recordings/session.svg"), "utf8");
  expect(svg.length).toBeLessThan(200_000);
  expect(read("index.html")).toContain(svg.slice(0, 200));
});
