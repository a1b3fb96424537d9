import { z } from "zod";
import type { Context } from "../command.ts";
import { type Config, configPath, profileName } from "../config.ts";
import { listSecrets } from "../secrets.ts";
import { keyVariable } from "./access.ts";
import { valueAt } from "./change.ts";
import { keysBelow, showKey } from "./keys.ts";

/** A setting as it is in force. */
export const Setting = z.object({
  key: z.string().describe("dotted, as `gpu config set` takes it"),
  value: z.unknown().describe("its value; stars for a secret"),
  source: z.enum(["flag", "environment", "profile", "configuration", "default", "keychain", "file"]).describe(
    "what decides it, of several values the strongest; `keychain` and `file`: where a secret is kept",
  ),
  from: z.string().nullable().describe("the flag, variable or file; null where there are several"),
});
export type Setting = z.output<typeof Setting>;

const stars = "********";

interface Override {
  readonly keys: readonly string[];
  /** As a flag or a variable gave it. */
  readonly flag?: { readonly name: string; readonly value: string | undefined };
  readonly variable?: string;
  readonly fallback?: unknown;
  parse?(text: string): unknown;
}

/** Every setting that has a value, in the configuration's order, and where the value comes from. */
export async function allSettings(context: Context): Promise<Setting[]> {
  const { world } = context;
  const config = await context.config();
  const overrides = overridesOf(context, config);
  const configured = leavesOf(config).map((keys) => [showKey(keys), keys] as const);
  const all = new Map([...overrides.map(({ keys }) => [showKey(keys), keys] as const), ...configured]);
  const order = keysBelow([]);
  const rank = ([, keys]: readonly [string, readonly string[]]) => order.indexOf(keys[0] ?? "");
  const settings = [...all].toSorted((one, other) => rank(one) - rank(other)).flatMap(([key, keys]) => {
    const override = overrides.find((other) => showKey(other.keys) === key);
    const setting = settingAt(context, config, { keys, override });
    return setting === undefined ? [] : [setting];
  });
  const stored = (await listSecrets(world)).filter(({ name }) => !world.env[keyVariable(name)])
    .map(({ name, place }): Setting => ({ key: `secret ${name}`, value: stars, source: place, from: null }));
  const given = Object.keys(context.registry).map(keyVariable).filter((variable) => world.env[variable]);
  const fromEnvironment = given.map((variable): Setting => ({
    key: `secret ${variable.replace(/_API_KEY$/, "").toLowerCase()}`,
    value: stars,
    source: "environment",
    from: variable,
  }));
  return [...settings, ...stored, ...fromEnvironment];
}

/** One setting, or all below a key as one object; undefined where there is no value. */
export async function settingOf(context: Context, keys: readonly string[]): Promise<Setting | undefined> {
  const config = await context.config();
  const overrides = overridesOf(context, config);
  const override = overrides.find((other) => showKey(other.keys) === showKey(keys));
  if (override) return settingAt(context, config, { keys, override });
  const inForce = overrides.filter((other) => isBelow(other.keys, keys));
  if (inForce.length === 0) return settingAt(context, config, { keys, override });
  return joined(
    keys,
    leavesBelow(config, keys, inForce).flatMap(({ keys, override }) => {
      const setting = settingAt(context, config, { keys, override });
      return setting ? [{ keys, setting }] : [];
    }),
  );
}

function isBelow(keys: readonly string[], above: readonly string[]): boolean {
  return keys.length > above.length && above.every((key, index) => keys[index] === key);
}

/** Every value below a key: those of the configuration, then those that only something else gives. */
function leavesBelow(config: Config, above: readonly string[], overrides: readonly Override[]) {
  const configured = leavesOf(config).filter((keys) => isBelow(keys, above));
  const others = overrides.map(({ keys }) => keys)
    .filter((keys) => !configured.some((known) => showKey(known) === showKey(keys)));
  return [...configured, ...others].map((keys) => ({
    keys,
    override: overrides.find((other) => showKey(other.keys) === showKey(keys)),
  }));
}

/** What decides over something else comes first. */
const strength: readonly Setting["source"][] = ["flag", "environment", "profile", "configuration", "default"];

