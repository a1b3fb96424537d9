import type { Context } from "./command.ts";
import { loadConfig } from "./config.ts";
import type { Candidate } from "./surface/completion.ts";

/** What Tab offers for a parameter whose values only the running world knows. Errors offer nothing. */
export async function lookUp(kind: string, context: Context): Promise<readonly Candidate[]> {
  try {
    return await lookUps[kind]?.(context) ?? [];
  } catch {
    return []; // A Tab must not print an error into somebody's command line.
  }
}

const lookUps: Readonly<Record<string, (context: Context) => Promise<readonly Candidate[]>>> = {
  instance: async (context) => {
    const { knownInstances } = await import("./rent/fleet.ts");
    const instances = await knownInstances(context);
    return instances.flatMap(({ id, name, state, type }) => [
      ...(name === null ? [] : [{ value: name, says: `${id} ${type} ${state}` }]),
      { value: id, says: `${name ?? ""} ${type} ${state}`.trim() },
    ]);
  },
  host: async (context) => (await hostNames(context)).map((value) => ({ value, says: "hosts: of the configuration" })),
  // On zsh and fish a path goes on behind the colon.
  place: async (context) => (await hostNames(context)).map((name) => ({ value: `${name}:`, says: "a path there" })),
  offer: async (context) => {
    const offers = await (await context.provider()).offers(context.signal);
    return offers.map(({ type, description, pricePerHour }) => ({
      value: type,
      says: `${description}, $${pricePerHour.toFixed(2)}/h`,
    }));
  },
  model: async (context) => {
    const { allModels } = await import("./models/models.ts");
    return allModels(await context.config()).map(({ model, name }) => ({ value: model, says: name }));
  },
  filesystem: async (context) => {
    const kept = await (await context.provider()).filesystems?.list(context.signal) ?? [];
    return kept.map(({ name, region }) => ({ value: name, says: region }));
  },
  provider: async (context) => (await context.providers()).map(({ name }) => ({ value: name, says: "" })),
  setting: async (context) => {
    const { allSettings } = await import("./configure/settings.ts");
    const settings = (await allSettings(context)).filter(({ key }) => !key.startsWith("secret "));
    return settings.map(({ key, source }) => ({ value: key, says: source }));
  },
  profile: async ({ world }) => Object.keys((await loadConfig(world)).profiles).map((value) => ({ value, says: "" })),
  fault: async () => {
    const { presets } = await import("./emulate/faults.ts");
    return Object.keys(presets).map((value) => ({ value, says: "" }));
  },
  job: async (context) => {
    const { openClient } = await import("./ci/client/command.ts");
    await using open = await openClient(context, {});
    return (await open.client.listJobs()).map(({ job_id, status }) => ({ value: job_id, says: status }));
  },
  detached: async ({ world }) => {
    const { KeptJobs } = await import("./jobs/kept.ts");
    const jobs = (await new KeptJobs(world).all()).toReversed();
    const says = ({ machine, command }: typeof jobs[number]) => `${machine.name}: ${command}`.slice(0, 80);
    return jobs.flatMap((job) => [
      ...(job.name === null ? [] : [{ value: job.name, says: `${job.id} ${says(job)}` }]),
      { value: job.id, says: says(job) },
    ]);
  },
  recipe: async ({ world }) => {
    const { listRecipes } = await import("./recipe/library/list.ts");
    return (await listRecipes(".", world)).map(({ name, summary }) => ({ value: name, says: summary ?? "" }));
  },
  run: async ({ world }) => {
    const { listRuns } = await import("./runs/runs.ts");
    return (await listRuns(world)).map(({ id, recipe, state }) => ({ value: id, says: `${recipe} ${state}` }));
  },
  secret: async ({ world }) => {
    const { listOwnSecrets } = await import("./secrets.ts");
    return (await listOwnSecrets(world)).map(({ name, place }) => ({ value: name, says: place }));
  },
  channel: async (context) =>
    Object.entries((await context.config()).notify).map(([value, { type }]) => ({ value, says: type })),
  template: async () => {
    const { templates } = await import("./recipe/library/templates.ts");
    return templates.map(({ name, summary }) => ({ value: name, says: summary }));
  },
  tunnel: async ({ world }) => {
    const { tunnelStatus } = await import("./background/tunnel-client.ts");
    return (await tunnelStatus(world)).map(({ name, state }) => ({ value: name, says: state }));
  },
};

/** Hosts and groups of the configuration. */
async function hostNames(context: Context): Promise<readonly string[]> {
  const { configuredHosts } = await import("./hosts/configured.ts");
  return configuredHosts(await context.config()).names;
}
