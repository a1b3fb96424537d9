import type { Context } from "../command.ts";
import { connectAt } from "./connect.ts";
import { type Instance, instanceOf } from "./instances.ts";
import { waitUntilReady } from "./ready.ts";
import type { Launch, Owner } from "./rows.ts";

/** Waits until SSH answers with the host key it was launched with; from then on its lease owns it, in a recipe its run. */
export async function bootInstance(
  context: Context,
  launch: Launch,
  { timeoutMs, isOurs }: {
    timeoutMs?: number; /** This run launched it, and gives it back when it is interrupted. */
    isOurs: boolean;
  },
): Promise<Instance> {
  const { world, signal, run, progress } = context;
  const owner: Owner = launch.owner === "lease" || !run.isRecipe ? "lease" : "run";
  const ready = await waitUntilReady({
    world,
    signal,
    timeoutMs,
    owner,
    token: launch.token,
    run: isOurs ? launch.run : "",
    journal: await context.journal(),
    provider: await context.provider(launch.provider),
    onProgress: progress,
    answers: async (address, hostKey, attempt) => {
      await using _session = await connectAt(world, { address, hostKey, signal: attempt, timeoutMs: 5000 });
    },
  });
  return await describe(context, ready);
}

/** Leaves an instance that still boots to its lease; in a recipe it stays with the run. */
export async function leaveBooting(context: Context, launch: Launch): Promise<Instance> {
  if (!context.run.isRecipe) (await context.journal()).handToLease(launch.token);
  return await describe(context, launch);
}

/** A launch as commands show it, with what its provider says of it now. */
async function describe(context: Context, { token, provider, instanceId }: Launch): Promise<Instance> {
  const seen = instanceId === null
    ? undefined
    : await (await context.provider(provider)).get(instanceId, context.signal);
  const launch = (await context.journal()).launch(token);
  if (launch === undefined) throw new Error(`no launch ${token}`);
  return instanceOf({ launch, seen, now: context.world.clock.now() });
}
