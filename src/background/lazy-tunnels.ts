import type { Tunnels, TunnelsOptions } from "./tunnels.ts";

/** Tunnels that load the SSH client with the first of them: a process that only watches leases stays small. */
export function lazyTunnels(options: TunnelsOptions): Tunnels {
  let loaded: Tunnels | undefined;
  let starting = 0;
  const load = async () => {
    const { createTunnels } = await import("./tunnels.ts");
    return loaded ??= createTunnels(options);
  };
  return {
    heldCount: () => starting + (loaded?.heldCount() ?? 0),
    async start(request, gone) {
      starting += 1;
      try {
        await load();
      } finally {
        starting -= 1;
      }
      return await (await load()).start(request, gone);
    },
    status: (filter) => loaded?.status(filter) ?? [],
    stop: async (filter) => await loaded?.stop(filter) ?? [],
    abandon: async () => await loaded?.abandon(),
  };
}
