import { expect, test } from "bun:test";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { runApp } from "../../src/app.ts";
import type { Command } from "../../src/command.ts";
import { commands } from "../../src/commands.ts";
import { durationMs } from "../../src/duration.ts";
import { type FakeWorld, fakeWorld } from "../fake/world.ts";
import { type Page, parsePage, type Part, type Step, toWords, writePage } from "./page.ts";

const pages = readdirSync(import.meta.dir).filter((file) => file.endsWith(".md")).toSorted();
/** Commands whose `--json` output was seen and fits its schema. */
const seenAsJson = new Set<string>();
const seen = new Set<string>();

for (const file of pages) {
  test(file, async () => {
    const path = join(import.meta.dir, file);
    const written = await readFile(path, "utf8");
    const found = writePage(await play(parsePage(written)));
    if (process.env.UPDATE) await writeFile(path, found);
    else expect(found).toBe(written);
  });
}

test("every command is on a page, and each one's --json fits its schema", () => {
  const names = commands.map(({ name }) => name);
  expect(names.filter((name) => !seen.has(name))).toEqual([]);
  expect(names.filter((name) => !seenAsJson.has(name))).toEqual([]);
});

/** Runs a page in a world of its own and returns it as it should be. */
async function play(page: Page): Promise<Page> {
  await using fake = await fakeWorld();
  const parts: Part[] = [];
  for (const part of page.parts) parts.push(await playPart(part, fake));
  return { parts };
}

async function playPart(part: Part, fake: FakeWorld): Promise<Part> {
  if (part.kind === "text") return part;
  if (part.kind === "file") {
    if (part.name === "") return part;
    const path = join(fake.world.cwd, part.name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${part.lines.join("\n")}\n`);
    return part;
  }
  const steps: Step[] = [];
  for (const { command } of part.steps) steps.push({ command, printed: await playStep(command, part.isTTY, fake) });
  return { ...part, steps };
}

async function playStep(command: string, isTTY: boolean, fake: FakeWorld): Promise<string[]> {
  const [called, ...argv] = toWords(command);
  if (called === "sleep") {
    fake.advance(durationMs(argv[0] ?? ""));
    return [];
  }
  expect(called).toBe("gpu");
  const terminal = fake.openTerminal({ isTTY });
  const isJson = argv.includes("--json");
  const exitCode = await runApp(argv, {
    world: { ...fake.world, terminal },
    registry: fake.registry,
    signal: new AbortController().signal,
    version: "0.0.0",
    onOutput: (command, output) => check(command, output, isJson),
  });
  const lines = terminal.takeLines().map((line) => fake.hidePaths(line));
  return exitCode === 0 ? lines : [...lines, `[exit ${exitCode}]`];
}

function check(command: Command, output: unknown, isJson: boolean): void {
  seen.add(command.name);
  if (!isJson) return;
  seenAsJson.add(command.name);
  // What a program reads is the text, so it is the text that must fit. A recipe has printed its own result already.
  const text = JSON.stringify(output);
  if (text === undefined) return;
  expect(command.output.safeParse(JSON.parse(text)).error?.message).toBeUndefined();
}
