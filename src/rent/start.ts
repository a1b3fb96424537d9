import type { Context } from "../command.ts";
import { GpuError, LoginError, messageOf, NotFoundError, UsageError } from "../errors.ts";
import { requireAbility } from "../provider/ability.ts";
import type { Provider } from "../provider/provider.ts";
import { bootInstance, leaveBooting } from "./boot.ts";
import { type Candidate, type Choice, chooseCandidates, describeSold, type Wanted } from "./candidates.ts";
import { checkCaps } from "./caps.ts";
import { tidyUp } from "./fleet.ts";
import type { Journal } from "./journal.ts";
import type { Instance } from "./instances.ts";
import { launchInstance, NoCapacity } from "./launch.ts";
import { leaseCost } from "./lease.ts";
import { NeverReady } from "./ready.ts";

export interface StartRequest extends Wanted {
  readonly hours: number;
  readonly name?: string;
  readonly filesystems?: readonly string[];
  readonly image?: string;
  readonly fakeGpu?: string;
  /** Executable for the instance's agent, instead of this one. */
  readonly agentBinary?: string;
  /** Wait until SSH answers. */
  readonly wait: boolean;
  readonly readyTimeoutMs?: number;
  /** See that it has the GPUs that are paid for. */
  readonly check: boolean;
  /** The most that this start may cost, in US dollars. */
  readonly budgetDollars?: number;
  /** How long to go on where nothing is free; once when left out. */
  readonly retryForMs?: number;
}

/** Between two rounds over everything that fits. */
const pauseMs = { first: 15_000, most: 120_000 };

/** Rents the first that fits and can be had, and waits until it is ready; what turns out bad is given back and the next is tried. */
export async function startInstance(context: Context, request: StartRequest): Promise<Instance> {
  const { world, signal, progress } = context;
  await tidyUp(context);
  if (request.name !== undefined) refuseTakenName(request.name, await context.journal());
  const refusals = new Refusals(context);
  const giveUpAt = world.clock.now() + (request.retryForMs ?? 0);
  for (let pause = pauseMs.first;; pause = Math.min(pause * 2, pauseMs.most)) {
    const choice = await choose(context, request);
    for (const candidate of choice.candidates) {
      const instance = await attempt(context, request, candidate).catch((error: unknown) => {
        if (!isWorthAnother(error, request)) throw error;
        refusals.add(candidate, error);
        return undefined;
      });
      if (instance) return instance;
    }
    if (world.clock.now() + pause > giveUpAt) throw refusals.last() ?? describeSold(choice, request);
    progress(`nothing is free (${refusals.summary(choice)}); trying again every ${Math.round(pause / 1000)} s`);
    await world.clock.sleep(pause, signal);
  }
}

/** No capacity, never ready; and, where it is to go on until one is up, whatever certainly rented nothing. */
function isWorthAnother(error: unknown, { retryForMs }: StartRequest): error is GpuError {
  if (error instanceof NoCapacity || error instanceof NeverReady) return true;
  return retryForMs !== undefined && error instanceof GpuError && error.rentedNothing && !(error instanceof LoginError);
}

/** A name means one instance: a second one with it could only be reached by its id. */
function refuseTakenName(name: string, journal: Journal): void {
  const taken = journal.launches({ open: true }).find((launch) => launch.name === name || launch.instanceId === name);
  if (!taken) return;
  throw new UsageError(`\`${name}\` is the name of ${taken.instanceId ?? "another instance"} already`, {
    hint: "`--name` takes another one; `gpu stop` ends that instance, `gpu instance rename` calls it something else",
  });
}

/** What would be tried now, over every provider that is meant. */
export async function choose(
  context: Context,
  wanted: Wanted & { readonly filesystems?: readonly string[] },
): Promise<Choice> {
  const providers = await meantProviders(context);
  const lists = await Promise.all(providers.map(async (provider) => {
    const offers = await provider.offers(context.signal);
    const regions = await regionsOf(provider, wanted.filesystems ?? [], context);
    return offers.map((offer) => ({
      provider,
      offer: regions ? { ...offer, regions: offer.regions.filter((region) => regions.includes(region)) } : offer,
    }));
  }));
  return chooseCandidates(lists.flat(), wanted);
}

