import type { Context } from "../command.ts";
import type { Offer, ProviderInstance } from "../provider/provider.ts";
import { messageOf } from "../errors.ts";
import { Arrival } from "./arrival.ts";
import { giveBack } from "./giveback.ts";
import { type Instance, instanceOf } from "./instances.ts";
import { checkHandover } from "./handover.ts";
import { waitUntilReady } from "./ready.ts";
import type { Launch, Owner } from "./rows.ts";

/** Waits until SSH answers with the host key it was launched with; from then on its lease owns it, in a recipe its run. */
export async function bootInstance(
  context: Context,
  launch: Launch,
  { timeoutMs, isOurs, promised, agentBinary }: {
    timeoutMs?: number;
    /** Executable for the instance's agent, instead of this one. */
    agentBinary?: string;
    /** This run launched it, and gives it back when it is interrupted. */
    isOurs: boolean;
    /** What is paid for: a machine that is something else is given back. Not checked when left out. */
    promised?: Offer;
  },
): Promise<Instance> {
  const { world, signal, run, progress } = context;
  const journal = await context.journal();
  const provider = await context.provider(launch.provider);
  // Who waits for somebody else's instance takes it from nobody.
  const owner: Owner = !isOurs ? launch.owner : run.isRecipe ? "run" : "lease";
  await using arrival = new Arrival(context, launch, { agentBinary, bringsAgent: provider.facts.bringsAgent });
  let seen: ProviderInstance | undefined;
  const ready = await waitUntilReady({
    world,
    signal,
    timeoutMs,
    owner,
    token: launch.token,
    run: isOurs ? launch.run : "",
    journal,
    provider,
    onProgress: progress,
    onSeen: (instance) => void (seen = instance),
    answers: async (address, hostKey, attempt) => {
      const session = await arrival.reach({ address, hostKey, signal: attempt });
      if (promised) await checkHandover(session, promised, attempt);
    },
  });
  try {
    const { ensureAgent } = await import("./agent.ts");
    await ensureAgent(context, ready, { agentBinary, begun: arrival.begun });
  } catch (error) {
    // An interrupted start is given back, also when its lease has it already; anything else loses no instance.
    if (isOurs && signal.aborted) throw await giveBack({ world, journal, provider, token: launch.token }, error);
    signal.throwIfAborted();
    context.note(`warning: the agent is not there: ${messageOf(error)}`);
  }
  return instanceOf({ launch: journal.launch(launch.token) ?? ready, seen, now: world.clock.now() });
}

/** Leaves an instance that still boots to its lease; in a recipe it stays with the run. */
export async function leaveBooting(context: Context, launch: Launch): Promise<Instance> {
  if (!context.run.isRecipe) (await context.journal()).handToLease(launch.token);
  return await describe(context, launch);
}

/** A launch as commands show it, with what its provider says of it now; one that does not answer hides no instance. */
async function describe(context: Context, { token, provider, instanceId }: Launch): Promise<Instance> {
  const asked = instanceId === null ? undefined : (await context.provider(provider)).get(instanceId);
  const seen = await asked?.catch(() => undefined);
  const launch = (await context.journal()).launch(token);
  if (launch === undefined) throw new Error(`no launch ${token}`);
  return instanceOf({ launch, seen, now: context.world.clock.now() });
}
