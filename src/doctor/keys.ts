import type { Context } from "../command.ts";
import { defaultProvider, profileName } from "../config.ts";
import { keyVariable, needsKey } from "../configure/access.ts";
import { GpuError, LoginError, messageOf } from "../errors.ts";
import { readProviderKey } from "../secrets.ts";
import type { Check, Finding } from "./check.ts";

/** What a check says that needs the configuration; another one says what is wrong with that. */
export const notAsked = "not asked: the configuration is wrong";

// Less than a check may take as a whole.
const answerMs = 4_500;

/** Each configured provider takes its key. */
export const keyCheck: Check = {
  name: "key",
  async run(context, signal): Promise<readonly Finding[]> {
    const providers = await configuredProviders(context);
    if (providers === undefined) {
      return [{ status: "warn", detail: notAsked, fix: "`gpu doctor configuration profile` says how" }];
    }
    if (providers.length === 0) return [{ status: "ok", detail: "no provider that asks for a key is configured" }];
    return await Promise.all(providers.map((name) =>
      // One that does not answer hides nothing of the others.
      Promise.race([checkKey(context, name, signal), late(context, name, signal)])
    ));
  },
};

async function late({ world }: Context, of: string, signal: AbortSignal): Promise<Finding> {
  await world.clock.sleep(answerMs, signal).catch(() => {});
  return { of, status: "warn", detail: `no answer in ${answerMs / 1000} s`, fix: "`gpu doctor key` asks again" };
}

/** Providers with settings, and the one in force, that ask for a key; undefined where the configuration is wrong. */
export async function configuredProviders(
  { config, globals, world, registry }: Context,
): Promise<string[] | undefined> {
  try {
    const configured = await config();
    const inForce = globals.provider ?? defaultProvider(configured, world, globals.profile);
    const names = new Set([...Object.keys(configured.providers), inForce]);
    return [...names].filter((name) => needsKey(name) && Object.hasOwn(registry, name));
  } catch {
    return undefined; // Checks of their own say what is wrong with it.
  }
}

async function checkKey(context: Context, name: string, signal: AbortSignal): Promise<Finding> {
  const { config, globals, world } = context;
  const variable = keyVariable(name);
  const profile = profileName(await config(), globals.profile);
  const isKept = await readProviderKey(world, { provider: name, profile }) !== undefined;
  const isGiven = Boolean(world.env[variable]);
  if (!isKept && !isGiven) {
    return {
      of: name,
      status: "fail",
      detail: "there is none",
      fix: `\`gpu configure --provider ${name}\` stores it, or set \`${variable}\``,
    };
  }
  const from = isGiven ? ` from \`${variable}\`` : "";
  try {
    const provider = await context.provider(name);
    const account = provider.account ? await provider.account(signal) : void await provider.list(signal);
    return { of: name, status: "ok", detail: `accepted${from}${account ? `, account ${account}` : ""}` };
  } catch (error) {
    if (error instanceof LoginError) {
      return {
        of: name,
        status: "fail",
        detail: `not accepted${from}: ${messageOf(error)}`,
        fix: `\`gpu configure --provider ${name} --api-key -\` stores another`,
      };
    }
    const hint = error instanceof GpuError ? error.hint : undefined;
    const fix = hint ?? "check the network, then ask again: `gpu doctor key`";
    return { of: name, status: "fail", detail: `it could not be checked: ${messageOf(error)}`, fix };
  }
}