/** Several settings below one key as one object; it is said to come from where the strongest of them does. */
function joined(
  above: readonly string[],
  found: readonly { readonly keys: readonly string[]; readonly setting: Setting }[],
): Setting | undefined {
  const [strongest] = found.map(({ setting }) => setting)
    .toSorted((one, other) => strength.indexOf(one.source) - strength.indexOf(other.source));
  if (!strongest) return undefined;
  const isOfOne = found.every(({ setting }) => setting.from === strongest.from);
  const entries = found.map(({ keys, setting }) => ({ path: keys.slice(above.length), value: setting.value }));
  return {
    key: showKey(above),
    value: nested(entries),
    source: strongest.source,
    from: isOfOne ? strongest.from : null,
  };
}

interface Entry {
  readonly path: readonly string[];
  readonly value: unknown;
}

function nested(entries: readonly Entry[]): Record<string, unknown> {
  const names = [...new Set(entries.map(({ path }) => path[0] ?? ""))];
  return Object.fromEntries(names.map((name) => {
    const below = entries.filter(({ path }) => path[0] === name);
    const whole = below.find(({ path }) => path.length === 1);
    return [name, whole ? whole.value : nested(below.map(({ path, value }) => ({ path: path.slice(1), value })))];
  }));
}

function settingAt(
  { world }: Context,
  config: Config,
  { keys, override }: { keys: readonly string[]; override: Override | undefined },
): Setting | undefined {
  const key = showKey(keys);
  const shown = (value: unknown) => isSecret(keys) ? stars : value;
  const fromVariable = override?.variable === undefined ? undefined : world.env[override.variable] || undefined;
  const parse = override?.parse ?? ((text: string) => text);
  const { flag } = override ?? {};
  // A variable arrives as the value of its flag too.
  if (flag?.value !== undefined && flag.value !== fromVariable) {
    return { key, value: parse(flag.value), source: "flag", from: flag.name };
  }
  if (fromVariable !== undefined) {
    return { key, value: shown(parse(fromVariable)), source: "environment", from: override?.variable ?? null };
  }
  const value = valueAt(config, keys);
  const isEmpty = value === undefined ||
    (typeof value === "object" && value !== null && Object.keys(value).length === 0);
  if (!isEmpty) {
    const source = keys[0] === "profiles" ? "profile" : "configuration";
    return { key, value: withoutSecrets(value, keys), source, from: configPath(world) };
  }
  if (override?.fallback === undefined) return undefined;
  return { key, value: override.fallback, source: "default", from: null };
}

/** What something else than the configuration may decide, and what holds when nothing does. */
function overridesOf({ globals }: Context, config: Config): Override[] {
  const profile = profileName(config, globals.profile);
  return [
    {
      keys: ["profile"],
      flag: { name: "--profile", value: globals.profile },
      variable: "GPU_PROFILE",
      fallback: "default",
    },
    {
      keys: ["profiles", profile, "provider"],
      flag: { name: "--provider", value: globals.provider },
      variable: "GPU_PROVIDER",
      fallback: "local",
    },
    { keys: ["profiles", profile, "ci", "server"], variable: "CI_SERVER_URL", fallback: "http://localhost:8000" },
    { keys: ["profiles", profile, "ci", "apiKey"], variable: "CI_API_KEY" },
    { keys: ["providers", "lambda", "url"], variable: "LAMBDA_API_URL" },
    { keys: ["defaults", "hours"], variable: "GPU_LEASE_HOURS", fallback: 4, parse: Number },
    { keys: ["lease", "enforce"], fallback: "reaper" },
    { keys: ["lease", "warn"], fallback: "10m" },
    { keys: ["tunnel", "forwards"], fallback: ["8000:8000", "5678:5678", "8080:agent"] },
    { keys: ["statusDaemon", "port"], fallback: 8080 },
  ];
}

function leavesOf(value: unknown, keys: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value === undefined ? [] : [keys];
  return Object.entries(value).flatMap(([key, below]) => leavesOf(below, [...keys, key]));
}

function isSecret(keys: readonly string[]): boolean {
  return keys.at(-1) === "apiKey";
}

function withoutSecrets(value: unknown, keys: readonly string[]): unknown {
  if (isSecret(keys)) return stars;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, withoutSecrets(below, [...keys, key])]));
}
