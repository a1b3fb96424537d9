// The only file that touches `process`: argv, environment, signals and closed pipes come in, the exit code goes out.
import { basename } from "node:path";
import process from "node:process";
import packageJson from "../package.json" with { type: "json" };
import type { EndOrders } from "./agent/options.ts";
import { ClosedPipe, type EndSignal, exitCodes, InterruptedError } from "./errors.ts";
import type { World } from "./world.ts";

// A recipe may replace `process.exit` for its own time; this is the one that ends.
const exit = process.exit.bind(process);

async function main(): Promise<void> {
  // A recipe may wait for something that nothing will ever do; the process must then stay, to clean up when it is told to end.
  setInterval(() => {}, 2 ** 30);
  const argv = process.argv.slice(2);
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    process.stdout.write(`gpu ${packageJson.version}\n`);
    exit(exitCodes.done);
  }
  // What draws prompts asks the environment.
  if (argv.includes("--no-color") && !argv.slice(0, argv.indexOf("--no-color")).includes("--")) {
    process.env.NO_COLOR = "1";
  }
  const { outside } = await import("./outside.ts");
  if (!isThere()) {
    process.stderr.write("error: the current folder does not exist any more\nhint: `cd` to one that does\n");
    exit(exitCodes.failed);
  }
  const ending = new AbortController();
  let isPipeClosed = false;
  const world = outside(process, {
    onClosedPipe: () => {
      isPipeClosed = true;
      ending.abort(new ClosedPipe());
    },
  });
  const exitCode = await startRole(argv, world, ending) ?? await startCommand(argv, world, ending);
  exit(isPipeClosed ? exitCodes.done : exitCode);
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
  if (role !== ":background" && role !== "agent") return undefined;
  trapAll(ending);
  if (role === "agent") {
    return import("./agent/agent.ts").then(({ runAgentProcess }) =>
      runAgentProcess(rest, world, { signal, endThrough })
    );
  }
  return import("./background/process.ts").then(({ runBackground }) => runBackground(world, { signal, isAlone: true }));
}

async function endThrough(world: World, how: EndOrders): Promise<"accepted" | "gone" | "not-yet"> {
  return await (await import("./rent/agent-end.ts")).endThroughProvider(world, how);
}

async function startCommand(argv: readonly string[], world: World, ending: AbortController): Promise<number> {
  trapAll(ending);
  const { runApp } = await import("./app.ts");
  return await runApp([...calledAs(), ...argv], { world, signal: ending.signal, version: packageJson.version });
}

function trapAll(ending: AbortController): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) trap(signal, ending);
}

/** The first signal ends the work in order, the second says that it is ending, the third ends it at once. */
function trap(signal: EndSignal, ending: AbortController): void {
  let count = 0;
  process.on(signal, () => {
    count += 1;
    if (count === 1) ending.abort(new InterruptedError(signal));
    if (count === 2) {
      process.stderr.write(
        "\nstill giving back what was rented; once more ends gpu at once, `gpu stop --all` then finishes it\n",
      );
    }
    if (count === 3) exit(new InterruptedError(signal).exitCode);
  });
}

/** The executable also answers to `ci`, when it is called by that name. */
function calledAs(): readonly string[] {
  return basename(process.argv0, ".exe") === "ci" ? ["ci"] : [];
}

void main();
