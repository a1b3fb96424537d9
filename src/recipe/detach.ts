import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";
import { makePrivateFolder, readTextIfThere } from "../files.ts";
import { logPath, runsFolder } from "../runs/store.ts";
import { startPrivately } from "./own-process.ts";
import { requestWords } from "./request-words.ts";
import type { Started } from "./start.ts";

/** How often it is looked whether the run has begun, in milliseconds. */
const pollMs = 20;

/** Starts a run in a process of its own that outlives this one and its terminal. Resolves with its id once it has begun. */
export async function runDetached(context: Context, { file, request }: Started): Promise<string> {
  const { world, globals, signal, note } = context;
  if (request.dryRun) {
    throw new UsageError("`--dry-run` and `--detach` contradict each other", { hint: "a plan is there at once" });
  }
  const id = Buffer.from(world.random(6)).toString("hex");
  await makePrivateFolder(runsFolder(world));
  const said = join(runsFolder(world), `${id}.said`);
  const stderr = openSync(said, "w", 0o600);
  const words = requestWords({
    // Its types were checked a moment ago.
    request: { ...request, asRun: id, check: false, detach: false },
    globals: { ...globals, json: false, color: false },
  });
  // The same environment: it is this very program, with the keys that it was given.
  const child = startPrivately(world, words, {
    ...{ shown: file.name, cwd: world.cwd, env: world.env, detached: true, stdout: "ignore", stderr },
  });
  closeSync(stderr);
  try {
    await untilBegun(context, { child, path: logPath(world, id), said });
  } catch (error) {
    if (signal.aborted) child.kill("SIGINT");
    throw error;
  } finally {
    rmSync(said, { force: true });
  }
  child.unref();
  note(
    `${file.name} goes on in the background; \`gpu runs attach ${id}\` follows it, \`gpu runs cancel ${id}\` ends it`,
  );
  return id;
}

async function untilBegun(
  { world, signal }: Context,
  { child, path, said }: { child: ChildProcess; path: string; said: string },
): Promise<void> {
  let exitCode: number | undefined;
  child.once("exit", (code) => {
    exitCode = code ?? 1;
  });
  child.once("error", () => {
    exitCode = 1;
  });
  while (!existsSync(path)) {
    if (exitCode !== undefined && !existsSync(path)) {
      const text = (await readTextIfThere(said) ?? "").trim().replace(/^error: /, "");
      const [message = "", hint] = text.split("\nhint: ");
      throw new GpuError(message === "" ? `the run ended with ${exitCode} before it began` : message, {
        hint,
        exitCode,
      });
    }
    await world.clock.sleep(pollMs, signal);
  }
}
