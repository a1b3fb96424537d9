import type { ProviderRegistry } from "../../provider/registry.ts";
import type { World } from "../../world.ts";

/** It stays however long nothing is rented: another could not reach the cloud that is emulated here. */
const idleMs = 365 * 86_400_000;

/**
 * Runs the background process of a rehearsal inside of this process, until disposed: it has to reach an emulated cloud
 * that ends with us, so there is nothing left for it to do once we are gone.
 */
export async function runInside(world: World, registry: ProviderRegistry): Promise<AsyncDisposable> {
  const { runBackground } = await import("../../background/process.ts");
  const ending = new AbortController();
  const over = runBackground(world, { registry, idleMs, signal: ending.signal });
  // Should it fail, renting says that nothing watches.
  over.catch(() => {});
  return {
    async [Symbol.asyncDispose]() {
      ending.abort(new Error("the rehearsal is over"));
      await over.catch(() => {});
    },
  };
}
