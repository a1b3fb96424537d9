// Checks everything, section by section, and goes on after one that fails. Arguments name the sections to run.
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { denoPath, root } from "./toolchain.ts";
import { processesOf, type Trace } from "./traces.ts";

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Outcome extends Counts {
  /** Shown when the section has a failure. */
  readonly output: string;
}

interface Section {
  readonly name: string;
  run(): Promise<Outcome>;
}

const inCi = process.env.CI === "true";

const staticChecks: Section[] = [
  { name: "format", run: () => check([denoPath(), "fmt", "--check"], `to mend it: ${denoPath()} fmt`) },
  { name: "lint", run: () => check([denoPath(), "lint"]) },
  { name: "types", run: () => check([denoPath(), "check", "--quiet", "src", "scripts", "test", "recipes"]) },
  { name: "generated", run: () => check([process.execPath, "scripts/docs.ts", "--check"]) },
];
/** Tests of some folders wait more than they work, so that several processes share them. */
const shardsOf: Readonly<Record<string, number>> = { unit: 2, system: 2, interop: 3, binary: 2 };
const folders = ["unit", "types", "transcripts", "system", "interop", "compared", "binary"];
const testFolders: Section[] = folders.map((folder) => ({
  // `types` is the check of our own.
  name: folder === "types" ? "recipe-types" : folder,
  run: () => testFolder(folder),
}));
/** Fewer runs than `scripts/torture` has by itself. */
const torture: Section = {
  name: "torture",
  run: () => check([process.execPath, "scripts/torture.ts", "--runs", "20", "--homes", "4"]),
};

/** The main job on this repository itself, whose unit tests must pass on a machine as well as here. */
const demo: Section = { name: "demo", run: () => check([process.execPath, "scripts/demo.ts"]) };

const sections = [...staticChecks, ...testFolders, demo, torture];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !sections.some((section) => section.name === name));
if (unknown.length > 0) {
  console.error(
    `there is no section \`${unknown.join(", ")}\`; there are: ${sections.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}

const scratch = mkdtempSync(join(tmpdir(), "gpu-test-"));
// Everything that a test makes for a while is in here. The name is short: a socket's path may have 104 bytes.
const temporary = join(scratch, "t");
mkdirSync(temporary);
// Some tests have another user look at what they made.
for (const folder of [scratch, temporary]) chmodSync(folder, 0o711);
const environment = testEnvironment();
process.on("exit", () => {
  endAll(processesOf(scratch));
  rmSync(scratch, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

// The static checks share the processors; tests that start processes and watch the clock have them for themselves.
const isWanted = ({ name }: Pick<Section, "name">) => wanted.length === 0 || wanted.includes(name);
printRow("section", "passed", "failed", "skipped", "seconds");
const startedAt = performance.now();
// What tests take as given is made beside the static checks.
const [counts] = await Promise.all([Promise.all(staticChecks.filter(isWanted).map(report)), makeReady()]);
for (const section of testFolders.filter(isWanted)) counts.push(await report(section));
// Both mostly wait for machines to come and go.
counts.push(...await Promise.all([demo, torture].filter(isWanted).map(report)));

const total = counts.reduce(add);
printCounts("all", total, startedAt);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed > 0 ? 1 : 0);

/** The types that recipes are checked against, and the executable where it is run. */
async function makeReady(): Promise<void> {
  const wantsExecutable = ["compared", "binary", "demo", "torture"].some((name) => isWanted({ name }));
  if (!wantsExecutable && !testFolders.some(isWanted)) return;
  const { code, output } = await runCommand([process.execPath, `scripts/${wantsExecutable ? "build" : "types"}.ts`]);
  if (code !== 0) throw new Error(output);
}

async function report({ name, run }: Section): Promise<Counts> {
  const startedAt = performance.now();
  const outcome = await run();
  if (outcome.failed > 0 || outcome.skipped > 0) console.log(outcome.output.trimEnd());
  printCounts(name, outcome, startedAt);
  return outcome;
}

function printCounts(name: string, { passed, failed, skipped }: Counts, startedAt: number): void {
  printRow(name, passed, failed, skipped, ((performance.now() - startedAt) / 1000).toFixed(1));
}

function printRow(name: string, ...numbers: readonly (string | number)[]): void {
  console.log(name.padEnd(12) + numbers.map((number) => String(number).padStart(9)).join(""));
}

/** A command that is one check: passed when it exits with 0. */
async function check(command: string[], hint = ""): Promise<Outcome> {
  const { code, output } = await runCommand(command);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, output: output + hint };
}

/** Runs the tests of a folder, and looks for what they left behind. */
async function testFolder(name: string): Promise<Outcome> {
  const before = untracked();
  const folder = `test/${name}`;
  const files = globSync(`${folder}/**/*.test.ts`, { cwd: root }).toSorted();
  if (files.length === 0) {
    return { passed: 0, failed: 1, skipped: 0, output: `there is no test in ${folder}` };
  }
  const missing = name === "interop" ? missingPrograms() : [];
  if (missing.length > 0) {
    const output = `skipped: there is no ${
      missing.join(", no ")
    }: \`apt-get install openssh-server openssh-client make\``;
    return refuseSkipped({ passed: 0, failed: 0, skipped: 1, output });
  }
  const shards = shardsOf[name] ?? 1;
  const runs = await Promise.all(
    Array.from({ length: shards }, (_, shard) => runTests(name, files.filter((_, at) => at % shards === shard))),
  );
  const left = await whatIsLeft(before);
  const counted = runs.reduce((sum, run) => add(sum, run), { passed: 0, failed: left.length, skipped: 0 });
  return refuseSkipped({
    ...counted,
    output: [...runs.map(({ output }) => output), ...left].filter((text) => text !== "").join("\n"),
  });
}

