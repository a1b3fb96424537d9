import type { ChildProcess } from "node:child_process";
import { statSync } from "node:fs";
import type { Context } from "../command.ts";
import { exitCodes, InterruptedError, UsageError } from "../errors.ts";
import { sendSignal, signalExitCode } from "../processes.ts";
import { shortPath } from "./frames.ts";
import { collectSources } from "./imports.ts";
import { requestWords } from "./request-words.ts";
import type { Started } from "./start.ts";

/** How often the files are looked at, in milliseconds; a change counts when it has lasted for one look. */
const lookMs = 250;

/** Runs a recipe, and again whenever it or what it imports changes. The run before is ended first, and gives back what it rented. */
export async function watchRecipe(context: Context, { file, request }: Started): Promise<number> {
  const { world, signal, note } = context;
  if (request.detach) throw new UsageError("`--watch` and `--detach` contradict each other");
  const words = requestWords({ request: { ...request, watch: false }, globals: context.globals });
  for (;;) {
    const before = stampsOf(file.path);
    const run = start(context, words);
    const changed = await changeOf(context, { before, path: file.path, run });
    if (changed === undefined) return await endOf(context, run);
    note(
      `${shortPath(changed, world.cwd)} has changed: ${
        run.exitCode === undefined ? "ending the run, then " : ""
      }running it again`,
    );
    if (run.exitCode === undefined) tell(run.child, "SIGINT");
    await run.ended;
    if (signal.aborted) return await endOf(context, run);
  }
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  exitCode: number | undefined;
}

function start({ world }: Context, words: readonly string[]): Running {
  const child = world.spawn([...world.self, ...words], {
    ...{ cwd: world.cwd, env: world.env, stdin: "inherit", stdout: "inherit", stderr: "inherit" },
  });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const run: Running = { child, ended, exitCode: undefined };
  const onEnd = (exitCode: number) => {
    run.exitCode ??= exitCode;
    resolve();
  };
  child.once("error", () => onEnd(exitCodes.failed));
  child.once("exit", (code, name) => onEnd(code ?? signalExitCode(name ?? "")));
  return run;
}

/** The file that changed; undefined where the person ends it all. */
async function changeOf(
  { world, signal, note }: Context,
  { before, path, run }: { before: Stamps; path: string; run: Running },
): Promise<string | undefined> {
  let isSaid = false;
  for (;;) {
    const wait = world.clock.sleep(lookMs, signal).then(() => true, () => false);
    if (!await wait) return undefined;
    if (run.exitCode !== undefined && !isSaid) {
      isSaid = true;
      const count = before.size;
      note(
        `it ended with ${run.exitCode}; it is run again when ${
          count === 1 ? "its file changes" : `one of ${count} files changes`
        }`,
      );
    }
    const changed = differing(before, stampsOf(path));
    if (changed === undefined) continue;
    // An editor may write in several steps.
    const settled = stampsOf(path);
    await world.clock.sleep(lookMs, signal).catch(() => {});
    if (signal.aborted) return undefined;
    if (differing(settled, stampsOf(path)) === undefined) return changed;
  }
}

/** Ctrl-C reaches all that is on the terminal; elsewhere, and with other signals, the run is told. */
async function endOf({ world, signal }: Context, run: Running): Promise<number> {
  const { reason } = signal;
  const name = reason instanceof InterruptedError ? reason.signal : "SIGTERM";
  if (run.exitCode === undefined && (name !== "SIGINT" || !world.terminal.stdin.isTTY)) tell(run.child, name);
  await run.ended;
  return reason instanceof InterruptedError ? reason.exitCode : run.exitCode ?? exitCodes.failed;
}

function tell({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid !== undefined) sendSignal(pid, name);
}

type Stamps = ReadonlyMap<string, string>;

function stampsOf(path: string): Stamps {
  const { files } = collectSources(path);
  const stamps = files.map(({ path: file }) => {
    const found = statSync(file, { throwIfNoEntry: false });
    return [file, `${found?.mtimeMs} ${found?.size}`] as const;
  });
  // The recipe itself may be gone for the moment that an editor needs.
  return new Map([[path, "gone"], ...stamps]);
}

function differing(before: Stamps, now: Stamps): string | undefined {
  return [...now].find(([file, stamp]) => before.get(file) !== stamp && stamp !== "gone")?.[0];
}
