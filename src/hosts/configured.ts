import type { Config } from "../config.ts";
import { type GpuError, UsageError } from "../errors.ts";
import { expandRange } from "./range.ts";
import { type HostSpec, parseHostSpec } from "./spec.ts";

/** A host with all that the configuration says of it. */
export interface ConfiguredHost {
  /** As a person calls it. */
  readonly name: string;
  readonly spec: HostSpec;
  readonly identity: string | undefined;
  /** Hosts to go through, with commas between, as ProxyJump. */
  readonly jump: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

type Entry = Config["hosts"][string];

/** The hosts of the configuration. */
export interface ConfiguredHosts {
  /** Each once. */
  readonly all: readonly ConfiguredHost[];
  /** Names of hosts and groups that can be understood, and the names of the hosts in these groups. */
  readonly names: readonly string[];
  /** The entries that cannot be understood. */
  readonly broken: readonly BrokenEntry[];
  /**
   * What a name stands for: a host, a group, or one host of a group; undefined when it has none. Throws where the entry
   * of this name cannot be understood.
   */
  find(name: string): readonly ConfiguredHost[] | undefined;
}

export interface BrokenEntry {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly error: GpuError;
}

/** Reads `hosts:`. An entry that cannot be understood fails for whoever asks for it. */
export function configuredHosts({ hosts }: Pick<Config, "hosts">): ConfiguredHosts {
  const named = new Map<string, readonly ConfiguredHost[]>();
  const broken: BrokenEntry[] = [];
  for (const [name, { tags = {} }] of Object.entries(hosts)) {
    try {
      named.set(name, membersOf(name, hosts));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      broken.push({ name, tags, error });
    }
  }
  const each = new Map<string, ConfiguredHost>();
  for (const host of [...named.values()].flat()) if (!each.has(host.name)) each.set(host.name, host);
  return {
    all: [...each.values()],
    names: [...new Set([...named.keys(), ...each.keys()])],
    broken,
    find(name) {
      const wrong = broken.find((entry) => entry.name === name);
      if (wrong) throw wrong.error;
      const one = each.get(name);
      return named.get(name) ?? (one && [one]);
    },
  };
}

function membersOf(name: string, hosts: Config["hosts"], inside: readonly string[] = []): ConfiguredHost[] {
  const entry = Object.hasOwn(hosts, name) ? hosts[name] : undefined;
  if (entry === undefined) return [];
  if (inside.includes(name)) {
    throw new UsageError(`the group \`${name}\` holds itself (\`hosts.${[...inside, name].join("` in `hosts.")}\`)`);
  }
  const place = `hosts.${name} of the configuration`;
  if (entry.range === undefined && entry.names === undefined) {
    return [hostOf(name, entry.address ?? name, { entry, place })];
  }
  const written = [...(entry.range === undefined ? [] : [entry.range]), ...(entry.names ?? [])];
  return written.flatMap((pattern) => expandRange(pattern, place)).flatMap((member) =>
    Object.hasOwn(hosts, member) && member !== name
      ? membersOf(member, hosts, [...inside, name]).map((host) => inherit(host, entry))
      : [hostOf(parseHostSpec(member, place).name, member, { entry, place })]
  );
}

function hostOf(name: string, address: string, { entry, place }: { entry: Entry; place: string }): ConfiguredHost {
  const said = parseHostSpec(address, place);
  return {
    name,
    spec: { name: said.name, user: said.user ?? entry.user, port: said.port ?? entry.port },
    identity: entry.identity,
    jump: entry.jump,
    tags: entry.tags ?? {},
  };
}

/** A host that has an entry of its own takes from its group what that does not say. */
function inherit(host: ConfiguredHost, group: Entry): ConfiguredHost {
  return {
    name: host.name,
    spec: { ...host.spec, user: host.spec.user ?? group.user, port: host.spec.port ?? group.port },
    identity: host.identity ?? group.identity,
    jump: host.jump ?? group.jump,
    tags: { ...group.tags, ...host.tags },
  };
}
