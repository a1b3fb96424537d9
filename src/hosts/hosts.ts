import type { Context } from "../command.ts";
import { type ConfiguredHost, type ConfiguredHosts, configuredHosts } from "./configured.ts";
import { readHostsFile } from "./hosts-file.ts";
import { type MeantHost, withSpec } from "./logins.ts";
import { expandRange } from "./range.ts";
import { parseHostSpec } from "./spec.ts";
import type { Selection } from "./target.ts";

/** The hosts that `--host` and `--hosts-file` name, in their order. */
export async function namedHosts(
  { world }: Context,
  { hosts, hostsFile }: Selection,
  known: ConfiguredHosts,
): Promise<MeantHost[]> {
  const written = hosts.map((text) => ({ text, place: "--host" }));
  const listed = hostsFile === undefined ? [] : await readHostsFile(hostsFile, world);
  return [...written, ...listed].flatMap(({ text, place }) => hostsIn(text, place, known));
}

/** What one word stands for: a host, a range of them, or a host or group of the configuration. */
export function hostsIn(text: string, place: string, known: ConfiguredHosts): MeantHost[] {
  return expandRange(text, place).flatMap((one) => {
    const whole = known.find(one);
    if (whole) return whole.map((host) => withSpec(host, { user: undefined, port: undefined }));
    const spec = parseHostSpec(one, place);
    const found = known.find(spec.name);
    return found ? found.map((host) => withSpec(host, spec)) : [{ name: spec.name, spec, configured: undefined }];
  });
}

/** Hosts of the configuration that carry all of these tags. */
export function taggedHosts(tags: Readonly<Record<string, string>>, { all, broken }: ConfiguredHosts): MeantHost[] {
  // It is meant, and must not be left out in silence.
  const wrong = broken.find((entry) => carries(entry, tags));
  if (wrong) throw wrong.error;
  return all.filter((host) => carries(host, tags)).map((host) => withSpec(host, host.spec));
}

function carries({ tags }: Pick<ConfiguredHost, "tags">, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(tags, key) && tags[key] === value);
}

/** The hosts of the configuration; none are looked at where nothing is configured. */
export async function knownHosts(context: Context): Promise<ConfiguredHosts> {
  return configuredHosts(await context.config());
}
