import type { Context } from "../command.ts";
import { GpuError, LoginError, messageOf, UsageError } from "../errors.ts";
import { isPassing } from "../http/errors.ts";
import { LaunchRefused } from "../provider/provider.ts";
import { bootInstance, leaveBooting } from "./boot.ts";
import { type Candidate, type Choice, describeSold } from "./candidates.ts";
import { checkCaps } from "./caps.ts";
import { choose, pauseMs, type Wish } from "./choose.ts";
import { tidyUp } from "./fleet.ts";
import type { Journal } from "./journal.ts";
import type { Instance } from "./instances.ts";
import { configuredKeyPath } from "./key.ts";
import { launchInstance, NoCapacity } from "./launch.ts";
import { leaseCost } from "./lease.ts";
import { NeverReady } from "./ready.ts";

export interface StartRequest extends Wish {
  readonly hours: number;
  readonly name?: string;
  readonly tags?: Readonly<Record<string, string>>;
  /** Executable for the instance's agent, instead of this one. */
  readonly agentBinary?: string;
  /** Wait until SSH answers. */
  readonly wait: boolean;
  readonly readyTimeoutMs?: number;
  /** See that it has the GPUs that are paid for. */
  readonly check: boolean;
  /** The most that this start may cost, in US dollars. */
  readonly budgetDollars?: number;
}

/** Rents the first that fits and can be had, and waits until it is ready; what turns out bad is given back and the next is tried. */
export async function startInstance(context: Context, request: StartRequest): Promise<Instance> {
  const { world, signal, progress } = context;
  await tidyUp(context);
  if (request.name !== undefined) refuseTakenName(request.name, await context.journal());
  const refusals = new Refusals(context);
  const giveUpAt = world.clock.now() + (request.retryForMs ?? 0);
  for (let pause = pauseMs.first;; pause = Math.min(pause * 2, pauseMs.most)) {
    const choice = await choose(context, request, giveUpAt);
    for (const candidate of choice.candidates) {
      const instance = await attempt(context, request, candidate).catch((error: unknown) => {
        if (!isWorthAnother(error, request)) throw error;
        refusals.add(candidate, error);
        return undefined;
      });
      if (instance) return instance;
    }
    if (world.clock.now() + pause > giveUpAt) throw refusals.last() ?? describeSold(choice, request);
    progress(`nothing is free, trying again every ${Math.round(pause / 1000)} s: ${refusals.summary(choice)}`);
    await world.clock.sleep(pause, signal);
  }
}

/** No capacity, never ready; and, where it is to go on until one is up, what certainly rented nothing and may pass. */
function isWorthAnother(error: unknown, { retryForMs }: StartRequest): error is GpuError {
  if (error instanceof NoCapacity || error instanceof NeverReady) return true;
  if (retryForMs === undefined || !(error instanceof GpuError) || !error.rentedNothing) return false;
  if (error instanceof LoginError) return false;
  return !(error.cause instanceof LaunchRefused) || error.cause.reason !== "request";
}

/** A name means one instance: a second one with it could only be reached by its id. */
function refuseTakenName(name: string, journal: Journal): void {
  const taken = journal.launches({ open: true }).find((launch) => launch.name === name || launch.instanceId === name);
  if (!taken) return;
  throw new UsageError(`\`${name}\` is the name of ${taken.instanceId ?? "another instance"} already`, {
    hint: "`--name` takes another one; `gpu stop` ends that instance, `gpu instance rename` calls it something else",
  });
}

async function attempt(
  context: Context,
  request: StartRequest,
  { provider, offer, region }: Candidate,
): Promise<Instance> {
  const { world, signal, progress, note, globals } = context;
  const { hours, wait, check, readyTimeoutMs, budgetDollars, agentBinary } = request;
  const { name, filesystems, image, fakeGpu, tags } = request;
  const journal = await context.journal();
  const run = await context.run.id();
  const config = await context.config();
  const costDollars = leaseCost({ pricePerHour: offer.pricePerHour, hours });
  const caps = {
    ...config.budget,
    start: Math.min(budgetDollars ?? Infinity, context.accepted?.costDollars ?? Infinity),
  };
  const allow = () => {
    if (name !== undefined) refuseTakenName(name, journal);
    checkCaps({ journal, now: world.clock.now(), run, costDollars }, caps);
  };
  allow();
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
    account: await provider.account?.(signal).catch((error: unknown) => {
      throw isPassing(error) ? new GpuError(messageOf(error), { rentedNothing: true, cause: error }) : error;
    }),
    sshKey: configuredKeyPath(config, { provider: provider.name, home: world.home }),
    chosen: { offer, region },
    // Once more, where no other start can come between.
    allow,
    request: { hours, name, filesystems, image, fakeGpu, tags },
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
  readonly #said = new Map<string, string>();

  constructor(context: Context) {
    this.#context = context;
  }

  add({ provider, offer, region }: Candidate, error: GpuError): void {
    const name = `${offer.type} in ${region} at ${provider.name}`;
    const why = error instanceof NoCapacity ? "none is free" : messageOf(error);
    // The same again is no news.
    if (this.#said.get(name) !== why) this.#context.note(`${name}: ${why}`);
    this.#said.set(name, why);
    this.#reasons.set(name, error);
  }

  /** Short, for the living line. */
  summary({ sold }: Choice): string {
    const tried = [...this.#reasons.keys()].map((name) => name.split(" in ")[0] ?? name);
    const names = [...tried, ...sold.map(({ offer }) => offer.type)];
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
