// Checks everything, section by section, and goes on after one that fails. Arguments name the sections to run.
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { denoPath, root } from "./toolchain.ts";

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
  { name: "types", run: () => check([denoPath(), "check", "src", "scripts", "test", "recipes"]) },
  { name: "generated", run: () => check([process.execPath, "scripts/docs.ts", "--check"]) },
];
const testFolders: Section[] = ["unit", "transcripts", "interop", "binary"].map((name) => ({
  name,
  run: () => testFolder(name),
}));

const sections = [...staticChecks, ...testFolders];
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !sections.some((section) => section.name === name));
if (unknown.length > 0) {
  console.error(
    `there is no section \`${unknown.join(", ")}\`; there are: ${sections.map(({ name }) => name).join(", ")}`,
  );
  process.exit(2);
}

const scratch = mkdtempSync(join(tmpdir(), "gpu-test-"));
const environment = testEnvironment();
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(130));

// The static checks share the processors; tests that start processes and watch the clock have them for themselves.
const isWanted = ({ name }: Section) => wanted.length === 0 || wanted.includes(name);
const counts = await Promise.all(staticChecks.filter(isWanted).map(report));
for (const section of testFolders.filter(isWanted)) counts.push(await report(section));

const total = counts.reduce(add);
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed > 0 ? 1 : 0);

async function report({ name, run }: Section): Promise<Counts> {
  const startedAt = performance.now();
  const outcome = await run();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (outcome.failed > 0) console.log(outcome.output.trimEnd());
  const details = outcome.skipped > 0 ? `, ${outcome.skipped} skipped` : "";
  console.log(`${name.padEnd(12)} ${outcome.passed} passed, ${outcome.failed} failed${details}  ${seconds} s`);
  return outcome;
}

/** A command that is one check: passed when it exits with 0. */
async function check(command: string[], hint = ""): Promise<Outcome> {
  const { code, output } = await runCommand(command);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, output: output + hint };
}

async function testFolder(name: string): Promise<Outcome> {
  const folder = `test/${name}`;
  if (globSync(`${folder}/**/*.test.ts`, { cwd: root }).length === 0) {
    return { passed: 0, failed: 1, skipped: 0, output: `there is no test in ${folder}` };
  }
  const junitPath = join(scratch, `${name}.xml`);
  const isolation = [`--config=${emptyBunfig()}`, "--no-env-file", "--no-orphans"];
  const reporter = ["--reporter=junit", `--reporter-outfile=${junitPath}`];
  const { code, output } = await runCommand([
    process.execPath,
    ...isolation,
    "test",
    "--timeout=60000",
    "--max-concurrency=4",
    ...reporter,
    `./${folder}`,
  ]);
  const counted = existsSync(junitPath) ? countJunit(readFileSync(junitPath, "utf8")) : noCounts;
  // A file that does not load, or a crash, fails without a failed test case.
  const unseen = code !== 0 && counted.failed === 0 ? 1 : 0;
  const missing = name === "interop" ? missingSshServer() : [];
  return {
    ...counted,
    failed: counted.failed + unseen + missing.length,
    output: [output, ...missing].join("\n"),
  };
}

/** Interop tests skip themselves where there is no SSH server; in CI that must not go unnoticed. */
function missingSshServer(): string[] {
  const isThere = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/opt/homebrew/sbin/sshd"].some((path) =>
    existsSync(path)
  );
  return inCi && !isThere ? ["there is no sshd: `apt-get install openssh-server`"] : [];
}

function countJunit(xml: string): Counts {
  const [suites = ""] = xml.match(/<testsuites [^>]*>/) ?? [];
  const number = (name: string) => Number(suites.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - number("skipped"), failed, skipped: number("skipped") };
}

const noCounts: Counts = { passed: 0, failed: 0, skipped: 0 };

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
    NO_COLOR: "1",
    DENO_DIR: join(root, ".toolchain/deno"),
    DENO_NO_UPDATE_CHECK: "1",
  };
}
