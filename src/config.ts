import { join } from "node:path";
import { z } from "zod";
import { durationPattern } from "./duration.ts";
import { readVariable } from "./env.ts";
import { GpuError, UsageError } from "./errors.ts";
import { readTextIfThere } from "./files.ts";
import { ownSecretPattern } from "./secret-name.ts";
import type { World } from "./world.ts";

const Duration = z.string().regex(durationPattern, "expected a duration like `90s`, `10m` or `1h30m`");
const CiServer = z.strictObject({ server: z.url().optional(), apiKey: z.string().optional() });
const Profile = z.strictObject({ provider: z.string().optional(), ci: CiServer.optional() });
const ProviderSettings = z.strictObject({
  url: z.url().optional(),
  region: z.string().optional(),
  sshKey: z.string().optional(),
  filesystem: z.string().optional(),
});
/** A machine of one's own, or, with `range` or `names`, a group of them. */
const Host = z.strictObject({
  range: z.string().optional(),
  names: z.array(z.string()).optional(),
  address: z.string().optional(),
  port: z.number().int().min(1).max(65535).optional(),
  user: z.string().optional(),
  identity: z.string().optional(),
  jump: z.string().optional(),
  tags: z.record(z.string(), z.string()).optional(),
});
const ModelSettings = z.strictObject({
  name: z.string().optional(),
  huggingFace: z.string().optional(),
  parametersB: z.number().positive().optional(),
  precision: z.enum(["fp32", "fp16", "bf16", "fp8", "int8", "int4"]).optional(),
  context: z.number().int().positive().optional(),
  vramGiB: z.number().positive().optional(),
});

/** One place that hears of runs. */
const NotifyChannel = z.strictObject({
  type: z.enum(["slack", "discord", "telegram", "webhook"]),
  /** Of a webhook, or of a server that speaks as one of the others does. */
  url: z.url({ protocol: /^https?$/ }).optional(),
  /** Name of the secret: the address of a Slack or Discord webhook, the token of a Telegram bot, what a webhook asks for. */
  secret: z.string().regex(ownSecretPattern, "expected the name of a secret, like `SLACK_WEBHOOK_URL`").optional(),
  /** Of Telegram: the id of the chat. */
  chat: z.union([z.string(), z.number().int()]).optional(),
});
export type NotifyChannel = z.infer<typeof NotifyChannel>;

/** `config.yaml`: every key there is. What is missing has no default here: each user of a value knows its own. */
export const Config = z.strictObject({
  profile: z.string().optional(),
  profiles: z.record(z.string(), Profile).default({}),
  providers: z.record(z.string(), ProviderSettings).default({}),
  defaults: z.strictObject({
    model: z.string().optional(),
    type: z.array(z.string()).optional(),
    hours: z.number().positive().optional(),
  }).default({}),
  budget: z.strictObject({
    run: z.number().nonnegative().optional(),
    day: z.number().nonnegative().optional(),
    month: z.number().nonnegative().optional(),
  }).default({}),
  lease: z.strictObject({
    enforce: z.enum(["reaper", "agent", "both"]).optional(),
    warn: Duration.optional(),
    idle: z.strictObject({ after: Duration, then: z.enum(["stop", "warn"]) }).optional(),
  }).default({}),
  tunnel: z.strictObject({ forwards: z.array(z.string()).optional() }).default({}),
  statusDaemon: z.strictObject({ port: z.number().int().min(1).max(65535).optional() }).default({}),
  hosts: z.record(z.string(), Host).default({}),
  models: z.record(z.string(), ModelSettings).default({}),
  notify: z.record(z.string(), NotifyChannel).default({}),
});
export type Config = z.infer<typeof Config>;
export type Profile = z.infer<typeof Profile>;

export function configPath(world: Pick<World, "folders">): string {
  return join(world.folders.config, "config.yaml");
}

/** The configuration, or an empty one when there is no file. Throws with line and column where the file is wrong. */
export async function loadConfig(world: Pick<World, "folders">): Promise<Config> {
  const path = configPath(world);
  const text = await readTextIfThere(path);
  if (text === undefined || text.trim() === "") return Config.parse({});
  return (await parseConfig(path, text)).config;
}

/** The profile in force, by its name; where nothing names one and there is no `default`, an empty one. */
export function activeProfile(config: Config, named: string | undefined): Profile {
  const name = profileName(config, named);
  const profile = Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
  if (profile) return profile;
  if (named === undefined && config.profile === undefined) return {};
  const known = Object.keys(config.profiles);
  throw new UsageError(`there is no profile \`${name}\``, {
    hint: known.length > 0 ? `the configuration has: ${known.join(", ")}` : "the configuration has no `profiles:`",
  });
}

/** The name of the profile in force: `--profile` or `GPU_PROFILE` (both in `named`), else the configuration's, else `default`. */
export function profileName(config: Config, named: string | undefined): string {
  return named ?? config.profile ?? "default";
}

/** The provider that is meant when a command names none. */
export function defaultProvider(config: Config, world: Pick<World, "env">, profile: string | undefined): string {
  return readVariable(world.env, "GPU_PROVIDER") ?? activeProfile(config, profile).provider ?? "local";
}

/** A configuration's text as values and as a document that keeps its comments. Throws with line and column. */
export async function parseConfig(path: string, text: string) {
  const { LineCounter, parseDocument, isMap } = await import("yaml");
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const [broken] = document.errors;
  if (broken) {
    throw new GpuError(`the configuration is not valid YAML: ${broken.message} (${place(broken.pos[0])})`, {
      hint: `mend \`${path}\``,
    });
  }

  const result = Config.safeParse(withoutNulls(document.toJS()) ?? {});
  if (result.success) return { config: result.data, document };
  const [issue] = result.error.issues;
  const keys = (issue?.path ?? []).map(String);
  if (issue?.code === "unrecognized_keys") {
    const parent = keys.length === 0 ? document.contents : document.getIn(keys, true);
    const pair = isMap(parent) ? parent.items.find((item) => String(item.key) === issue.keys[0]) : undefined;
    const name = [...keys, issue.keys[0]].join(".");
    throw new GpuError(`the configuration has an unknown key \`${name}\` (${place(startOf(pair?.key))})`, {
      hint: await nearestKey(keys, issue.keys[0] ?? "") ?? "remove it: there is no such key",
    });
  }
  throw new GpuError(
    `the configuration's \`${keys.join(".")}\` is wrong: ${issue && complaintOf(issue)} (${
      place(startOf(document.getIn(keys, true)))
    })`,
    {
      hint: `mend \`${path}\``,
    },
  );
}

/** What a value should have been. */
function complaintOf(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `expected ${kinds[issue.expected] ?? issue.expected}`;
  if (issue.code === "invalid_value") {
    return `expected one of ${issue.values.map((value) => `\`${String(value)}\``).join(", ")}`;
  }
  return issue.message;
}

const kinds: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  array: "a list",
  object: "settings below it",
  record: "names with settings below them",
};

/** A key with nothing behind it, as YAML lets one write, is as good as no key. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value ?? undefined;
  return Object.fromEntries(Object.entries(value).map(([key, below]) => [key, withoutNulls(below)]));
}

async function nearestKey(parent: readonly string[], name: string): Promise<string | undefined> {
  const { keysBelow } = await import("./configure/keys.ts");
  const { didYouMean } = await import("./surface/suggest.ts");
  return didYouMean(name, keysBelow(parent), (key) => key);
}

function startOf(node: unknown): number {
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return 0;
  return typeof node.range[0] === "number" ? node.range[0] : 0;
}
