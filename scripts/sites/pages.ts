import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../toolchain.ts";

/** One page of the site. Links in its Markdown begin with `/`, from the top of the site, and have no ending. */
export interface SitePage {
  readonly kind: "start" | "guide" | "reference" | "session";
  /** From the top of the site, without an ending: `guides/safety`. */
  readonly path: string;
  readonly title: string;
  /** Its first sentence, or what it does. */
  readonly summary: string;
  readonly markdown: string;
}

const transcripts = "test/transcripts";
const topics = "src/surface/topics";

/** In the order in which they are read. Each is a page that is run as a test. */
const guides = [
  `${transcripts}/guides/first-five-minutes.md`,
  `${topics}/recipes.md`,
  `${transcripts}/guides/safety.md`,
  `${topics}/hosts.md`,
  `${transcripts}/guides/ci.md`,
  `${transcripts}/guides/emulator.md`,
  `${transcripts}/guides/from-ci.md`,
  `${transcripts}/guides/from-gpu-session.md`,
  `${transcripts}/guides/from-skypilot.md`,
  `${transcripts}/guides/from-runpodctl.md`,
];

/** The guides. One in the folder that is not in the list is an error: nobody would find it. */
export function guidePages(): SitePage[] {
  const there = [
    ...markdownIn(`${transcripts}/guides`).map((file) => `${transcripts}/guides/${file}`),
    ...markdownIn(topics).map((file) => `${topics}/${file}`),
  ];
  const unlisted = there.filter((path) => !guides.includes(path));
  if (unlisted.length > 0) throw new Error(`scripts/sites/pages.ts does not list ${unlisted.join(", ")}`);
  return [installPage(), ...guides.map((path) => pageOf(path, "guide"))];
}

/** What README.md says of installing. */
function installPage(): SitePage {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, section] = /^## Install\n\n([^]*?)\n(?=## )/m.exec(readme) ?? [];
  if (section === undefined) throw new Error("README.md has no section `Install`");
  const markdown = `# Install\n\n${section}`;
  return { kind: "guide", path: "guides/install", title: "Install", summary: firstSentence(markdown), markdown };
}

/** The other pages that are run as tests. */
export function sessionPages(): SitePage[] {
  return markdownIn(transcripts).map((file) => pageOf(`${transcripts}/${file}`, "session"))
    .toSorted((a, b) => a.title < b.title ? -1 : 1);
}

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder)).filter((file) => file.endsWith(".md")).toSorted();
}

function pageOf(path: string, kind: "guide" | "session"): SitePage {
  const markdown = readFileSync(join(root, path), "utf8");
  const [, title = ""] = /^# (.+)$/m.exec(markdown) ?? [];
  const name = path.split("/").at(-1)?.replace(/\.md$/, "") ?? "";
  return {
    kind,
    path: `${kind}s/${name}`,
    title: title.replaceAll("`", ""),
    summary: firstSentence(markdown),
    markdown: sayWhatCloudIs(markdown),
  };
}

/** The provider of the tests is none that a reader has. It is said once, before it is first named. */
function sayWhatCloudIs(markdown: string): string {
  const note = "`cloud` stands here for a provider; `gpu configure` knows those that there are.";
  return markdown.replace(/^```console(?:(?!^```$)[^])*?--provider cloud\b/m, (block) => `${note}\n\n${block}`);
}

/** The first sentence of the first paragraph; what a page without one is about, its commands say. */
function firstSentence(markdown: string): string {
  const outside = markdown.replace(/^```[^]*?^```$/gm, "");
  const [paragraph = ""] = outside.split(/\n\n+/).map((text) => text.trim())
    .filter((text) => text !== "" && !/^[#|\-]/.test(text));
  const [sentence = paragraph] = /^[^]*?[.:](?=\s|$)/.exec(paragraph.replaceAll("\n", " ")) ?? [];
  // Emphasis is for the page itself.
  return sentence.replace(/:$/, ".").replace(/(?<![\w`])[*_](\w+)[*_](?!\w)/g, "$1");
}
