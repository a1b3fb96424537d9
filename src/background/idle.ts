import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { childEnvironment } from "../env.ts";
import { messageOf } from "../errors.ts";
import type { World } from "../world.ts";
import { providerVariables } from "./keys.ts";

export interface IdleWatchOptions {
  readonly world: Pick<World, "clock" | "env" | "folders" | "self" | "spawn">;
  /** How many instances there are that may have to be asked. */
  instanceCount(): number;
  /** Called when something was asked, which takes memory that is not needed until the next time. */
  onAsked(): void;
  log(text: string): void;
}

/** What the process that asks prints. */
const Look = z.object({ nextMs: z.number().nullable(), unanswered: z.number() });
type Look = z.output<typeof Look>;

/** How often it is looked whether there is something to ask, and whether that is due: a computer may sleep meanwhile. */
const tickMs = 30_000;
const soonestMs = 60_000;
/** Where nobody answers it is asked less and less often; where nothing is to be asked, the configuration may change. */
const longestMs = 15 * 60_000;
/** An instance that is in use is asked so often all the same: the rule may change. */
const usedMs = 60 * 60_000;
/** How long the process that asks may take. */
const patienceMs = 60_000;

/**
 * Has idle instances found, where the configuration says that they are to be stopped. What asks them is a process that
 * lives for a moment: with an SSH client in it this one would be twice as large for as long as it watches.
 */
export function watchIdleness(options: IdleWatchOptions): Disposable {
  const { world: { clock, folders }, instanceCount, onAsked, log } = options;
  const over = new AbortController();
  const run = async () => {
    let dueAt = 0;
    let failures = 0;
    while (!over.signal.aborted) {
      if (clock.now() >= dueAt && instanceCount() > 0 && mentionsIdleness(folders.config)) {
        const look = await ask(options, over.signal).catch((error: unknown) => {
          if (!over.signal.aborted) log(`idle instances could not be looked for: ${messageOf(error)}`);
          return undefined;
        });
        failures = look === undefined || look.unanswered > 0 ? failures + 1 : 0;
        dueAt = clock.now() + pauseAfter(look, failures);
        onAsked();
      }
      await clock.sleep(tickMs, over.signal).catch(() => {});
    }
  };
  void run();
  return { [Symbol.dispose]: () => over.abort(new Error("nothing is watched any more")) };
}

function pauseAfter(look: Look | undefined, failures: number): number {
  const again = Math.min(longestMs, soonestMs * 2 ** (failures - 1));
  const next = Math.min(look?.nextMs ?? (failures > 0 ? again : longestMs), usedMs);
  return Math.max(soonestMs, failures > 0 ? Math.min(next, again) : next);
}

/** A look into the text costs nothing; what it means is read by the process that asks. */
function mentionsIdleness(configFolder: string): boolean {
  try {
    return /\bidle\b/.test(readFileSync(join(configFolder, "config.yaml"), "utf8"));
  } catch {
    return false;
  }
}

/** Starts the process that asks, and reads what it found. */
async function ask(
  { world: { clock, env, folders, self, spawn } }: IdleWatchOptions,
  signal: AbortSignal,
): Promise<Look> {
  // A file, not a pipe: streams would stay in the memory of this process.
  const path = join(folders.state, "idle.json");
  const output = openSync(path, "w", 0o600);
  const child = startAsking(() =>
    spawn([...self, ":idle"], {
      cwd: folders.state,
      env: childEnvironment(env, Object.fromEntries(providerVariables.map((name) => [name, undefined]))),
      stdin: "ignore",
      stdout: output,
      stderr: "ignore",
    }), output);
  const ended = new AbortController();
  const end = () => void child.kill("SIGKILL");
  signal.addEventListener("abort", end, { once: true });
  clock.sleep(patienceMs, ended.signal).then(end, () => {});
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (exitCode !== 0) throw new Error(`who asks ended with ${exitCode ?? "a signal"}`);
    return Look.parse(JSON.parse(readFileSync(path, "utf8")));
  } finally {
    ended.abort();
    signal.removeEventListener("abort", end);
    rmSync(path, { force: true });
  }
}

/** The child has the file open itself from then on. */
function startAsking<T>(start: () => T, output: number): T {
  try {
    return start();
  } finally {
    closeSync(output);
  }
}
