import type { Context } from "../command.ts";
import type { Config } from "../config.ts";
import { listSecrets } from "../secrets.ts";
import { type Change, valueAt } from "./change.ts";
import { oldFiles, readOldFiles } from "./import.ts";
import { showKey } from "./keys.ts";
import { type Answers, planAnswers } from "./plan.ts";

/** What is to be written, and what is to be said, before any of it is done. */
export interface Draft {
  readonly changes: (Change & { readonly from: string })[];
  readonly secrets: { readonly name: string; readonly value: string; readonly from: string }[];
  readonly kept: string[];
  readonly ignored: { from: string; key: string }[];
  readonly notes: string[];
}

export function emptyDraft(): Draft {
  return { changes: [], secrets: [], kept: [], ignored: [], notes: [] };
}

/** Adds what the files of older programs say, where the configuration says nothing yet. Returns whether there was one. */
export async function draftImports(context: Context, draft: Draft, config: Config): Promise<void> {
  const { world, registry, globals } = context;
  const files = await readOldFiles(world);
  if (files.length === 0) draft.notes.push(`there is nothing to import: none of ${oldFiles.join(", ")} is there`);
  const stored = new Set((await listSecrets(world)).map(({ name }) => name));
  for (const { from, provider, answers, ignored, notes } of files) {
    const isKnown = provider === undefined || Object.hasOwn(registry, provider);
    if (!isKnown) draft.notes.push(`this version cannot rent from ${provider}; only its key is taken from \`${from}\``);
    const taken: Answers = isKnown ? answers : { apiKey: answers.apiKey };
    const plan = await planAnswers(world, taken, { config, named: globals.profile, provider });
    for (const change of plan.changes) {
      if (valueAt(config, change.keys) === undefined) draft.changes.push({ ...change, from });
      else draft.kept.push(showKey(change.keys));
    }
    for (const secret of plan.secrets) {
      if (stored.has(secret.name)) draft.kept.push(`secret ${secret.name}`);
      else draft.secrets.push({ ...secret, from });
    }
    draft.ignored.push(...ignored.map((key) => ({ from, key })));
    draft.notes.push(...notes);
  }
}

/** Adds what a person or flags say; it wins over what is there. */
export async function draftAnswers(
  context: Context,
  draft: Draft,
  { answers, config, provider, from }: {
    answers: Answers;
    config: Config;
    provider: string | undefined;
    from(key: keyof Answers): string;
  },
): Promise<void> {
  // One at a time, so that each change knows which answer it came from.
  for (const key of answerKeys(answers)) {
    const plan = await planAnswers(context.world, { [key]: answers[key] }, {
      config,
      named: context.globals.profile,
      provider,
    });
    for (const change of plan.changes) replace(draft.changes, { ...change, from: from(key) }, isSameKey);
    for (const secret of plan.secrets) {
      replace(draft.secrets, { ...secret, from: from(key) }, (one, other) => one.name === other.name);
    }
  }
}

function answerKeys(answers: Answers): (keyof Answers)[] {
  const keys: Required<{ [K in keyof Answers]: 0 }> = {
    provider: 0,
    apiKey: 0,
    url: 0,
    region: 0,
    filesystem: 0,
    sshKeyPath: 0,
    model: 0,
    types: 0,
    hours: 0,
    statusToken: 0,
    statusPort: 0,
    ciServer: 0,
    ciKey: 0,
    forwards: 0,
    models: 0,
  };
  return names(keys).filter((key) => answers[key] !== undefined);
}

function names<T extends object>(record: T): (keyof T)[] {
  const found: (keyof T)[] = [];
  for (const key in record) found.push(key);
  return found;
}

function isSameKey(one: Change, other: Change): boolean {
  return showKey(one.keys) === showKey(other.keys);
}

function replace<T>(list: T[], item: T, isSame: (one: T, other: T) => boolean): void {
  const index = list.findIndex((other) => isSame(item, other));
  if (index < 0) list.push(item);
  else list[index] = item;
}
