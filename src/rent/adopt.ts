import type { Context } from "../command.ts";
import { GpuError, messageOf } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import { checkCaps } from "./caps.ts";
import { connectAt } from "./connect.ts";
import { clientKey, configuredKeyPath } from "./key.ts";
import { fleetOf } from "./fleet.ts";
import type { Instance } from "./instances.ts";
import type { Journal } from "./journal.ts";
import { leaseCost, leaseEnd } from "./lease.ts";
import { resolveInstance } from "./resolve.ts";

/** An instance that was taken into the journal, or would be. */
export interface Adoption {
  readonly instance: Instance;
  readonly leaseEndsAt: number;
  /** The most it can cost from now on, in US dollars. */
  readonly costDollars: number;
  /** Of the host key that is believed from now on; null when SSH did not answer. */
  readonly fingerprint: string | null;
  /** Whether it lets this computer's key in; null when that was not tried. */
  readonly isReachable: boolean | null;
  /** What is not as it should be. */
  readonly remark: string | null;
}

/** The instance that is meant, and that this journal does not know. */
export async function findAdoptable(context: Context, selector: string): Promise<Instance> {
  const instance = await resolveInstance({ ...await fleetOf(context), selector });
  if (instance.owner === "unknown" && instance.state !== "stopped") return instance;
  throw new GpuError(`\`${instance.id}\` is in the journal of this computer already`, {
    hint: "`gpu extend` makes its lease longer, `gpu stop` ends it",
  });
}

/** Gives a machine that nobody here knows a lease, and a host key that is believed from its first contact on. */
export async function adoptInstance(
  context: Context,
  { selector, hours, isDry }: { selector: string; hours: number; isDry: boolean },
): Promise<Adoption> {
  const { world, signal, progress } = context;
  const instance = await findAdoptable(context, selector);
  const { id, type, region, pricePerHour, address } = instance;
  progress(`asking ${id} for its host key`);
  const config = await context.config();
  const sshKey = configuredKeyPath(config, { provider: instance.provider, home: world.home });
  const contact = await firstContact(context, address, sshKey);
  const costDollars = leaseCost({ pricePerHour, hours });
  const leaseEndsAt = leaseEnd({ now: world.clock.now(), hours });
  const { hostKey, ...told } = contact;
  if (isDry) return { instance, leaseEndsAt, costDollars, ...told };
  const journal = await context.journal();
  const run = await context.run.id();
  const allow = () => checkCaps({ journal, now: world.clock.now(), run, costDollars }, config.budget);
  allow();
  const provider = await context.provider(instance.provider);
  const account = await provider.account?.(signal);
  // The journal first: should we die in between, it is ours and ends with the lease that it has here.
  const launch = journal.adopt({
    // A token finds machines by their names: what a listing calls one must be as certain as ours are.
    token: tokenFor(instance, journal) ?? Buffer.from(world.random(10)).toString("hex"),
    ...{ run, type, region, pricePerHour, leaseEndsAt, account },
    ...{ instanceId: id, provider: provider.name, profile: context.globals.profile },
    name: instance.name ?? undefined,
    request: { adopted: id, sshKey },
    hostPublicKey: hostKey ?? "",
    at: address ?? undefined,
  }, allow);
  await provider.setLeaseEnd?.(id, leaseEndsAt);
  return { instance: { ...instance, token: launch.token }, leaseEndsAt, costDollars, ...told };
}

/** The token in its name, unless that is the mark of a row which was forgotten. */
function tokenFor({ token }: Instance, journal: Journal): string | undefined {
  const isOurs = token !== null && /^[0-9a-f]{20}$/.test(token);
  return isOurs && journal.launch(token) === undefined ? token : undefined;
}

interface Contact extends Pick<Adoption, "fingerprint" | "isReachable" | "remark"> {
  readonly hostKey: string | null;
}

async function firstContact(
  { world, signal }: Context,
  address: SshAddress | null,
  sshKey: string | undefined,
): Promise<Contact> {
  const none = { hostKey: null, fingerprint: null, isReachable: null };
  if (address === null) return { ...none, remark: "it has no address yet: only its lease and `gpu stop` work" };
  const { readHostKey } = await import("../ssh/first-contact.ts");
  try {
    const { publicKey, fingerprint } = await readHostKey(world, { address, signal });
    const shown = { hostKey: publicKey, fingerprint };
    try {
      const { privateKey } = await clientKey(world, sshKey);
      await using _session = await connectAt(world, {
        ...{ address, hostKey: publicKey, privateKey, signal },
        timeoutMs: 10_000,
      });
      return { ...shown, isReachable: true, remark: null };
    } catch (error) {
      signal.throwIfAborted();
      return { ...shown, isReachable: false, remark: `only its lease and \`gpu stop\` work: ${messageOf(error)}` };
    }
  } catch (error) {
    signal.throwIfAborted();
    return { ...none, remark: `only its lease and \`gpu stop\` work: ${messageOf(error)}` };
  }
}
