import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { exitCodes, systemCode } from "../../errors.ts";
import { jsonOf } from "../../http/json.ts";
import { tryLock } from "../../lock.ts";
import type { World } from "../../world.ts";
import { JobLog } from "./job-log.ts";
import { type JobEnd, jobFiles, JobOrder, type JobState } from "./job-order.ts";
import { ownPid } from "./processes.ts";
import { runJob } from "./runner.ts";

/** Kept free for the last words and the end of a job. */
const roomBytes = 64 * 2 ** 10;

const writeAgainMs = 1_000;

const maxSecretBytes = 4 * 2 ** 20;

/** The process that runs one job: `startJob` starts it with the job's folder as argument. Returns its exit code. */
export async function runJobProcess(folder: string, world: World, signal: AbortSignal): Promise<number> {
  const alive = tryLock(join(folder, jobFiles.alive));
  if (alive === undefined) return exitCodes.failed;
  using _alive = alive;
  const order = JobOrder.parse(JSON.parse(readFileSync(join(folder, jobFiles.order), "utf8")));
  const secrets = await readSecrets(world);
  await writeWhole(world, join(folder, jobFiles.state), { pid: ownPid() });
  const room = join(folder, jobFiles.room);
  writeFileSync(room, Buffer.alloc(roomBytes), { mode: 0o600 });
  const stopping = stopOn(folder, signal);
  const log = JobLog.create(order.log, { maxBytes: order.limits.logBytes });
  const outcome = await runJob({
    ...order,
    world,
    executable: world.self[0],
    folder: join(folder, jobFiles.project),
    artifactFolder: join(folder, jobFiles.artifacts),
    log,
    secrets,
    signal: stopping,
  });
  rmSync(room, { force: true });
  log.close();
  await writeWhole(world, join(folder, jobFiles.end), {
    ...outcome,
    status: stopping.aborted ? "cancelled" : "completed",
    endedAt: world.clock.now(),
    artifacts: [...outcome.artifacts],
  });
  return exitCodes.done;
}

/** Fires when the server wants the job to stop, with the reason that it wrote down. */
function stopOn(folder: string, signal: AbortSignal): AbortSignal {
  const stopping = new AbortController();
  const stop = () => {
    try {
      stopping.abort(new Error(readFileSync(join(folder, jobFiles.stop), "utf8")));
    } catch {
      if (signal.aborted) stopping.abort(new Error("its process was told to end"));
    }
  };
  signal.addEventListener("abort", stop, { once: true });
  stop();
  return stopping.signal;
}

/** What the server sends through the pipe. A server that died before it did sends nothing, which is no JSON. */
async function readSecrets({ terminal }: Pick<World, "terminal">): Promise<Record<string, string>> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of terminal.stdin.read()) {
    bytes += part.length;
    if (bytes > maxSecretBytes) break;
    parts.push(part);
  }
  return z.record(z.string(), z.string()).parse(jsonOf(Buffer.concat(parts).toString("utf8")));
}

/** A file that is there whole or not at all. A disk that is full is waited for. */
async function writeWhole({ clock }: Pick<World, "clock">, path: string, content: JobEnd | JobState): Promise<void> {
  for (;;) {
    try {
      writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600 });
      return renameSync(`${path}.new`, path);
    } catch (error) {
      if (!["ENOSPC", "EDQUOT"].includes(systemCode(error) ?? "")) throw error;
      await clock.sleep(writeAgainMs);
    }
  }
}
