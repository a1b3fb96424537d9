import type { Context } from "../command.ts";
import type { HostLogin } from "../hosts/target.ts";
import type { Instance } from "../rent/instances.ts";

interface Wanted {
  /** A host or group; all of the configuration when left out. */
  readonly named?: string;
  /** Whether somebody listens there is looked at. */
  readonly isAsked: boolean;
}

const patienceMs = 2_000;

/** The hosts of the configuration, beside what is rented: owned by a person, so they cost nothing and never end. */
export async function ownedHosts(context: Context, { named, isAsked }: Wanted): Promise<Instance[]> {
  // A configuration that is broken is said by whoever needs it for more than this.
  const config = await context.config().catch(() => undefined);
  if (config === undefined || Object.keys(config.hosts).length === 0) return [];
  const { configuredHosts } = await import("../hosts/configured.ts");
  const { Logins, withSpec } = await import("../hosts/logins.ts");
  const { selectionOf } = await import("../hosts/params.ts");
  const hosts = configuredHosts(config);
  // What is rented is shown all the same: it costs money.
  for (const { name, error } of hosts.broken) {
    if (named === undefined || named === name) context.note(`warning: ${error.message}`);
  }
  const isBroken = hosts.broken.some(({ name }) => name === named);
  const selection = selectionOf({ host: [], identity: [], acceptNew: false, sshConfig: true });
  const logins = new Logins(context, selection, hosts);
  return await Promise.all(
    (named === undefined ? hosts.all : isBroken ? [] : hosts.find(named) ?? []).map(async (host) => {
      const login = await logins.loginOf(withSpec(host, host.spec), { mayAskPassword: false }).catch(() => undefined);
      return toInstance(host.name, login, isAsked ? await answers(context, login) : "not asked");
    }),
  );
}

/** A host behind another one cannot be asked without logging in there. */
async function answers(
  { world, signal }: Context,
  login: HostLogin | undefined,
): Promise<"reachable" | "unreachable" | "not asked"> {
  if (login === undefined || login.jumps.length > 0 || login.proxyCommand !== null) return "not asked";
  const over = new AbortController();
  const limit = AbortSignal.any([signal, over.signal]);
  world.clock.sleep(patienceMs, limit).then(() => over.abort(), () => {});
  try {
    const { host, port } = login.address;
    (await world.dial({ host, port, signal: limit })).destroy();
    return "reachable";
  } catch {
    signal.throwIfAborted();
    return "unreachable";
  } finally {
    over.abort();
  }
}

function toInstance(name: string, login: HostLogin | undefined, state: Instance["state"]): Instance {
  return {
    id: name,
    name: null,
    provider: "ssh",
    type: "-",
    region: "-",
    state,
    unknownWhy: null,
    address: login?.address ?? null,
    pricePerHour: 0,
    costDollars: null,
    launchedAt: null,
    readyAt: null,
    leaseEndsAt: null,
    leaseMinutesLeft: null,
    owner: "person",
    keptWhy: null,
    run: null,
    token: null,
  };
}
