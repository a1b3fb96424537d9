import type { Context } from "../command.ts";
import { activeProfile, type Config, profileName } from "../config.ts";
import { UsageError } from "../errors.ts";
import { readProviderKey } from "../secrets.ts";
import { canAsk } from "../terminal/ask.ts";
import { keyVariable, needsKey } from "./access.ts";
import type { Answers } from "./plan.ts";

/** What is to be configured, and how each answer was given. */
export interface Answered {
  readonly answers: Answers;
  /** Set where the key was checked while it was asked for. */
  readonly account?: string;
  readonly isProven?: boolean;
  from(key: keyof Answers): string;
}

export interface AnswersOptions {
  readonly given: Answers;
  readonly isImport: boolean;
  readonly isChecked: boolean;
}

const flagOf: Readonly<Partial<Record<keyof Answers, string>>> = {
  provider: "--provider",
  apiKey: "--api-key",
  region: "--default-region",
  filesystem: "--filesystem-name",
  sshKeyPath: "--ssh-key-path",
  model: "--default-model",
  types: "--default-gpu",
  hours: "--lease-hours",
  statusToken: "--status-token",
  statusPort: "--status-port",
  ciServer: "--ci-server",
  ciKey: "--ci-key",
};

/** Flags say it all; without any, a person is asked everything. */
export async function gatherAnswers(
  context: Context,
  config: Config,
  { given, isImport, isChecked }: AnswersOptions,
): Promise<Answered> {
  const { globals, attached } = context;
  const isSaid = isImport || Object.values(given).some((value) => value !== undefined);
  const hasKey = async (provider: string) => await storedKey(context, config, provider) !== undefined;
  if (!isSaid && attached !== undefined && canAsk(attached)) {
    const { askAnswers } = await import("./questions.ts");
    const { account, ...answers } = await askAnswers(context, {
      config,
      provider: globals.provider,
      current: profileOf(context, config)?.provider ?? "local",
      hasKey,
      isChecked,
    });
    return { answers, account, isProven: true, from: () => "asked" };
  }
  const provider = globals.provider ?? providerOf(context, config);
  const answers: Answers = { ...given, provider: globals.provider ?? (given.apiKey ? provider : undefined) };
  const from = (key: keyof Answers) => flagOf[key] ?? "flag";
  if (answers.provider === undefined) {
    if (isSaid) return { answers, from };
    throw nothingSaid();
  }
  if (answers.apiKey !== undefined || !needsKey(answers.provider) || await hasKey(answers.provider)) {
    return { answers, from };
  }
  const variable = keyVariable(answers.provider);
  const apiKey = context.world.env[variable];
  if (apiKey) return { answers: { ...answers, apiKey }, from: (key) => key === "apiKey" ? variable : from(key) };
  throw new UsageError(`a key for ${answers.provider} is missing`, {
    hint: `\`--api-key -\` reads it from stdin; \`${variable}\` in the environment works too`,
  });
}

/** The provider that settings are for when none is named: the profile's, else the only one that asks for a key. */
export function providerOf(context: Context, config: Config): string | undefined {
  const own = profileOf(context, config)?.provider;
  if (own !== undefined && needsKey(own)) return own;
  const remote = Object.keys(context.registry).filter(needsKey);
  return remote.length === 1 ? remote[0] : undefined;
}

function profileOf({ globals }: Context, config: Config) {
  const name = profileName(config, globals.profile);
  return Object.hasOwn(config.profiles, name) ? activeProfile(config, name) : undefined;
}

async function storedKey({ world, globals }: Context, config: Config, provider: string): Promise<string | undefined> {
  return await readProviderKey(world, { provider, profile: profileName(config, globals.profile) });
}

function nothingSaid(): UsageError {
  return new UsageError("nobody can be asked here, and no flag says what to configure", {
    hint: "`--provider <name> --api-key -` reads the key from stdin; `gpu configure --help` lists the other flags",
  });
}
