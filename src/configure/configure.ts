import type { Context } from "../command.ts";
import { type Config, configPath, profileName } from "../config.ts";
import { LoginError, messageOf, UsageError } from "../errors.ts";
import { writeSecret } from "../secrets.ts";
import { checkProvider, needsKey } from "./access.ts";
import { type Answered, gatherAnswers, providerOf } from "./answers.ts";
import { correctType } from "./corrections.ts";
import { type Draft, draftAnswers, draftImports, emptyDraft } from "./draft.ts";
import { showKey } from "./keys.ts";
import type { Answers } from "./plan.ts";
import type { Configured } from "./result.ts";
import { checkStillSeen, checkTypes, providerWith, tryKey } from "./try-key.ts";
import { changedConfig, setConfig } from "./write.ts";

export interface ConfigureOptions {
  /** What flags say. */
  readonly given: Answers;
  readonly isImport: boolean;
  readonly isDryRun: boolean;
  /** Whether the key and the types are checked with the provider. */
  readonly isChecked: boolean;
}

/** Takes answers from flags, old files or a person, checks them and writes them down. */
export async function configure(context: Context, options: ConfigureOptions): Promise<Configured> {
  const { world, globals, registry } = context;
  const config = await context.config();
  const profile = profileName(config, globals.profile);
  checkProfileName(profile);
  if (globals.provider !== undefined) checkProvider(registry, globals.provider);

  const draft = emptyDraft();
  if (options.isImport) await draftImports(context, draft, config);
  const answered = await gatherAnswers(context, config, options);
  const answers = await checkAnswers(answered.answers, { config, draft });
  const provider = answers.provider ?? providerOf(context, config);
  checkHasProvider(answers, provider);
  await draftAnswers(context, draft, { answers, config, provider, from: answered.from });

  const { config: changed } = await changedConfig(world, draft.changes);
  const account = options.isChecked && !options.isImport
    ? await checkWithProvider(context, { answered, answers, provider, config: changed })
    : undefined;
  if (options.isImport && options.isChecked) await warnOfDeadKey(context, draft, changed);
  const secrets = options.isDryRun ? [] : await write(context, draft);
  return {
    path: configPath(world),
    profile,
    provider: provider ?? null,
    account: account ?? null,
    isWritten: !options.isDryRun,
    changes: draft.changes.map(({ keys, value, from }) => ({ key: showKey(keys), value: value ?? null, from })),
    secrets: options.isDryRun ? draft.secrets.map(({ name, from }) => ({ name, place: null, from })) : secrets,
    kept: draft.kept,
    ignored: draft.ignored,
    notes: draft.notes,
  };
}

function checkProfileName(profile: string): void {
  if (/^[A-Za-z0-9][\w-]*$/.test(profile)) return;
  throw new UsageError(`\`${profile}\` cannot be the name of a profile`, { hint: "letters, digits, `-` and `_`" });
}

/** What can be known to be wrong without asking anybody. */
async function checkAnswers(answers: Answers, { config, draft }: { config: Config; draft: Draft }): Promise<Answers> {
  if (answers.model) (await import("../models/models.ts")).getModel(config, answers.model);
  const types = answers.types?.map((type) => {
    const { type: correct, note } = correctType(type);
    if (note !== undefined) draft.notes.push(note);
    return correct;
  });
  return { ...answers, types };
}

function checkHasProvider(answers: Answers, provider: string | undefined): void {
  const isOfProvider = [answers.apiKey, answers.region, answers.filesystem, answers.sshKeyPath]
    .some((value) => value !== undefined);
  if (!isOfProvider || provider !== undefined) return;
  throw new UsageError("it is not clear which provider these settings are for", { hint: "`--provider` names it" });
}

async function checkWithProvider(
  context: Context,
  { answered, answers, provider, config }: {
    answered: Answered;
    answers: Answers;
    provider: string | undefined;
    config: Config;
  },
): Promise<string | undefined> {
  if (provider === undefined || !needsKey(provider)) return undefined;
  const toTry = { provider, key: answers.apiKey, config };
  const isNew = answers.apiKey !== undefined || answers.provider !== undefined;
  const account = isNew && !answered.isProven ? await tryKey(context, toTry) : answered.account;
  if (answers.apiKey !== undefined) await checkStillSeen(context, toTry);
  if (answers.types?.length && !answered.isProven) {
    checkTypes(answers.types, await (await providerWith(context, toTry)).offers(context.signal));
  }
  return account;
}

/** A key from an old file may be long dead: that is said, and the rest is taken all the same. */
async function warnOfDeadKey(context: Context, draft: Draft, config: Config): Promise<void> {
  for (const { name, value, from } of draft.secrets) {
    const provider = name.split(":")[0] ?? "";
    if (!Object.hasOwn(context.registry, provider)) continue;
    try {
      await tryKey(context, { provider, key: value, config });
    } catch (error) {
      context.signal.throwIfAborted();
      const why = error instanceof LoginError ? `${provider} does not take the key` : messageOf(error);
      draft.notes.push(`the key from \`${from}\`: ${why}; \`gpu configure --provider ${provider}\` stores another`);
    }
  }
}

async function write({ world }: Context, { secrets, changes }: Draft): Promise<Configured["secrets"]> {
  const stored: Configured["secrets"] = [];
  for (const { name, value, from } of secrets) {
    stored.push({ name, place: await writeSecret(world, name, value), from });
  }
  if (changes.length > 0) await setConfig(world, changes);
  return stored;
}
