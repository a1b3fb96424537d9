import type { Context } from "../command.ts";
import { KeptJobs, type KnownJob } from "./kept.ts";
import { lookAt, settle } from "./look.ts";
import { isOver } from "./outcome.ts";
import type { Reach } from "./reach.ts";

/** A machine is not waited for longer: who wants to stop it is not kept from that. */
const patienceMs = 5_000;

/** The jobs that were started here on these instances and still run; also those of a machine that does not say. */
export async function runningJobs(
  context: Context,
  { tokens, reach }: { readonly tokens: readonly string[]; readonly reach: Reach },
): Promise<KnownJob[]> {
  const { world } = context;
  const open = (await new KeptJobs(world).all()).filter(({ end, machine }) =>
    end === null && machine.kind === "instance" && tokens.includes(machine.token)
  );
  if (open.length === 0) return [];
  const done = new AbortController();
  const late = new AbortController();
  const signal = AbortSignal.any([context.signal, late.signal]);
  world.clock.sleep(patienceMs, done.signal).then(() => late.abort(new Error("it took too long")), () => {});
  const running = await Promise.all(open.map(async (job) => {
    try {
      const report = await lookAt(reach, job, signal);
      if (report) await settle(context, job, report);
      return report !== undefined && !isOver(report);
    } catch {
      context.signal.throwIfAborted();
      return true;
    }
  }));
  done.abort();
  return open.filter((_, index) => running[index]);
}
