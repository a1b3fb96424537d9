import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Keychain, World } from "./world.ts";

/** On Linux secrets are kept by a service on the session bus: without a bus there is none, and asking may never end. */
export function keychainOf(platform: NodeJS.Platform, env: World["env"]): Keychain | undefined {
  const isSystems = platform === "darwin" || platform === "win32";
  const hasBus = env.DBUS_SESSION_BUS_ADDRESS || (env.XDG_RUNTIME_DIR && existsSync(join(env.XDG_RUNTIME_DIR, "bus")));
  if (!isSystems && !hasBus) return undefined;
  const service = "gpu";
  return {
    get: async (name) => await Bun.secrets.get({ service, name }) ?? undefined,
    set: (name, value) => Bun.secrets.set({ service, name, value }),
    delete: async (name) => void await Bun.secrets.delete({ service, name }),
  };
}
