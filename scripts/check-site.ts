// Looks at every page of the site as a person would: `scripts/check-site [--shots folder]`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { writeSite } from "./site.ts";
import { findChromium, openBrowser, type Tab } from "./sites/browser.ts";
import { brokenLinks } from "./sites/links.ts";
import { troublesOnPage } from "./sites/look.ts";

const widths = [375, 1440];
const schemes = ["light", "dark"] as const;
/** Pages whose pictures are worth looking at. */
const pictured = ["index", "guides/first-five-minutes", "guides/from-skypilot", "reference/exec", "sessions/ci"];

const { values: flags } = parseArgs({ options: { shots: { type: "string" } } });
const folder = mkdtempSync(join(tmpdir(), "gpu-site-"));
try {
  process.exitCode = await check();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function check(): Promise<number> {
  const pages = (await writeSite(folder)).map(({ path }) => path);
  const troubles = brokenLinks(folder);
  console.log(`${pages.length} pages, ${troubles.length} links that are broken or lead outside`);
  const chromium = findChromium();
  if (chromium === undefined) {
    console.log("skipped: no chromium");
  } else {
    await using browser = await openBrowser(chromium);
    for (const path of pages) troubles.push(...await lookAt(browser.tab, path));
    troubles.push(...await trySearch(browser.tab));
    console.log(`looked at each at ${widths.join(" and ")} pixels, light and dark`);
  }
  for (const trouble of troubles) console.error(trouble);
  console.log(troubles.length === 0 ? "nothing is wrong" : `${troubles.length} things are wrong`);
  return troubles.length === 0 ? 0 : 1;
}

async function lookAt(tab: Tab, path: string): Promise<string[]> {
  const troubles: string[] = [];
  for (const width of widths) {
    await tab.resize({ width, height: 900 });
    await tab.open(`file://${folder}/${path}.html`);
    for (const scheme of schemes) {
      await tab.prefer(scheme);
      const found = await tab.evaluate<string[]>(`(${troublesOnPage})()`);
      troubles.push(...found.map((trouble) => `${path} at ${width}, ${scheme}: ${trouble}`));
      if (flags.shots !== undefined && pictured.includes(path)) {
        mkdirSync(flags.shots, { recursive: true });
        writeFileSync(join(flags.shots, `${path.replace("/", "-")}-${width}-${scheme}.png`), await tab.picture());
      }
    }
  }
  return [...troubles, ...tab.takeTroubles().map((trouble) => `${path}: ${trouble}`)];
}

/** What is typed is found, and where it leads is the right page. */
async function trySearch(tab: Tab): Promise<string[]> {
  await tab.open(`file://${folder}/guides/safety.html`);
  const expected = [["extend", "gpu extend"], ["tunnel start", "gpu tunnel start"], [
    "skypilot",
    "Coming from SkyPilot",
  ]];
  const troubles: string[] = [];
  for (const [typed, title] of expected) {
    const first = await tab.evaluate<string>(`(async () => {
      const input = document.querySelector("input");
      input.focus();
      input.value = ${JSON.stringify(typed)};
      input.dispatchEvent(new Event("input"));
      for (let round = 0; round < 100 && !document.querySelector("#found a"); round++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      const text = document.querySelector("#found a")?.firstChild?.textContent ?? "nothing";
      document.querySelector("#found").replaceChildren();
      return text;
    })()`);
    if (first !== title) troubles.push(`the search for \`${typed}\` finds ${first} first, not ${title}`);
  }
  return [...troubles, ...tab.takeTroubles()];
}
