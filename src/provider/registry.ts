import { UsageError } from "../errors.ts";
import type { World } from "../world.ts";
import type { Provider } from "./provider.ts";

/** The providers there are, each loaded when it is used. */
export type ProviderRegistry = Readonly<Record<string, (world: World) => Promise<Provider>>>;

export const providerRegistry: ProviderRegistry = {
  local: async (world) => (await import("./local/local.ts")).localProvider(world),
};

export async function loadProvider(registry: ProviderRegistry, name: string, world: World): Promise<Provider> {
  const load = Object.hasOwn(registry, name) ? registry[name] : undefined;
  if (load) return await load(world);
  throw new UsageError(`there is no provider \`${name}\``, { hint: `one of: ${Object.keys(registry).join(", ")}` });
}
