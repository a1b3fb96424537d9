import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import type { Instance, ListOptions } from "./instances.ts";
import type { Launch } from "./rows.ts";

/** All of this computer's instances, as a command reaches them: every provider in force or in the journal. */
export async function fleetOf(context: Context): Promise<ListOptions> {
  const { world, signal, note } = context;
  const journal = await context.journal();
  const configured = await context.providers();
  const elsewhere = journal.launches({ open: true }).map(({ provider }) => provider);
  const names = new Set([...configured.map(({ name }) => name), ...elsewhere]);
  const providers = await Promise.all([...names].map((name) => context.provider(name)));
  if (journal.problem) note(`warning: ${journal.problem.message}; ${journal.problem.hint}`);
  return {
    world,
    signal,
    providers,
    journal,
    onProblem: ({ provider, error }) => note(`warning: ${provider} could not be asked: ${messageOf(error)}`),
  };
}

/** The instances there are. */
export async function allInstances(context: Context): Promise<Instance[]> {
  const { listInstances } = await import("./instances.ts");
  return await listInstances(await fleetOf(context));
}

/** The one instance that is meant: by id, the beginning of one, or name; without it the only one there is. */
export async function oneInstance(context: Context, selector?: string, { includeStopped = false } = {}): Promise<Instance> {
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
