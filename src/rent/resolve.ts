import { NotFoundError, UsageError } from "../errors.ts";
import { type Instance, instanceOf, listInstances, type ListOptions } from "./instances.ts";
import type { Journal } from "./journal.ts";
import { isForgotten, type Launch } from "./rows.ts";

export interface ResolveOptions extends ListOptions {
  /** An id, the beginning of one, or a name; without it the only instance is meant. */
  readonly selector?: string;
  /** Also finds what this computer rented and is gone, for commands that may be repeated. */
  readonly includeStopped?: boolean;
}

/** The one instance that is meant. */
export async function resolveInstance(
  { selector, includeStopped = false, ...options }: ResolveOptions,
): Promise<Instance> {
  const instances = await listInstances(options);
  if (selector === undefined) return theOnly(instances);
  const found = findInstance(instances, selector);
  if (found !== undefined) return found;
  const ended = includeStopped ? endedLately(options, selector) : undefined;
  if (ended !== undefined) return ended;
  throw new NotFoundError(`there is no instance \`${selector}\``, {
    hint: instances.length === 0 ? "nothing is running; `gpu start` rents one" : "`gpu status` lists them",
  });
}

/** The only instance of this computer; a machine that somebody else launched is never meant without being named. */
function theOnly(instances: readonly Instance[]): Instance {
  const ours = instances.filter((instance) => instance.owner !== "unknown");
  const candidates = ours.some(isUsable) ? ours.filter(isUsable) : ours;
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined) {
    throw new UsageError(`several instances are running: ${namesOf(candidates)}`, { hint: "say which one is meant" });
  }
  if (instances.length === 0) {
    throw new NotFoundError("no instance is running", { hint: "`gpu start` rents one" });
  }
  throw new NotFoundError(`no instance of this computer is running, only others: ${namesOf(instances)}`, {
    hint: "name one to mean it, or `gpu start` rents one",
  });
}

/** The instance of these that a word means: an id, a token, a name, or the beginning of an id. */
export function findInstance(instances: readonly Instance[], selector: string): Instance | undefined {
  const rules = [
    (instance: Instance) => instance.id === selector || instance.token === selector,
    (instance: Instance) => instance.name === selector,
    (instance: Instance) => instance.id.startsWith(selector),
  ];
  for (const rule of selector === "" ? [] : rules) {
    const [first, ...others] = instances.filter(rule);
    if (first === undefined) continue;
    if (others.length === 0) return first;
    throw new UsageError(`\`${selector}\` can mean several instances: ${namesOf([first, ...others])}`, {
      hint: "give the whole id",
    });
  }
  return undefined;
}

function endedLately({ world, journal }: ListOptions, selector: string): Instance | undefined {
  const now = world.clock.now();
  // What never was a machine cannot be stopped again.
  const stopped = journal.launches({ open: false })
    .filter((launch) => launch.state === "STOPPED" && !isForgotten(launch));
  const ended = stopped.map((launch) => instanceOf({ launch, now }));
  return ended.findLast((instance) => [instance.id, instance.token, instance.name].includes(selector));
}

function isUsable({ state }: Instance): boolean {
  return state !== "stopping";
}

function namesOf(instances: readonly Instance[]): string {
  return instances.map(({ id, name }) => name === null ? `\`${id}\`` : `\`${id}\` (${name})`).join(", ");
}

/** A launch of this journal by id, token or name; it may be long gone. */
export function findLaunch(journal: Journal, selector: string): Launch {
  const found = knownLaunch(journal, selector);
  if (found) return found;
  throw new NotFoundError(`the journal knows no instance \`${selector}\``, { hint: "`gpu log` shows the last events" });
}

/** The same, the newest where several fit, or undefined. */
export function knownLaunch(journal: Journal, selector: string): Launch | undefined {
  const launches = journal.launches();
  const exact = launches.findLast(({ instanceId, token, name }) => [instanceId, token, name].includes(selector));
  return exact ?? launches.findLast(({ instanceId }) => selector !== "" && instanceId?.startsWith(selector));
}
