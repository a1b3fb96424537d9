import { join } from "node:path";
import type { Folders } from "./world.ts";

/** XDG's folders where they are set or the platform has none of its own. */
export function foldersOf(
  platform: NodeJS.Platform,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): Folders {
  const local = env.LOCALAPPDATA || join(home, "AppData", "Local");
  const own = {
    darwin: {
      config: join(home, "Library", "Application Support"),
      state: join(home, "Library", "Application Support"),
      cache: join(home, "Library", "Caches"),
    },
    win32: { config: env.APPDATA || join(home, "AppData", "Roaming"), state: local, cache: join(local, "Cache") },
    other: { config: join(home, ".config"), state: join(home, ".local", "state"), cache: join(home, ".cache") },
  }[platform === "darwin" || platform === "win32" ? platform : "other"];
  return {
    config: join(absolute(env.XDG_CONFIG_HOME) ?? own.config, "gpu"),
    state: join(absolute(env.XDG_STATE_HOME) ?? own.state, "gpu"),
    cache: join(absolute(env.XDG_CACHE_HOME) ?? own.cache, "gpu"),
  };
}

// The XDG specification: a relative path is to be ignored.
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path ?? "") ? path : undefined;
}
