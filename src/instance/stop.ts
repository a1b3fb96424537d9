import { z } from "zod";
import type { Context, Plan, View } from "../command.ts";
import { GpuError, messageOf, UsageError } from "../errors.ts";
import type { Instance } from "../rent/instances.ts";

/** What `stop` and `instance delete` take. */
export const stopParams = {
  instances: z.array(z.string()).optional().meta({
    positional: true,
    complete: "instance",
    description: "ids, unique beginnings of ids, or names; may be left out where there is one instance",
  }),
  instanceId: z.string().optional().meta({ hidden: true, complete: "instance", description: "the same, as a flag" }),
  all: z.boolean().default(false).describe("stop all instances that this computer rented"),
};

export interface StopInput {
  readonly instances?: string[];
  readonly instanceId?: string;
  readonly all: boolean;
}

export const Stopped = z.object({
  id: z.string().describe("the provider's id"),
  name: z.string().nullable().describe("its name"),
  state: z.enum(["stopped", "stopping"]).describe("`stopping`: asked to end, not seen gone yet"),
  costDollars: z.number().nullable().describe("what it cost, in US dollars; null when its launch is not known here"),
});
export type Stopped = z.output<typeof Stopped>;

/** Says which jobs still run on the instances with these launch tokens: `, with 1 job: train (j-3f9a1c)`. */
export type DescribeJobs = (context: Context, tokens: readonly string[]) => Promise<string>;

/** What is lost, when that is worth a question. */
export async function planStop(
  input: StopInput,
  context: Context,
  describeJobs: DescribeJobs,
): Promise<Plan | undefined> {
  const targets = (await targetsOf(input, context)).filter(({ state }) => state !== "stopped");
  const isPaid = targets.some(({ pricePerHour }) => pricePerHour > 0);
  if (targets.length === 0 || (!isPaid && !input.all)) return undefined;
  const what = targets.map(({ id, name }) => (name === null ? id : `${id} (${name})`)).join(", ");
  const jobs = context.globals.yes ? "" : await describeJobs(context, targets.flatMap(({ token }) => token ?? []));
  return {
    action: `stop ${what}`,
    loss: `${targets.length === 1 ? "its disk" : "their disks"} and all that runs there${jobs}`,
  };
}

/** Stops them all at once, and reads back that they are gone. What goes wrong with one keeps none of the others. */
export async function stopTargets(input: StopInput, context: Context): Promise<Stopped[]> {
  const { stopInstance } = await import("../rent/stop.ts");
  const { world, signal, progress, note } = context;
  const journal = await context.journal();
  const targets = await targetsOf(input, context);
  const ends = await Promise.allSettled(
    targets.map(async ({ id, token, name, provider, costDollars }): Promise<Stopped> => {
      const state = await stopInstance({
        world,
        journal,
        signal,
        onProgress: progress,
        provider: await context.provider(provider),
        target: { token, instanceId: id },
        why: "gpu stop",
      });
      await closeTunnels(context, id);
      return { id, name, state, costDollars };
    }),
  );
  const stopped = ends.flatMap((end) => end.status === "fulfilled" ? [end.value] : []);
  const failures = ends.flatMap((end) => end.status === "rejected" ? [end.reason] : []);
  if (failures.length === 0) return stopped;
  for (const { id, name, state } of stopped) note(`${name === null ? id : `${id} (${name})`} is ${state}`);
  if (failures.length === 1) throw failures[0];
  throw new GpuError(`${failures.length} instances could not be stopped: ${failures.map(messageOf).join("; ")}`, {
    hint: "`gpu status` shows what is still running; `gpu stop` tries again",
    cause: new AggregateError(failures),
  });
}

/** What led to an instance leads nowhere once it is gone. */
async function closeTunnels({ world, note }: Context, instanceId: string): Promise<void> {
  const { stopTunnels } = await import("../background/tunnel-client.ts");
  // The instance is gone whatever becomes of them.
  await stopTunnels(world, { instanceId }).catch((error) => note(`its tunnels are still open: ${messageOf(error)}`));
}

export function viewStopped(stopped: readonly Stopped[]): View {
  if (stopped.length === 0) return { stderr: "there is nothing to stop" };
  return stopped.map(({ id, name, state, costDollars }) => {
    const what = name === null ? id : `${id} (${name})`;
    if (state === "stopping") return `${what} is stopping`;
    return `${what} is stopped${costDollars === null ? "" : `, it cost $${costDollars.toFixed(2)}`}`;
  });
}

async function targetsOf({ instances = [], instanceId, all }: StopInput, context: Context): Promise<Instance[]> {
  const { oneInstance } = await import("../rent/fleet.ts");
  const named = [...instances, ...(instanceId === undefined ? [] : [instanceId])];
  if (all && named.length > 0) {
    throw new UsageError("`--all` stops every instance, and some are named too", { hint: "give one or the other" });
  }
  if (all) return await allOfOurs(context);
  if (named.length === 0) return [await oneInstance(context)];
  const found = await Promise.all(named.map((selector) => oneInstance(context, selector, { includeStopped: true })));
  return found.filter(({ id }, index) => found.findIndex((other) => other.id === id) === index);
}

/** What this computer rented. A journal that cannot be read knows none of it: then what carries a launch token is meant. */
async function allOfOurs(context: Context): Promise<Instance[]> {
  const { allInstances } = await import("../rent/fleet.ts");
  const instances = await allInstances(context);
  const isReadable = (await context.journal()).problem === undefined;
  return instances.filter(({ owner, token }) => owner !== "unknown" || (!isReadable && token !== null));
}
