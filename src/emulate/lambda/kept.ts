import { z } from "zod";
import type { Fleet } from "../fleet.ts";
import type { Machines } from "../machines.ts";
import type { LambdaInstance } from "./instance.ts";
import { remakeInstance } from "./launch.ts";
import { LaunchBody } from "./requests.ts";
import type { Store } from "./store.ts";

const id = z.string().regex(/^[0-9a-f]{32}$/);

/** What lives on in the data folder when an emulator keeps its machines. */
export const Kept = z.object({
  keys: z.array(z.object({ id, name: z.string(), public_key: z.string() })),
  filesystems: z.array(z.object({
    id,
    name: z.string(),
    region: z.object({ name: z.string(), description: z.string() }),
    created: z.string(),
  })),
  instances: z.array(z.object({
    id,
    body: LaunchBody,
    name: z.string().optional(),
    jupyterToken: z.string(),
    launchedAt: z.number(),
    activeAt: z.number().optional(),
  })),
});
export type Kept = z.output<typeof Kept>;

export function keptOf(store: Store, fleet: Fleet<LambdaInstance>): Kept {
  const instances = fleet.made.filter(({ status }) => status === "active");
  return {
    keys: [...store.keys],
    filesystems: [...store.filesystems],
    instances: instances.map(({ spec, body, name, jupyterToken, launchedAt, activeAt }) => ({
      ...{ id: spec.id, body, name, jupyterToken, launchedAt, activeAt },
    })),
  };
}

interface Adopting {
  readonly store: Store;
  readonly fleet: Fleet<LambdaInstance>;
  readonly machines: Machines;
  readonly onLog: (line: string) => void;
}

/** Takes up what an earlier emulator kept, as far as it still lives. */
export async function adoptKept(kept: Kept, { store, fleet, machines, onLog }: Adopting): Promise<void> {
  store.keys = kept.keys;
  store.filesystems = kept.filesystems;
  for (const { name, activeAt, launchedAt: now, ...known } of kept.instances) {
    const address = await machines.find(known.id);
    const instance = address && await remakeInstance({ ...known, now, store, onLog });
    if (address && instance) fleet.adopt({ ...instance, name, activeAt }, address);
  }
}
