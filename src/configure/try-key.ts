import type { Context } from "../command.ts";
import type { Config } from "../config.ts";
import { GpuError, LoginError, messageOf, UsageError } from "../errors.ts";
import type { Offer, Provider } from "../provider/provider.ts";
import { loadProvider } from "../provider/registry.ts";
import { didYouMean } from "../surface/suggest.ts";
import { keyVariable } from "./access.ts";

export interface KeyToTry {
  readonly provider: string;
  /** Undefined: the one that is in force. */
  readonly key: string | undefined;
  /** As it would be. */
  readonly config: Config;
}

/** The provider as it would be with this key and configuration. Nothing is asked of it yet. */
export async function providerWith(context: Context, { provider, key, config }: KeyToTry): Promise<Provider> {
  const { world, registry, globals, progress } = context;
  const env = key === undefined ? world.env : { ...world.env, [keyVariable(provider)]: key };
  return await loadProvider(registry, provider, { ...world, env }, {
    config: () => Promise.resolve(config),
    profile: globals.profile,
    onProgress: progress,
  });
}

/** Asks the API whether it takes the key. Returns whose it is; undefined where a provider cannot say. */
export async function tryKey(context: Context, toTry: KeyToTry): Promise<string | undefined> {
  const provider = await providerWith(context, toTry);
  context.progress(`checking the key with ${toTry.provider}`);
  try {
    if (provider.account) return await provider.account(context.signal);
    await provider.list(context.signal);
    return undefined;
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof LoginError) {
      throw new LoginError(`${toTry.provider} does not take this key: ${error.message}`, {
        hint: "copy it again, whole; nothing was written",
        cause: error,
      });
    }
    throw new GpuError(`the key could not be checked: ${messageOf(error)}`, {
      hint: "`--no-check` keeps it unchecked; nothing was written",
      cause: error,
    });
  } finally {
    context.progress(undefined);
  }
}

/** Refuses a key that does not see what is rented with the one it replaces: nobody could stop that any more. */
export async function checkStillSeen(context: Context, toTry: KeyToTry): Promise<void> {
  const journal = await context.journal();
  const rented = journal.launches({ open: true, provider: toTry.provider })
    .filter(({ instanceId, profile }) => instanceId !== null && (profile ?? undefined) === context.globals.profile);
  if (rented.length === 0) return;
  const provider = await providerWith(context, toTry);
  const listed = new Set((await provider.list(context.signal)).map(({ id }) => id));
  const unseen = rented.filter(({ instanceId }) => !listed.has(instanceId ?? ""));
  if (unseen.length === 0) return;
  throw new GpuError(
    `this key does not see ${
      unseen.map(({ instanceId }) => `\`${instanceId}\``).join(", ")
    }, rented with the one before`,
    { hint: "stop them first with `gpu stop`, or keep both keys: `--profile <name>`; nothing was written" },
  );
}

/** Refuses instance types that the provider has never heard of. */
export function checkTypes(types: readonly string[], offers: readonly Offer[]): void {
  const known = offers.map(({ type }) => type);
  const wrong = types.find((type) => !known.includes(type));
  if (wrong === undefined || known.length === 0) return;
  throw new UsageError(`there is no instance type \`${wrong}\``, {
    hint: didYouMean(wrong, known, (word) => word) ?? "`gpu available` lists them",
  });
}
