import type { Context } from "../command.ts";
import type { Config } from "../config.ts";
import { LoginError, messageOf } from "../errors.ts";
import { allModels, type Model, modelFits } from "../models/models.ts";
import type { Offer } from "../provider/provider.ts";
import { askChoice, askSecret, askText, askYesNo } from "../terminal/ask.ts";
import { safeText } from "../safe-text.ts";
import { keyPage, keyVariable, needsKey } from "./access.ts";
import type { Answers } from "./plan.ts";
import { providerWith, tryKey } from "./try-key.ts";

/** The answer that means none in particular. */
const any = "";

export interface QuestionsOptions {
  readonly config: Config;
  /** Named by a flag or the environment, so not asked for. */
  readonly provider: string | undefined;
  /** What is in force now, offered first. */
  readonly current: string;
  /** Whether the provider's key is kept already. */
  hasKey(provider: string): Promise<boolean>;
  readonly isChecked: boolean;
}

/** Asks a person everything, in an order where each answer helps with the next. */
export async function askAnswers(context: Context, options: QuestionsOptions): Promise<Answers & { account?: string }> {
  const { config } = options;
  const { signal, world: { terminal } } = context;
  const provider = options.provider ?? await askChoice(terminal, {
    question: "Which provider do you rent from?",
    flag: "--provider",
    initial: options.current === "local" ? remoteOf(context) ?? "local" : options.current,
    choices: Object.keys(context.registry).toReversed().map((name) => ({
      value: name,
      label: name,
      says: name === "local" ? "machines on this computer, for nothing" : undefined,
    })),
    signal,
  });
  // Models and types are chosen among a cloud's.
  if (!needsKey(provider)) return { provider, hours: await askHours(context, config) };

  const { key, account } = await askKey(context, provider, options);
  const offers = await offersOf(context, { provider, key, config });
  const settings = config.providers[provider] ?? {};
  const text = (question: string, flag: string, initial: string | undefined, placeholder: string) =>
    askText(terminal, { question, flag, initial, placeholder, signal });
  return {
    provider,
    apiKey: key,
    account,
    region: await text("Which region do you prefer?", "--default-region", settings.region, "any; us-west-1"),
    ...await askDefaults(context, config, offers),
    sshKeyPath: await text("Path of your SSH key?", "--ssh-key-path", settings.sshKey, "none: gpu makes its own"),
    filesystem: await text("Which filesystem is mounted?", "--filesystem-name", settings.filesystem, "none"),
    ...await askStatusDaemon(context, config),
  };
}

async function askKey(
  context: Context,
  provider: string,
  { config, hasKey, isChecked }: QuestionsOptions,
): Promise<{ key: string | undefined; account: string | undefined }> {
  const { signal, world } = context;
  const fromEnvironment = world.env[keyVariable(provider)] || undefined;
  const isKept = await hasKey(provider);
  const otherwise = isKept ? "empty: the one that is kept" : fromEnvironment ? `empty: ${keyVariable(provider)}` : "";
  const page = keyPage(provider);
  const hints = [otherwise, page ? `made at ${page}` : ""].filter((hint) => hint !== "").join("; ");
  for (;;) {
    const typed = await askSecret(world.terminal, {
      question: `API key for ${provider}?${hints === "" ? "" : ` (${hints})`}`,
      flag: "--api-key",
      complain: (answer) => answer === "" && otherwise === "" ? "a key is needed" : undefined,
      signal,
    });
    const key = typed || (isKept ? undefined : fromEnvironment);
    if (!isChecked) return { key, account: undefined };
    try {
      return { key, account: await tryKey(context, { provider, key, config }) };
    } catch (error) {
      signal.throwIfAborted();
      context.note(safeText(messageOf(error)));
      if (error instanceof LoginError) continue;
      if (await askYesNo("Keep it without a check?", world.terminal, signal)) return { key, account: undefined };
    }
  }
}

