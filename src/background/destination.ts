import { addressOf } from "../rent/connect.ts";
import { keyOfLaunch } from "../rent/key.ts";
import type { Launch } from "../rent/rows.ts";
import type { World } from "../world.ts";
import type { Destination } from "./tunnel-protocol.ts";

/** Where a tunnel to a rented instance leads, and what opens it. */
export async function instanceDestination(
  world: Pick<World, "folders" | "random">,
  launch: Launch,
): Promise<Destination> {
  return {
    kind: "instance",
    instanceId: launch.instanceId ?? launch.token,
    token: launch.token,
    address: addressOf(launch),
    hostKey: launch.hostPublicKey,
    privateKeyPath: (await keyOfLaunch(world, launch)).path,
  };
}
