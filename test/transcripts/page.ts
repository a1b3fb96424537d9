/** A page of transcripts: Markdown whose `console` blocks are run and whose named blocks are files. */
export interface Page {
  readonly parts: readonly Part[];
}

export type Part =
  | { readonly kind: "text"; readonly lines: readonly string[] }
  | { readonly kind: "file"; readonly name: string; readonly lines: readonly string[]; readonly fence: string }
  | { readonly kind: "console"; readonly steps: readonly Step[]; readonly fence: string; readonly on: Place };

/** Where a block's commands are run: in pipes, or, as `console tty`, on a terminal; `console tty:60` is a narrow one. */
export interface Place {
  readonly isTTY: boolean;
  readonly columns?: number;
}

/** One command and what it printed: stdout as it is, `2| ` before stderr, `[exit N]` when it was not 0. */
export interface Step {
  readonly command: string;
  readonly printed: readonly string[];
}

export function parsePage(markdown: string): Page {
  const parts: Part[] = [];
  let text: string[] = [];
  const lines = markdown.replace(/\n$/, "").split("\n");
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    const fence = /^```(\S+)(?: (\S+))?$/.exec(line);
    if (!fence) {
      text.push(line);
      continue;
    }
    const end = lines.indexOf("```", index + 1);
    const body = lines.slice(index + 1, end);
    parts.push({ kind: "text", lines: text }, toPart(line, fence[1] ?? "", fence[2], body));
    text = [];
    index = end;
  }
  return { parts: [...parts, { kind: "text", lines: text }] };
}

export function writePage({ parts }: Page): string {
  const lines = parts.flatMap((part) => {
    if (part.kind === "text") return part.lines;
    if (part.kind === "file") return [part.fence, ...part.lines, "```"];
    return [part.fence, ...part.steps.flatMap(({ command, printed }) => [`$ ${command}`, ...printed]), "```"];
  });
  return `${lines.join("\n")}\n`;
}

function toPart(fence: string, language: string, argument: string | undefined, body: readonly string[]): Part {
  if (language === "console") return { kind: "console", steps: toSteps(body), fence, on: toPlace(argument) };
  return { kind: "file", name: argument ?? "", lines: body, fence };
}

function toPlace(argument = ""): Place {
  const [, columns] = /^tty:(\d+)$/.exec(argument) ?? [];
  return columns === undefined ? { isTTY: argument === "tty" } : { isTTY: true, columns: Number(columns) };
}

function toSteps(lines: readonly string[]): Step[] {
  const steps: { command: string; printed: string[] }[] = [];
  for (const line of lines) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), printed: [] });
    else steps.at(-1)?.printed.push(line);
  }
  return steps;
}

/** A command and what is typed or piped into it: `gpu stop --all < n` types n, `< key-1 Enter` a word and a key. */
export function splitTyped(line: string): { command: string; typed: string[] } {
  const [, command = line, typed = ""] = /^(.*) < ([^<>]+)$/.exec(line) ?? [];
  return { command, typed: toWords(typed) };
}

/** Splits a command line as a shell would: words, single and double quotes. Nothing else of a shell is there. */
export function toWords(command: string): string[] {
  const words = command.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, (_, double, single) => double ?? single));
}
