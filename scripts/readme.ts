// The parts of README.md that are computed: a session from the transcripts, the recipe, the table of commands.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandEntry } from "../src/command.ts";
import { root } from "./toolchain.ts";

/** README.md with each part between `<!-- name: … -->` and `<!-- end -->` made anew. */
export function readmeText(commands: readonly CommandEntry[]): string {
  const text = readFileSync(join(root, "README.md"), "utf8");
  return text.replace(/(<!-- (\w+): ([^>]*?) -->\n)[\s\S]*?(<!-- end -->)/g, (_, begin, kind, argument, end) => {
    const make = parts[kind];
    if (!make) throw new Error(`README.md: nobody can make the part \`${kind}\``);
    return `${begin}\n${make(argument, commands)}\n\n${end}`;
  });
}

const parts: Readonly<Record<string, (argument: string, commands: readonly CommandEntry[]) => string>> = {
  file: (path) => sourceOf(path),
  beside: (argument) => beside(argument.split(" ")),
  session: (path) => `\`\`\`console\n${firstSession(path)}\n\`\`\``,
  commands: (_, commands) =>
    ["| command | does |", "| --- | --- |", ...commands.map(({ name, summary }) => `| \`gpu ${name}\` | ${summary} |`)]
      .join("\n"),
};

/** The first console block of a page, as a person sees it: what goes to stderr is on the terminal too. */
function firstSession(path: string): string {
  const [, block] = /```console[^\n]*\n([\s\S]*?)\n```/.exec(readFileSync(join(root, path), "utf8")) ?? [];
  if (block === undefined) throw new Error(`${path} has no session`);
  return block.split("\n").map((line) => line.replace(/^2\| ?/, "")).join("\n");
}

function sourceOf(path: string): string {
  const text = readFileSync(join(root, path), "utf8").trimEnd();
  return path.endsWith(".sh") ? `\`\`\`bash\n${text}\n\`\`\`` : `\`\`\`ts\n// ${path}\n${text}\n\`\`\``;
}

/** Each job as a recipe and in bash: how long they are, then both. */
function beside(recipes: readonly string[]): string {
  const jobs = recipes.map((recipe) => {
    const name = recipe.split("/").at(-1)?.replace(/\.ts$/, "") ?? "";
    return { name, recipe, script: `test/compared/${name}.sh` };
  });
  const rows = jobs.map(({ name, recipe, script }) =>
    `| \`${name}\` | ${countLines(recipe)} | ${countLines(script)} |`
  );
  const table = ["| job | lines of recipe | lines of bash and curl |", "| --- | --- | --- |", ...rows].join("\n");
  const shown = jobs.map(({ name, recipe, script }) =>
    `<details>\n<summary><code>${name}</code>, both</summary>\n\n${sourceOf(recipe)}\n\n${
      sourceOf(script)
    }\n\n</details>`
  );
  return [table, ...shown].join("\n\n");
}

/** Those that are neither empty nor a comment. */
function countLines(path: string): number {
  return readFileSync(join(root, path), "utf8").split("\n")
    .filter((line) => line.trim() !== "" && !/^\s*(?:\/\/|#)/.test(line)).length;
}
