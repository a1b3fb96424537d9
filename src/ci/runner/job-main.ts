import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { exitCodes } from "../../errors.ts";
import { jsonOf } from "../../http/json.ts";
import { tryLock } from "../../lock.ts";
import type { World } from "../../world.ts";
import { JobLog } from "./job-log.ts";
import { type JobEnd, jobFiles, JobOrder, type JobState } from "./job-order.ts";
import { ownPid } from "./processes.ts";
import { runJob } from "./runner.ts";

const maxSecretBytes = 4 * 2 ** 20;

/** The process that runs one job: `startJob` starts it with the job's folder as argument. Returns its exit code. */
export async function runJobProcess(folder: string, world: World, signal: AbortSignal): Promise<number> {
  const alive = tryLock(join(folder, jobFiles.alive));
  if (alive === undefined) return exitCodes.failed;
  using _alive = alive;
  const order = JobOrder.parse(JSON.parse(readFileSync(join(folder, jobFiles.order), "utf8")));
  const secrets = await readSecrets(world);
  writeWhole(join(folder, jobFiles.state), { pid: ownPid() } satisfies JobState);
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
  log.close();
  writeWhole(
    join(folder, jobFiles.end),
    {
      ...outcome,
      status: stopping.aborted ? "cancelled" : "completed",
      endedAt: world.clock.now(),
      artifacts: [...outcome.artifacts],
    } satisfies JobEnd,
  );
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

/** A file that is there whole or not at all. */
function writeWhole(path: string, content: JobEnd | JobState): void {
  writeFileSync(`${path}.new`, JSON.stringify(content), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
