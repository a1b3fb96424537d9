import type { Context } from "../command.ts";
import { GpuError, messageOf, NotFoundError, UsageError } from "../errors.ts";
import { isPassing } from "../http/errors.ts";
import type { Provider } from "../provider/provider.ts";
import { type Candidate, type Choice, chooseCandidates, type Wanted } from "./candidates.ts";

/** What is wanted, and what only some providers can give. */
export interface Wish extends Wanted {
  readonly filesystems?: readonly string[];
  readonly image?: string;
  readonly fakeGpu?: string;
  /** How long to go on where nothing is free, in milliseconds; once when left out. */
  readonly retryForMs?: number;
}

/** Between two rounds over everything that fits. */
export const pauseMs = { first: 15_000, most: 120_000 };

/**
 * What would be tried now, over every provider that is meant. Where it is to go on until one is up, a provider that is
 * away or busy is waited for as well.
 */
export async function choose(context: Context, wish: Wish, giveUpAt?: number): Promise<Choice> {
  const { world: { clock }, signal, progress } = context;
  const deadline = giveUpAt ?? clock.now() + (wish.retryForMs ?? 0);
  for (let pause = pauseMs.first;; pause = Math.min(pause * 2, pauseMs.most)) {
    try {
      return await chooseOnce(context, wish);
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error) || clock.now() + pause > deadline) throw error;
      progress(`${messageOf(error)}; trying again in ${pause / 1000} s`);
      await clock.sleep(pause, signal);
    }
  }
}

/** One provider that cannot be asked hides none of the others. */
async function chooseOnce(context: Context, wish: Wish): Promise<Choice> {
  const providers = await meantProviders(context, wish);
  const asked = await Promise.allSettled(providers.map((provider) => offersOf(provider, wish, context)));
  const failed = asked.flatMap((one, index) =>
    one.status === "rejected" ? [{ name: providers[index]?.name, reason: one.reason }] : []
  );
  const listed = asked.flatMap((one) => one.status === "fulfilled" ? one.value : []);
  context.signal.throwIfAborted();
  if (failed.length === providers.length) throw failed[0]?.reason;
  try {
    const choice = chooseCandidates(listed, wish);
    for (const { name, reason } of failed) context.note(`warning: ${name} could not be asked: ${messageOf(reason)}`);
    return choice;
  } catch (error) {
    // What was looked for may be at the one that did not answer.
    throw failed[0]?.reason ?? error;
  }
}

async function offersOf(provider: Provider, wish: Wish, context: Context): Promise<Omit<Candidate, "region">[]> {
  const offers = await provider.offers(context.signal);
  const regions = await regionsOf(provider, wish.filesystems ?? [], context);
  return offers.map((offer) => ({
    provider,
    offer: regions ? { ...offer, regions: offer.regions.filter((region) => regions.includes(region)) } : offer,
  }));
}

/** A filesystem is mounted in its own region only; undefined where there is none to mount. */
async function regionsOf(
  { filesystems }: Provider,
  names: readonly string[],
  { signal }: Context,
): Promise<string[] | undefined> {
  if (names.length === 0 || filesystems === undefined) return undefined;
  const kept = await filesystems.list(signal);
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

/** The provider that was named, or all that are configured; `local` only where nothing else is. Only who can do what is asked. */
async function meantProviders(context: Context, wish: Wish): Promise<Provider[]> {
  const { globals, world } = context;
  const inForce = await context.provider();
  const isAlone = globals.provider !== undefined || world.env.GPU_PROVIDER || inForce.name === "local";
  const others = isAlone
    ? []
    : (await context.providers()).filter(({ name }) => name !== "local" && name !== inForce.name);
  const meant = [inForce, ...others];
  const able = meant.filter((provider) => findUnable(provider, wish) === undefined);
  if (able.length > 0) return able;
  throw findUnable(inForce, wish) ?? new Error("no provider is meant");
}

/** Why a provider cannot do what is asked: what it would pass over in silence is no launch. */
function findUnable({ name, facts, images, filesystems }: Provider, wish: Wish): UsageError | undefined {
  if (wish.fakeGpu !== undefined && facts.pretendsGpus !== true) {
    return new UsageError(`\`--fake-gpu\` is for local machines: \`${name}\` rents real ones`, {
      hint: "leave it out, or `--provider local`",
    });
  }
  if (wish.image !== undefined && images === undefined) {
    return new UsageError(`\`${name}\` has no images to choose from, so \`--image\` means nothing there`, {
      hint: "leave it out, or name another with `--provider`",
    });
  }
  if (wish.filesystems !== undefined && wish.filesystems.length > 0 && filesystems === undefined) {
    return new UsageError(`\`${name}\` cannot mount filesystems`, {
      hint: "leave `--filesystem` out, or name another with `--provider`",
    });
  }
  return undefined;
}
