import { expect, test } from "bun:test";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { runApp } from "../../src/app.ts";
import type { Command } from "../../src/command.ts";
import { commands } from "../../src/commands.ts";
import { durationMs } from "../../src/duration.ts";
import { type FakeWorld, fakeWorld } from "../fake/world.ts";
import { steerableCloud } from "./steer.ts";
import { parsePage, type Part, type Place, splitTyped, type Step, toWords, writePage } from "./page.ts";

/** The topics of `gpu help` are pages too. */
const topics = "../../src/surface/topics";
const pages = [
  ...readdirSync(import.meta.dir, { recursive: true, encoding: "utf8" }),
  ...readdirSync(join(import.meta.dir, topics)).map((file) => join(topics, file)),
].filter((file) => file.endsWith(".md")).toSorted();

interface Played {
  readonly written: string;
  readonly found: string;
  /** Commands whose output was seen. */
  readonly seen: ReadonlySet<string>;
  /** Commands whose `--json` output was seen and fits its schema. */
  readonly seenAsJson: ReadonlySet<string>;
}

const played = new Map<string, Promise<Played>>();

/** Each page is played once, whichever test asks for it first. */
function playOnce(file: string): Promise<Played> {
  const known = played.get(file) ?? playFile(join(import.meta.dir, file));
  played.set(file, known);
  return known;
}

for (const file of pages) {
  test(file, async () => {
    const { written, found } = await playOnce(file);
    if (process.env.UPDATE) await writeFile(join(import.meta.dir, file), found);
    else expect(found).toBe(written);
  });
}

test("every command is on a page, and each one's --json fits its schema", async () => {
  const names = commands.map(({ name }) => name);
  const seen = new Set<string>();
  const seenAsJson = new Set<string>();
  for (const file of pages) {
    const page = await playOnce(file);
    for (const name of page.seen) seen.add(name);
    for (const name of page.seenAsJson) seenAsJson.add(name);
  }
  expect(names.filter((name) => !seen.has(name))).toEqual([]);
  expect(names.filter((name) => !seenAsJson.has(name))).toEqual([]);
});

/** Runs a page in a world of its own. */
async function playFile(path: string): Promise<Played> {
  const written = await readFile(path, "utf8");
  await using fake = await fakeWorld();
  const steerCloud = steerableCloud(fake.cloud);
  const seen = new Set<string>();
  const seenAsJson = new Set<string>();
  const onOutput = ({ command, output, isJson }: Shown) => {
    seen.add(command.name);
    if (!isJson) return;
    seenAsJson.add(command.name);
    checkJson(command, output);
  };
  const parts: Part[] = [];
  for (const part of parsePage(written).parts) {
    parts.push(await playPart(part, { fake, steerCloud, onOutput }));
  }
  return { written, found: writePage({ parts }), seen, seenAsJson };
}

interface Shown {
  readonly command: Command;
  readonly output: unknown;
  readonly isJson: boolean;
}

interface Stage {
  readonly fake: FakeWorld;
  /** Makes the page's cloud fail, or work again. */
  steerCloud(words: readonly string[]): void;
  onOutput(shown: Shown): void;
}

async function playPart(part: Part, stage: Stage): Promise<Part> {
  if (part.kind === "text") return part;
  if (part.kind === "file") {
    if (part.name === "") return part;
    const path = join(stage.fake.world.cwd, part.name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${part.lines.join("\n")}\n`);
    return part;
  }
  const steps: Step[] = [];
  for (const { command } of part.steps) {
    const fromPage = { line: command, on: part.on };
    steps.push({ command, printed: await playStep(fromPage, stage) });
  }
  return { ...part, steps };
}

async function playStep(
  { line, on }: { line: string; on: Place },
  { fake, steerCloud, onOutput }: Stage,
): Promise<string[]> {
  const { command, typed } = splitTyped(line);
  const [called, ...argv] = toWords(command.replace(/^elsewhere /, ""));
  if (called === "sleep") {
    fake.advance(durationMs(argv[0] ?? ""));
    return [];
  }
  if (called === "cloud") {
    steerCloud(argv);
    return [];
  }
  expect(called).toBe("gpu");
  const terminal = fake.openTerminal({ ...on, typed });
  const isJson = argv.includes("--json");
  const exitCode = await runApp(argv, {
    world: { ...(command.startsWith("elsewhere ") ? anotherComputer(fake.world) : fake.world), terminal },
    registry: fake.registry,
    signal: new AbortController().signal,
    version: "0.0.0",
    onOutput: (command, output) => onOutput({ command, output, isJson }),
  });
  const lines = terminal.takeLines().map((line) => fake.settle(line));
  return exitCode === 0 ? lines : [...lines, `[exit ${exitCode}]`];
}

/** `elsewhere gpu …`: the same clouds and the same configuration, another journal and another key. */
function anotherComputer(world: FakeWorld["world"]): FakeWorld["world"] {
  return { ...world, folders: { ...world.folders, state: `${world.folders.state}-elsewhere` } };
}

/** What a program reads is the text, so it is the text that must fit. */
function checkJson(command: Command, output: unknown): void {
  const text = JSON.stringify(output);
  // A recipe has printed its own result already.
  if (text === undefined) return;
  expect(command.output.safeParse(JSON.parse(text)).error?.message).toBeUndefined();
}