/** Runs files of a folder in a process of their own. */
async function runTests(name: string, files: readonly string[]): Promise<Outcome> {
  const junitPath = join(mkdtempSync(join(scratch, "report-")), `${name}.xml`);
  // Not `--no-orphans`: it would end in silence what the tests left behind.
  const isolation = [`--config=${emptyBunfig()}`, "--no-env-file"];
  const reporter = ["--reporter=junit", `--reporter-outfile=${junitPath}`];
  const { code, output } = await runCommand([
    process.execPath,
    ...isolation,
    "test",
    "--timeout=60000",
    "--max-concurrency=4",
    ...reporter,
    ...files.map((file) => `./${file}`),
  ]);
  const xml = existsSync(junitPath) ? readFileSync(junitPath, "utf8") : "";
  const counted = countJunit(xml);
  // A file that does not load, or a crash, fails without a failed test case.
  const unseen = code !== 0 && counted.failed === 0 ? 1 : 0;
  return {
    ...counted,
    failed: counted.failed + unseen,
    output: [code === 0 ? "" : withoutPassed(output), ...skippedTests(xml)].filter((text) => text !== "").join("\n"),
  };
}

/** What is skipped on somebody's computer must run in CI, or nobody would notice that it never does. */
function refuseSkipped({ skipped, failed, ...outcome }: Outcome): Outcome {
  return inCi ? { ...outcome, skipped: 0, failed: failed + skipped } : { ...outcome, skipped, failed };
}

/** Programs of OpenSSH and others that the interop tests talk to. */
function missingPrograms(): string[] {
  const folders = `${process.env.PATH}:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin`;
  return ["sshd", "ssh", "ssh-keygen", "scp", "sftp", "make"].filter((name) =>
    Bun.which(name, { PATH: folders }) === null
  );
}

/** Processes and folders that the tests of a section left behind, each a failure, and removed unless in this repository. */
async function whatIsLeft(before: ReadonlySet<string>): Promise<string[]> {
  const ownPath = (path: string) => join(temporary, path);
  // What was told to end may need a moment.
  for (let round = 0; round < 100 && processesOf(temporary).length > 0; round++) await Bun.sleep(20);
  const processes = processesOf(temporary);
  endAll(processes);
  const folders = readdirSync(temporary);
  for (const name of folders) rmSync(ownPath(name), { recursive: true, force: true });
  return [
    ...processes.map(({ pid, command }) => `left behind: process ${pid}, \`${command}\``),
    ...folders.map((name) => `left behind: ${ownPath(name)}`),
    ...[...untracked().difference(before)].map((path) => `left behind: ${join(root, path)}`),
  ];
}

/** What is in this repository and in no commit; nothing where git knows of none. */
function untracked(): Set<string> {
  const { stdout } = spawnSync("git", ["status", "--porcelain", "--untracked-files=all"], {
    cwd: root,
    encoding: "utf8",
  });
  return new Set((stdout ?? "").split("\n").filter((line) => line.startsWith("?? ")).map((line) => line.slice(3)));
}

function endAll(processes: readonly Trace[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

function countJunit(xml: string): Counts {
  const [suites = ""] = xml.match(/<testsuites [^>]*>/) ?? [];
  const number = (name: string) => Number(suites.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - number("skipped"), failed, skipped: number("skipped") };
}

/** Bun's output with what is worth reading. */
function withoutPassed(output: string): string {
  return output.split("\n").filter((line) => !line.startsWith("(pass)")).join("\n").replaceAll(/\n{3,}/g, "\n\n");
}

function skippedTests(xml: string): string[] {
  const found = xml.matchAll(/<testcase name="([^"]*)"[^>]*>\s*<skipped/g);
  return [...found].map(([, name]) => `skipped: ${name}`);
}

function add(left: Counts, right: Counts): Counts {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
  };
}

function runCommand(command: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const [file = "", ...rest] = command;
    const child = spawn(file, rest, { cwd: root, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const done = (code: number, more = "") => resolve({ code, output: Buffer.concat(chunks).toString() + more });
    child.on("error", (error) => done(1, error.message));
    // `exit`, not `close`: a process that a test left behind must not keep the section open.
    child.on("exit", (code) => setImmediate(done, code ?? 1));
  });
}

function emptyBunfig(): string {
  const path = join(scratch, "bunfig.toml");
  writeFileSync(path, "");
  return path;
}

/** A HOME of its own and nothing of the developer's that changes what `gpu` or Bun do. */
function testEnvironment(): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) =>
    !/^(GPU_|CI_|XDG_|BUN_|SSH_|DENO_|FORCE_COLOR)/.test(name)
  );
  return {
    ...Object.fromEntries(kept),
    HOME: mkdtempSync(join(scratch, "home-")),
    TMPDIR: temporary,
    NO_COLOR: "1",
    DENO_DIR: join(root, ".toolchain/deno"),
    DENO_NO_UPDATE_CHECK: "1",
    NODE_DISABLE_COMPILE_CACHE: "1",
  };
}
