// The only file that touches `process`: argv, environment, signals and closed pipes come in, the exit code goes out.
import { fstatSync, writeSync } from "node:fs";
import { basename, isAbsolute } from "node:path";
import process from "node:process";
import packageJson from "../package.json" with { type: "json" };
import type { EndOrders } from "./agent/options.ts";
import { ClosedPipe, type EndSignal, exitCodes, InterruptedError, messageOf, systemCode } from "./errors.ts";
import type { World } from "./world.ts";

// A recipe may replace `process.exit` for its own time; this is the one that ends.
const exit = process.exit.bind(process);

async function main(): Promise<void> {
  // A recipe may wait for something that nothing will ever do; the process must then stay, to clean up when it is told to end.
  setInterval(() => {}, 2 ** 30);
  if (process.argv[2] === ":run") await takeWords();
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    exit(sayVersion());
  }
  // What draws prompts asks the environment.
  if (argv.includes("--no-color") && !argv.slice(0, argv.indexOf("--no-color")).includes("--")) {
    process.env.NO_COLOR = "1";
  }
  if (!isThere()) {
    process.stderr.write("error: the current folder does not exist any more\nhint: `cd` to one that does\n");
    exit(exitCodes.failed);
  }
  const { HOME } = process.env;
  if (HOME && !isAbsolute(HOME)) {
    // Everything would be looked for, and rented things forgotten, below whatever folder is the current one.
    process.stderr.write(
      `error: \`HOME\` is ${JSON.stringify(HOME)}, which is no absolute path\nhint: set it to your home folder\n`,
    );
    exit(exitCodes.usage);
  }
  const ending = new AbortController();
  const shortcut = !isCalledCi() && argv[0] === "exec" ? await tryShortcut(argv, ending) : undefined;
  if (shortcut !== undefined) exit(shortcut);
  const { outside } = await import("./outside.ts");
  let isPipeClosed = false;
  const world = outside(process, {
    onClosedPipe: () => {
      isPipeClosed = true;
      ending.abort(new ClosedPipe());
    },
  });
  leaveOutRelativeCache(world, argv);
  const exitCode = await startRole(argv, world, ending) ?? await startCommand(argv, world, ending);
  exit(isPipeClosed ? exitCodes.done : exitCode);
}

/** Past the streams of the process, which take longer to load than all that this needs. */
function sayVersion(): number {
  try {
    writeSync(1, `gpu ${packageJson.version}\n`);
    return exitCodes.done;
  } catch (error) {
    if (systemCode(error) === "EPIPE") return exitCodes.done;
    process.stderr.write(`error: cannot write the output: ${messageOf(error)}\n`);
    return exitCodes.failed;
  }
}

/** The words of a run that another `gpu` started come through stdin, since every user can read a command line. */
async function takeWords(): Promise<void> {
  const words: unknown = JSON.parse(await Bun.stdin.text() || "[]");
  process.argv.splice(2, Infinity, ...(Array.isArray(words) ? words.map(String) : []));
}

/**
 * Bun keeps what it made of large modules in a folder below these, and where one is empty or relative, in the current one:
 * whoever wrote that would say what runs. It reads what the process began with, so the process begins anew without them.
 */
function leaveOutRelativeCache(world: World, argv: readonly string[]): void {
  const unusable = ["HOME", "XDG_CACHE_HOME"].filter((name) => !isAbsolute(process.env[name] ?? "/"));
  if (unusable.length === 0 || process.platform === "win32") return;
  const kept = Object.entries(process.env).filter(([name]) => !unusable.includes(name));
  process.execve?.(process.execPath, [process.argv0, ...world.self.slice(1), ...argv], Object.fromEntries(kept));
}

function isThere(): boolean {
  try {
    return process.cwd() !== "";
  } catch {
    return false;
  }
}

