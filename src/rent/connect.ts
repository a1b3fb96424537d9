import { GpuError } from "../errors.ts";
import type { Session } from "../ssh/session.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { clientKey } from "./key.ts";
import type { Launch } from "./rows.ts";

type Reaching = Pick<World, "clock" | "dial" | "folders" | "random">;

/** Where a launched machine's SSH server is. */
export function addressOf(launch: Launch): SshAddress {
  const { host, port, user } = launch;
  if (host !== null && port !== null && user !== null) return { host, port, user };
  throw new GpuError(`\`${launch.instanceId ?? launch.token}\` has no address yet`, {
    hint: "`gpu wait` waits until SSH answers",
  });
}

/** Logs in on a machine that this computer launched, with the host key it was launched with. */
export async function connectInstance(world: Reaching, launch: Launch, signal?: AbortSignal): Promise<Session> {
  if (launch.hostPublicKey === "") {
    throw new GpuError(`the host key of \`${launch.instanceId ?? launch.token}\` is not known, so it is not believed`, {
      hint: "it was adopted while SSH did not answer; its lease and `gpu stop` work",
    });
  }
  return await connectAt(world, { address: addressOf(launch), hostKey: launch.hostPublicKey, signal });
}

interface At {
  readonly address: SshAddress;
  readonly hostKey: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Logs in at an address, and believes only this host key. */
export async function connectAt(world: Reaching, at: At): Promise<Session> {
  const { connect } = await import("../ssh/session.ts");
  const { privateKey } = await clientKey(world);
  return await connect({ world, privateKey, ...at });
}
