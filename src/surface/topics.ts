import { reflow } from "./reflow.ts";
import { paint } from "../paint.ts";

/** What `gpu help <topic>` explains beside commands. Markdown; sessions in it are played by a test. */
const topics: Readonly<Record<string, () => Promise<string>>> = {
  hosts: () => import("./topics/hosts.md", { with: { type: "text" } }).then((module) => module.default),
  recipes: () => import("./topics/recipes.md", { with: { type: "text" } }).then((module) => module.default),
};

/** The names of the topics. */
export const topicNames: readonly string[] = Object.keys(topics);

interface Page {
  readonly isColored: boolean;
  /** In characters. */
  readonly width: number;
}

/** The text of a topic as a person reads it; undefined where there is none of that name. */
export async function topicText(name: string, page: Page): Promise<string | undefined> {
  const text = await (Object.hasOwn(topics, name) ? topics[name]?.() : undefined);
  return text === undefined ? undefined : readable(text, page);
}

/** Without the marks that are for the test: names of files, and what went to stderr. */
function readable(markdown: string, { isColored, width }: Page): string {
  const parts = markdown.trimEnd().split(/^(```[^\n]*\n[^]*?^```$|#[^\n]*$)/m);
  return parts.flatMap((part) => {
    const text = part.replace(/^\n|\n$/g, "");
    if (part.startsWith("#")) return [paint("bold", part.replace(/^#+ /, ""), isColored)];
    if (!part.startsWith("```")) return part === "" ? [] : reflow(text, width);
    const code = text.split("\n").slice(1, -1);
    return code.map((line) => line === "" ? "" : `    ${line.replace(/^2\| ?/, "")}`);
  }).join("\n");
}