/** Processes that `gpu` starts of itself are told by their first word; nobody types these. */
function startRole(
  [role, ...rest]: readonly string[],
  world: World,
  ending: AbortController,
): Promise<number> | undefined {
  const { signal } = ending;
  if (role === ":machine") {
    return import("./provider/local/machine.ts").then(({ runMachine }) => runMachine(rest[0] ?? "", world));
  }
  if (role !== ":background" && role !== ":idle" && role !== ":ci-job" && role !== "agent") return undefined;
  trapAll(ending);
  if (role === ":ci-job") {
    return import("./ci/runner/job-main.ts").then(({ runJobProcess }) => runJobProcess(rest[0] ?? "", world, signal));
  }
  if (role === ":idle") return import("./idle-look.ts").then(({ runIdleLook }) => runIdleLook(world, signal));
  if (role === "agent") {
    if (rest.includes("--local")) endWithStdin(ending);
    return import("./agent/agent.ts").then(({ runAgentProcess }) =>
      runAgentProcess(rest, world, { signal, endThrough })
    );
  }
  outliveBugs();
  return Promise.all([import("./background/process.ts"), import("./hosted.ts")]).then((
    [{ runBackground }, { hosted }],
  ) => runBackground(world, { signal, isAlone: true, hosted }));
}

/** A local machine holds the other end of its agent's stdin. Whoever starts one by hand gives it a terminal, or nothing. */
function endWithStdin(ending: AbortController): void {
  const stats = fstatSync(0);
  if (!stats.isFIFO() && !stats.isSocket()) return;
  process.stdin.once("end", () => ending.abort(new InterruptedError("SIGHUP"))).once("error", () => {}).resume();
}

/** The background process holds leases and tunnels: a bug in what it does for one command must not end them all. */
function outliveBugs(): void {
  // Its stderr is its log.
  const say = (error: unknown) =>
    void process.stderr.write(`a bug: ${error instanceof Error ? error.stack ?? error.message : String(error)}\n`);
  process.on("unhandledRejection", say);
  process.on("uncaughtException", say);
}

async function endThrough(world: World, how: EndOrders): Promise<"accepted" | "gone" | "not-yet"> {
  return await (await import("./rent/agent-end.ts")).endThroughProvider(world, how);
}

/** A command over a session that is shared already needs next to nothing of this executable. */
async function tryShortcut(argv: readonly string[], ending: AbortController): Promise<number | undefined> {
  const { mayBeShared, takeShortcut } = await import("./shortcut.ts");
  if (!mayBeShared(argv, process.env)) return undefined;
  trapAll(ending);
  return await takeShortcut(process, argv, ending.signal);
}

async function startCommand(argv: readonly string[], world: World, ending: AbortController): Promise<number> {
  trapAll(ending);
  const { runApp } = await import("./app.ts");
  return await runApp(isCalledCi() ? ciWords(argv) : argv, {
    world,
    signal: ending.signal,
    version: packageJson.version,
  });
}

let isTrapping = false;

function trapAll(ending: AbortController): void {
  if (isTrapping) return;
  isTrapping = true;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) trap(signal, ending);
}

/**
 * The first signal ends the work in order, the second says that it is ending, the third ends it at once. A command that
 * rents nothing has nothing to give back: there the second ends it.
 */
function trap(signal: EndSignal, ending: AbortController): void {
  const rentsNothing = process.argv.slice(2).find((word) => !word.startsWith("-")) === "exec";
  let count = 0;
  process.on(signal, () => {
    const { reason } = ending.signal;
    const onAgain = reason instanceof InterruptedError ? reason.onAgain : undefined;
    count += rentsNothing && count === 1 ? 2 : 1;
    if (onAgain && count < 3) return onAgain();
    if (count === 1) ending.abort(new InterruptedError(signal));
    if (count === 2) {
      process.stderr.write(
        "\nstill giving back what was rented; once more ends gpu at once, `gpu stop --all` then finishes it\n",
      );
    }
    if (count === 3) exit(isCi() ? exitCodes.interrupted : new InterruptedError(signal).exitCode);
  });
}

/** The executable also answers to `ci`, when it is called by that name; by any other, as `gpu-session`, it is `gpu`. */
function isCalledCi(): boolean {
  return basename(process.argv0, ".exe") === "ci";
}

/** Scripts know four exit codes of `ci` commands, and 143 is none of them. */
function isCi(): boolean {
  return isCalledCi() || process.argv.slice(2).find((word) => !word.startsWith("-")) === "ci";
}

/** `ci list` is `gpu ci list`, and what stands in front of commands stays in front. */
function ciWords(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv;
  if (first === "help") return ["help", "ci", ...rest];
  if (first === "complete") return ["complete", "--", "ci", ...(rest[0] === "--" ? rest.slice(1) : rest)];
  return first === "version" && rest.length === 0 ? argv : ["ci", ...argv];
}

void main();
