import { styleText } from "node:util";

/** What `gpu help <topic>` explains beside commands. Markdown; sessions in it are played by a test. */
const topics: Readonly<Record<string, () => Promise<string>>> = {
  hosts: () => import("./topics/hosts.md", { with: { type: "text" } }).then((module) => module.default),
  recipes: () => import("./topics/recipes.md", { with: { type: "text" } }).then((module) => module.default),
};

/** The names of the topics. */
export const topicNames: readonly string[] = Object.keys(topics);

/** The text of a topic as a person reads it; undefined where there is none of that name. */
export async function topicText(name: string, { isColored }: { isColored: boolean }): Promise<string | undefined> {
  const text = await (Object.hasOwn(topics, name) ? topics[name]?.() : undefined);
  return text === undefined ? undefined : readable(text, isColored);
}

/** Without the marks that are for the test: names of files, and what went to stderr. */
function readable(markdown: string, isColored: boolean): string {
  let isCode = false;
  const lines = markdown.trimEnd().split("\n").flatMap((line) => {
    if (line.startsWith("```")) {
      isCode = !isCode;
      return [];
    }
    if (isCode) return [line === "" ? "" : `    ${line.replace(/^2\| ?/, "")}`];
    if (line.startsWith("#")) return [bold(line.replace(/^#+ /, ""), isColored)];
    return [line];
  });
  return lines.join("\n");
}

function bold(text: string, isColored: boolean): string {
  return isColored ? styleText("bold", text, { validateStream: false }) : text;
}
