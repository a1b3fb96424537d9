import { GpuError } from "../errors.ts";
import type { Session } from "../ssh/session.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { World } from "../world.ts";
import { clientKey, keyOfLaunch } from "./key.ts";
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
export async function connectInstance(
  world: Reaching,
  launch: Launch,
  signal?: AbortSignal,
  { forwardAgent }: { forwardAgent?: string } = {},
): Promise<Session> {
  if (launch.hostPublicKey === "") {
    throw new GpuError(`the host key of \`${launch.instanceId ?? launch.token}\` is not known, so it is not believed`, {
      hint: "it was adopted while SSH did not answer; its lease and `gpu stop` work",
    });
  }
  const { privateKey } = await keyOfLaunch(world, launch);
  return await connectAt(world, {
    address: addressOf(launch),
    hostKey: launch.hostPublicKey,
    privateKey,
    signal,
    forwardAgent,
  });
}

interface At {
  readonly address: SshAddress;
  readonly hostKey: string;
  /** This computer's own when left out. */
  readonly privateKey?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly forwardAgent?: string;
}

/** Logs in at an address, and believes only this host key. */
export async function connectAt(world: Reaching, at: At): Promise<Session> {
  const { connect } = await import("../ssh/session.ts");
  const privateKey = at.privateKey ?? (await clientKey(world)).privateKey;
  return await connect({ world, ...at, privateKey });
}
