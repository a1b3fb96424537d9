import type { Config } from "../config.ts";
import { UsageError } from "../errors.ts";
import type { World } from "../world.ts";
import type { Provider } from "./provider.ts";

/** The providers there are, each loaded when it is used. */
export type ProviderRegistry = Readonly<Record<string, (world: World, given: ProviderGiven) => Promise<Provider>>>;

/** What a provider may need beside the world; each has a default. */
export interface ProviderGiven {
  /** Read when a provider asks for it: the local one works with a configuration that is broken. */
  config?(): Promise<Config>;
  /** `--profile` or `GPU_PROFILE`. */
  readonly profile?: string;
  /** Says what is being waited for; replaces what it said before. */
  readonly onProgress?: (text: string) => void;
}

export const providerRegistry: ProviderRegistry = {
  local: async (world) => (await import("./local/local.ts")).localProvider(world),
  lambda: async (world, { config, profile, onProgress }) => {
    const { lambdaProvider } = await import("./lambda/lambda.ts");
    const { loadConfig, profileName } = await import("../config.ts");
    const configured = await (config?.() ?? loadConfig(world));
    const { url, region } = configured.providers.lambda ?? {};
    return lambdaProvider(world, { url, region, profile: profileName(configured, profile), onProgress });
  },
  ssh: async () => (await import("./ssh/ssh.ts")).sshProvider(),
};

export async function loadProvider(
  registry: ProviderRegistry,
  name: string,
  world: World,
  given: ProviderGiven = {},
): Promise<Provider> {
  const load = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (load) return await load(world, given);
  throw new UsageError(`there is no provider \`${name}\``, { hint: `one of: ${Object.keys(registry).join(", ")}` });
}
