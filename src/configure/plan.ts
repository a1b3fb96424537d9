import { type Config, profileName } from "../config.ts";
import { listSecrets, type SecretWorld } from "../secrets.ts";
import { type Change, sameValue } from "./change.ts";

/** What a person answered, or a flag or an old file did. An empty text takes a setting away. */
export interface Answers {
  readonly provider?: string;
  readonly apiKey?: string;
  readonly url?: string;
  readonly region?: string;
  readonly filesystem?: string;
  readonly sshKeyPath?: string;
  readonly model?: string;
  readonly types?: readonly string[];
  readonly hours?: number;
  readonly statusToken?: string;
  readonly statusPort?: number;
  readonly ciServer?: string;
  readonly ciKey?: string;
  readonly forwards?: readonly string[];
  readonly models?: Readonly<Record<string, unknown>>;
}

/** Values and secrets to be written. */
export interface Plan {
  readonly profile: string;
  readonly changes: readonly Change[];
  readonly secrets: readonly { readonly name: string; readonly value: string }[];
}

export interface PlanOptions {
  readonly config: Config;
  /** `--profile` or `GPU_PROFILE`. */
  readonly named: string | undefined;
  /** Whose settings region, filesystem, SSH key and API key are. */
  readonly provider: string | undefined;
}

/** The answers as changes of the configuration, without those that change nothing. */
export async function planAnswers(
  world: SecretWorld,
  answers: Answers,
  { config, named, provider }: PlanOptions,
): Promise<Plan> {
  const profile = profileName(config, named);
  const ofProfile = ["profiles", profile];
  const ofProvider = provider === undefined ? undefined : ["providers", provider];
  const changes: Change[] = [];
  const set = (keys: readonly string[], value: unknown) => {
    if (value !== undefined) changes.push({ keys, value: value === "" ? undefined : value });
  };
  if (answers.provider !== undefined) {
    // The first profile is the one in force.
    if (config.profile === undefined) set(["profile"], profile);
    set([...ofProfile, "provider"], answers.provider);
  }
  set([...ofProfile, "ci", "server"], answers.ciServer);
  if (ofProvider) {
    set([...ofProvider, "url"], answers.url);
    set([...ofProvider, "region"], answers.region);
    set([...ofProvider, "filesystem"], answers.filesystem);
    set([...ofProvider, "sshKey"], answers.sshKeyPath);
  }
  set(["defaults", "model"], answers.model);
  set(["defaults", "type"], answers.types?.length === 0 ? "" : answers.types);
  set(["defaults", "hours"], answers.hours);
  set(["statusDaemon", "port"], answers.statusPort);
  set(["tunnel", "forwards"], answers.forwards);
  for (const [model, settings] of Object.entries(answers.models ?? {})) set(["models", model], settings);

  const secrets: { name: string; value: string }[] = [];
  if (answers.apiKey && provider !== undefined) {
    secrets.push({ name: await keyName(world, { provider, profile, named }), value: answers.apiKey });
  }
  if (answers.statusToken) secrets.push({ name: "statusDaemon", value: answers.statusToken });
  if (answers.ciKey) secrets.push({ name: `ci:${profile}`, value: answers.ciKey });
  return { profile, changes: changes.filter((change) => !sameValue(config, change)), secrets };
}

/** A profile that was named has a key of its own; else profiles share one. */
async function keyName(
  world: SecretWorld,
  { provider, profile, named }: { provider: string; profile: string; named: string | undefined },
): Promise<string> {
  const own = `${provider}:${profile}`;
  if (named !== undefined) return own;
  return (await listSecrets(world)).some(({ name }) => name === own) ? own : provider;
}
