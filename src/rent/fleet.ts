import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";
import type { CloudProblem } from "./clouds.ts";
import type { Instance, ListOptions } from "./instances.ts";
import type { Journal } from "./journal.ts";
import { labelOf, type Launch } from "./rows.ts";

/** All of this computer's instances, as a command reaches them: every provider in force or in the journal. */
export async function fleetOf(context: Context): Promise<ListOptions> {
  const { note } = context;
  const journal = await context.journal();
  if (journal.problem) note(`warning: ${journal.problem.message}; ${journal.problem.hint}`);
  await tidyUp(context);
  return await reachable(context, (problem) => note(`warning: ${problem}`));
}

/** What can be asked. One provider that cannot be loaded, or a configuration that is broken, hides none of the others. */
export async function reachable(context: Context, onProblem: (problem: string) => void): Promise<ListOptions> {
  const { world, signal } = context;
  const journal = await context.journal();
  const inForce = await context.providerNames().catch((error: unknown) => {
    onProblem(messageOf(error));
    return ["local"];
  });
  const inJournal = journal.launches({ open: true }).map(({ provider }) => provider);
  const providers: Provider[] = [];
  const unreachable = new Map<string, string>();
  for (const name of new Set([...inForce, ...inJournal])) {
    try {
      providers.push(await context.provider(name));
    } catch (error) {
      unreachable.set(name, messageOf(error));
      onProblem(`${name} could not be asked: ${messageOf(error)}`);
    }
  }
  return {
    world,
    signal,
    providers,
    journal,
    unreachable,
    onProblem: (problem) => onProblem(describeProblem(problem)),
  };
}

/** Which cloud could not be asked, and why. */
export function describeProblem({ provider, about, error }: CloudProblem): string {
  return `${provider} could not be asked${about === undefined ? "" : ` about ${about}`}: ${messageOf(error)}`;
}

/** Gives back what a dead run owned or what outlived its lease: every command that looks at instances begins so. */
export async function tidyUp(context: Context): Promise<void> {
  const { reconcile } = await import("./reconcile.ts");
  const { isRunAlive } = await import("./run.ts");
  const { isStopFailing } = await import("./still-running.ts");
  const { world, signal, note, provider, progress } = context;
  const journal = await context.journal();
  const nameOf = (token: string) => labelOf(journal.launch(token) ?? { instanceId: null, token, name: null });
  const report = await reconcile({
    world,
    journal,
    signal,
    provider,
    onProgress: progress,
    isRunAlive: (run) => isRunAlive(world, run),
  });
  // What this very run is giving back, elsewhere in it, is no news.
  const { isRecipe, reserved } = context.run;
  const isOwn = (token: string) => isRecipe && journal.launch(token)?.run === reserved();
  for (const token of report.stopped) {
    if (isOwn(token)) continue;
    note(`gave back ${nameOf(token)}: ${journal.launch(token)?.endWhy ?? "nobody owned it"}`);
  }
  for (const token of report.stopping) note(`${nameOf(token)} was asked to stop and has not been seen gone yet`);
  for (const { provider, error, token } of report.problems) {
    // What could not be stopped is said at the end of the command, and its reason with it.
    if (token === undefined || !isStopFailing(journal, token)) {
      note(`warning: ${describeProblem({ provider, error, about: token && nameOf(token) })}`);
    }
  }
}

/** The instances there are, for Tab: nothing is said and nothing is changed. */
export async function knownInstances(context: Context): Promise<Instance[]> {
  const { listInstances } = await import("./instances.ts");
  return await listInstances(await reachable(context, () => {}));
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
  return launchOf(await oneInstance(context, selector), await context.journal());
}

/** An instance as the journal knows it. */
export function launchOf(instance: Instance, journal: Journal): Launch {
  // Nobody may have waited for it yet: then the address is only in the list.
  if (instance.token !== null && instance.address) journal.markSeen(instance.token, instance.address);
  const launch = instance.token === null ? undefined : journal.launch(instance.token);
  if (launch) return launch;
  throw new GpuError(`\`${instance.id}\` was not launched from this computer, so its keys are not here`, {
    hint: "`gpu status` shows which instances are this computer's",
  });
}
