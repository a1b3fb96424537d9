import { commands } from "../../src/commands.ts";
import { findCommand } from "../../src/surface/find.ts";
import { parsePage, splitTyped, type Step, toWords } from "../../test/transcripts/page.ts";
import type { SitePage } from "./pages.ts";

/** A command as it was run on a page that is a test. */
export interface SeenStep {
  readonly step: Step;
  readonly page: SitePage;
  readonly isTTY: boolean;
  readonly isJson: boolean;
  readonly isDone: boolean;
}

/** For each command, where it was run: what shows most first. */
export function stepsByCommand(pages: readonly SitePage[]): Map<string, SeenStep[]> {
  const seen = new Map<string, SeenStep[]>();
  for (const page of pages) {
    for (const part of parsePage(page.markdown).parts) {
      if (part.kind !== "console") continue;
      for (const step of part.steps) {
        const name = commandOf(step.command);
        if (name === undefined) continue;
        const isJson = toWords(step.command).includes("--json");
        const isDone = !step.printed.some((line) => line.startsWith("[exit "));
        seen.set(name, [...seen.get(name) ?? [], { step, page, isTTY: part.on.isTTY, isJson, isDone }]);
      }
    }
  }
  for (const [name, steps] of seen) seen.set(name, steps.toSorted((a, b) => worth(b, name) - worth(a, name)));
  return seen;
}

/** A line as a person has it: what the page gives the command behind `<`, and where it runs, are said in a remark. */
export function asTyped(line: string, { isTTY }: { isTTY: boolean }): { command: string; remark: string | undefined } {
  const { command, typed } = splitTyped(line);
  const remarks = [
    ...(command.startsWith("elsewhere ") ? ["on another computer"] : []),
    ...(typed.length > 0 ? [`${isTTY ? "typed" : "piped in"}: ${typed.join(" ")}`] : []),
  ];
  return { command: command.replace(/^elsewhere /, ""), remark: remarks.length > 0 ? remarks.join(", ") : undefined };
}

/** The command that a line runs; undefined for help, for what a page does to its world, and for what is no command. */
function commandOf(line: string): string | undefined {
  const [called, ...words] = toWords(splitTyped(line).command);
  if (called !== "gpu" || words[0] === "help" || words[0] === "complete" || words.includes("--help")) return undefined;
  try {
    const found = findCommand(commands, words);
    return found.kind === "command" ? found.entry.name : undefined;
  } catch {
    return undefined;
  }
}

/** One that went well, is short, prints something and stands on a page about it. */
function worth({ step, page, isDone }: SeenStep, name: string): number {
  const isAbout = page.path.includes(`/${name.split(" ")[0]}`);
  const length = step.printed.length;
  return (isDone ? 100 : 0) + (isAbout ? 20 : 0) + (length > 0 ? 10 : 0) - Math.min(30, length) -
    (/ < |--verbose|\$\(/.test(step.command) ? 15 : 0) + Math.min(6, step.command.length / 10);
}