async function askDefaults(context: Context, { defaults, models }: Config, offers: readonly Offer[]): Promise<Answers> {
  const { signal, world: { terminal } } = context;
  const known = allModels({ models });
  const model = await askChoice(terminal, {
    question: "Which model do you serve?",
    flag: "--default-model",
    initial: defaults.model ?? any,
    choices: [
      { value: any, label: "none in particular" },
      ...columns(known.map(({ model, vramGiB }) => [model, `needs ${vramGiB} GiB`])),
    ],
    signal,
  });
  const type = await askType(context, defaults.type?.[0], {
    offers: offers.filter((offer) => served(known, model, offer)),
  });
  return {
    model,
    types: type === undefined ? undefined : type === any ? [] : typesWith(type, defaults.type),
    hours: await askHours(context, { defaults }),
  };
}

async function askHours({ signal, world }: Context, { defaults }: Pick<Config, "defaults">): Promise<number> {
  const hours = await askText(world.terminal, {
    question: "Lease of an instance, in hours?",
    flag: "--lease-hours",
    initial: `${defaults.hours ?? 4}`,
    complain: (answer) => Number(answer) > 0 ? undefined : "a number of hours, like 4 or 0.5",
    signal,
  });
  return Number(hours);
}

/** Undefined: there is nothing to choose from. Empty: any. */
async function askType(
  { signal, world: { terminal } }: Context,
  current: string | undefined,
  { offers }: { offers: readonly Offer[] },
): Promise<string | undefined> {
  if (offers.length === 0) return undefined;
  const rows = offers.map(({ type, description, pricePerHour }) =>
    [type, `$${pricePerHour.toFixed(2)}/h  ${description}`] as const
  );
  // What is configured can be kept even where it seems not to fit.
  const isListed = current === undefined || offers.some(({ type }) => type === current);
  return await askChoice(terminal, {
    question: "Which instance type?",
    flag: "--default-gpu",
    initial: current ?? any,
    choices: [
      { value: any, label: "the cheapest that is free" },
      ...columns(isListed ? rows : [...rows, [current, "as configured"]]),
    ],
    signal,
  });
}

function served(models: readonly Model[], model: string, { vramGiB }: Offer): boolean {
  const found = models.find((each) => each.model === model);
  return found === undefined || modelFits(found, { vramGiB });
}

function columns(rows: readonly (readonly [value: string, says: string])[]) {
  const width = Math.max(...rows.map(([value]) => value.length));
  return rows.map(([value, says]) => ({ value, label: `${value.padEnd(width)}  ${says}` }));
}

/** The types after the first stay, as they are what is taken when that is not free. */
function typesWith(first: string, before: readonly string[] = []): string[] {
  return [first, ...before.filter((type) => type !== first)];
}

async function askStatusDaemon({ world: { terminal }, signal }: Context, { statusDaemon }: Config): Promise<Answers> {
  const statusToken = await askSecret(terminal, {
    question: "Token of the status daemon? (empty: none, or the one that is kept)",
    flag: "--status-token",
    signal,
  });
  if (statusToken === "") return {};
  const port = await askText(terminal, {
    question: "Its port?",
    flag: "--status-port",
    initial: `${statusDaemon.port ?? 8080}`,
    complain: (answer) => /^\d+$/.test(answer) && Number(answer) <= 65535 ? undefined : "a port number, like 8080",
    signal,
  });
  return { statusToken, statusPort: Number(port) };
}

/** The offers help to choose; without them the choice is left out. */
async function offersOf(
  context: Context,
  toTry: { provider: string; key: string | undefined; config: Config },
): Promise<Offer[]> {
  try {
    context.progress("asking what there is");
    return await (await providerWith(context, toTry)).offers(context.signal);
  } catch (error) {
    context.signal.throwIfAborted();
    context.note(safeText(`what can be rented is not known now: ${messageOf(error)}`));
    return [];
  } finally {
    context.progress(undefined);
  }
}

function remoteOf({ registry }: Context): string | undefined {
  return Object.keys(registry).find(needsKey);
}
