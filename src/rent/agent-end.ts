import { loadProvider, providerRegistry } from "../provider/registry.ts";
import type { World } from "../world.ts";

export interface EndOptions {
  readonly provider: string;
  readonly instanceId: string;
  /** What the provider reads its key and address from: it is nowhere but in this process's memory. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Ends the instance that this process runs on, through its provider. */
export async function endThroughProvider(
  world: World,
  { provider: name, instanceId, environment }: EndOptions,
): Promise<"accepted" | "gone" | "not-yet"> {
  const provider = await loadProvider(providerRegistry, name, { ...world, env: { ...world.env, ...environment } });
  return await provider.terminate(instanceId);
}