/** A filesystem is mounted in its own region only; undefined where there is none to mount. */
async function regionsOf(
  provider: Provider,
  names: readonly string[],
  { signal }: Context,
): Promise<string[] | undefined> {
  if (names.length === 0) return undefined;
  const kept = await requireAbility(provider, provider.filesystems, "mount filesystems").list(signal);
  const unknown = names.filter((name) => !kept.some((filesystem) => filesystem.name === name));
  if (unknown.length > 0) {
    throw new NotFoundError(`there is no filesystem ${unknown.map((name) => `\`${name}\``).join(", ")}`, {
      hint: "`gpu filesystem list` lists them",
    });
  }
  const places = names.map((name) => kept.filter((filesystem) => filesystem.name === name).map(({ region }) => region));
  const shared = (places[0] ?? []).filter((region) => places.every((regions) => regions.includes(region)));
  if (shared.length > 0) return shared;
  throw new GpuError(`${names.join(" and ")} are in different regions, so no instance can mount them all`);
}

/** The provider that was named, or all that are configured; `local` only where nothing else is. */
async function meantProviders(context: Context): Promise<Provider[]> {
  const { globals, world } = context;
  const inForce = await context.provider();
  if (globals.provider !== undefined || world.env.GPU_PROVIDER || inForce.name === "local") return [inForce];
  const others = (await context.providers()).filter(({ name }) => name !== "local" && name !== inForce.name);
  return [inForce, ...others];
}

async function attempt(
  context: Context,
  request: StartRequest,
  { provider, offer, region }: Candidate,
): Promise<Instance> {
  const { world, signal, progress, note, globals } = context;
  const { hours, wait, check, readyTimeoutMs, budgetDollars, agentBinary, types: _types, ...rest } = request;
  const journal = await context.journal();
  const run = await context.run.id();
  const { budget } = await context.config();
  const costDollars = leaseCost({ pricePerHour: offer.pricePerHour, hours });
  checkCaps({ journal, now: world.clock.now(), run, costDollars }, {
    ...budget,
    start: Math.min(budgetDollars ?? Infinity, context.accepted?.costDollars ?? Infinity),
  });
  if (provider.name === "local") note("renting from `local`: a machine on this computer, $0.00/h");
  else progress(`launching ${offer.type} in ${region} at ${provider.name}`);
  const launch = await launchInstance({
    world,
    journal,
    provider,
    run,
    signal,
    onProgress: progress,
    profile: globals.profile,
    account: await provider.account?.(signal),
    chosen: { offer, region },
    request: { ...rest, hours },
  });
  if (!wait) return await leaveBooting(context, launch);
  return await bootInstance(context, launch, {
    timeoutMs: readyTimeoutMs,
    agentBinary,
    isOurs: true,
    promised: check ? offer : undefined,
  });
}

/** Why each try failed, for the living line, the log and the end. */
class Refusals {
  readonly #context: Context;
  readonly #reasons = new Map<string, GpuError>();

  constructor(context: Context) {
    this.#context = context;
  }

  add({ provider, offer, region }: Candidate, error: GpuError): void {
    const name = `${offer.type} in ${region}`;
    if (!this.#reasons.has(name)) this.#context.note(`${name} at ${provider.name}: ${messageOf(error)}`);
    this.#reasons.set(name, error);
  }

  /** Short, for the living line. */
  summary({ sold }: Choice): string {
    const names = [...this.#reasons.keys(), ...sold.map(({ offer }) => offer.type)];
    const shown = [...new Set(names)];
    return shown.length <= 3 ? shown.join(", ") : `${shown.slice(0, 3).join(", ")} and ${shown.length - 3} more`;
  }

  last(): GpuError | undefined {
    const errors = [...this.#reasons.values()];
    if (errors.length <= 1) return errors[0];
    const reasons = [...this.#reasons].map(([name, error]) => `${name}: ${messageOf(error)}`);
    return new GpuError(`no instance could be had: ${reasons.join("; ")}`, {
      hint: "`gpu available` lists what is free; `--retry-until-up` goes on trying",
      rentedNothing: errors.every(({ rentedNothing }) => rentedNothing),
    });
  }
}
