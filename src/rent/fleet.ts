import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import type { Instance, ListOptions } from "./instances.ts";
import type { Launch } from "./rows.ts";

/** All of this computer's instances, as a command reaches them: every provider in force or in the journal. */
export async function fleetOf(context: Context): Promise<ListOptions> {
  const { world, signal, note } = context;
  const journal = await context.journal();
  if (journal.problem) note(`warning: ${journal.problem.message}; ${journal.problem.hint}`);
  await tidyUp(context);
  const onProblem = ({ provider, error }: { provider: string; error: unknown }) =>
    note(`warning: ${provider} could not be asked: ${messageOf(error)}`);
  const configured = (await context.providers()).map(({ name }) => name);
  const elsewhere = journal.launches({ open: true }).map(({ provider }) => provider);
  const providers: Provider[] = [];
  for (const name of new Set([...configured, ...elsewhere])) {
    try {
      providers.push(await context.provider(name));
    } catch (error) {
      onProblem({ provider: name, error });
    }
  }
  return { world, signal, providers, journal, onProblem };
}

/** Gives back what a dead run owned or what outlived its lease: every command that looks at instances begins so. */
export async function tidyUp(context: Context): Promise<void> {
  const { reconcile } = await import("./reconcile.ts");
  const { isRunAlive } = await import("./run.ts");
  const { world, signal, note, provider, progress } = context;
  const journal = await context.journal();
  const report = await reconcile({
    world,
    journal,
    signal,
    provider,
    onProgress: progress,
    isRunAlive: (run) => isRunAlive(world, run),
  });
  for (const token of report.stopped) {
    const { instanceId, endWhy } = journal.launch(token) ?? {};
    note(`gave back ${instanceId ?? token}: ${endWhy ?? "nobody owned it"}`);
  }
}

/** The instances there are. */
export async function allInstances(context: Context): Promise<Instance[]> {
  const { listInstances } = await import("./instances.ts");
  return await listInstances(await fleetOf(context));
}

/** The one instance that is meant: by id, the beginning of one, or name; without it the only one there is. */
export async function oneInstance(
  context: Context,
  selector?: string,
  { includeStopped = false } = {},
): Promise<Instance> {
  const { resolveInstance } = await import("./resolve.ts");
  return await resolveInstance({ ...await fleetOf(context), selector, includeStopped });
}

/** The same as the journal knows it: only what was launched from this computer has keys to reach it. */
export async function oneLaunch(context: Context, selector?: string): Promise<Launch> {
  const instance = await oneInstance(context, selector);
  const launch = instance.token === null ? undefined : (await context.journal()).launch(instance.token);
  if (launch) return launch;
  throw new GpuError(`\`${instance.id}\` was not launched from this computer, so its keys are not here`, {
    hint: "`gpu status` shows which instances are this computer's",
  });
}
