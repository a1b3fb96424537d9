import type { Config, NotifyChannel } from "../config.ts";
import { GpuError, messageOf, UsageError } from "../errors.ts";
import { HttpError } from "../http/errors.ts";
import { request } from "../http/request.ts";
import { type Mask, maskOf } from "../mask.ts";
import { oneLine } from "../safe-text.ts";
import { findOwnSecret } from "../secrets.ts";
import type { World } from "../world.ts";
import { channelTypes, type Message, requestOf, usualSecrets } from "./request.ts";

/** What became of a message in one place. */
export interface Notification {
  /** As the configuration calls the place. */
  readonly name: string;
  /** What kind of place it is. */
  readonly type: "slack" | "discord" | "telegram" | "webhook";
  /** It was taken there. */
  readonly sent: boolean;
  /** Why it was not sent; null when it was. */
  readonly error: string | null;
}

interface Sending {
  readonly world: World;
  readonly config: Config;
  readonly signal: AbortSignal;
  /** Names of places; all that are configured when left out. */
  readonly to: readonly string[] | undefined;
  readonly text: string;
  readonly recipe: string | undefined;
}

/** How long one place may take, with all attempts. */
const longestMs = 30_000;

/** Brings a text to each place, at the same time. That one of them fails is in what is returned. */
export async function sendNotifications({ world, config, to, text, ...about }: Sending): Promise<Notification[]> {
  const names = to ?? Object.keys(config.notify);
  const channels = names.map((name) => ({ name, channel: channelOf(config, name) }));
  if (text.trim() === "") throw new UsageError("a notification needs a text");
  const mask = maskOf(world.terminal);
  const message = { text: mask.text(text), recipe: about.recipe, time: new Date(world.clock.now()).toISOString() };
  return await Promise.all(channels.map(async ({ name, channel }): Promise<Notification> => {
    const error = await send({ world, name, channel, message, signal: about.signal }).then(() => null, messageOf);
    about.signal.throwIfAborted();
    return { name, type: channel.type, sent: error === null, error: error === null ? null : mask.text(error) };
  }));
}

/** What a person is told where nothing is configured. */
export function nothingConfigured(): UsageError {
  return new UsageError("the configuration has nobody to notify", {
    hint: "`gpu config set notify.team '{ type: slack }'`, then `gpu secret set SLACK_WEBHOOK_URL`",
  });
}

function channelOf(config: Config, name: string): NotifyChannel {
  const channel = Object.hasOwn(config.notify, name) ? config.notify[name] : undefined;
  if (channel) return channel;
  const known = Object.keys(config.notify);
  if (known.length === 0) throw nothingConfigured();
  throw new UsageError(`the configuration has no \`notify.${name}\``, { hint: `it has: ${known.join(", ")}` });
}

interface One {
  readonly world: World;
  readonly name: string;
  readonly channel: NotifyChannel;
  readonly message: Message;
  readonly signal: AbortSignal;
}

async function send({ world, name, channel, message, signal }: One): Promise<void> {
  const mask = maskOf(world.terminal);
  const secret = await secretOf(world, name, channel);
  if (secret !== undefined) mask.add(secret);
  if (channel.type === "telegram" && channel.chat === undefined) {
    throw new GpuError(`\`notify.${name}\` has no \`chat\`: the id of the Telegram chat`);
  }
  const { url, headers, body } = requestOf(name, channel, { message, secret });
  // Below its host an address may be the secret, and a service may repeat the part of it that is.
  const { pathname: path } = new URL(url);
  const parts = secret === undefined ? [] : [url, path, ...path.split("/").filter((part) => part.length >= 12)];
  for (const part of parts) mask.add(part);
  const over = new AbortController();
  const late = new AbortController();
  world.clock.sleep(longestMs, over.signal).then(() => late.abort(new GpuError("it took too long")), () => {});
  try {
    const { pathname, search, origin } = new URL(url);
    const answer = await request({
      world,
      service: channelTypes[channel.type],
      baseUrl: origin,
      signal: AbortSignal.any([signal, late.signal]),
      redirect: "manual",
    }, {
      method: "POST",
      path: `${pathname}${search}`,
      headers,
      body: () => body,
      timeoutMs: 10_000,
      isRepeatable: true,
    });
    await answer.body?.cancel();
  } catch (error) {
    signal.throwIfAborted();
    // Without a cause: that knows the address.
    throw new GpuError(`${channelTypes[channel.type]} did not take it: ${reasonOf(error, mask)}`);
  } finally {
    over.abort();
  }
}

async function secretOf(world: World, name: string, channel: NotifyChannel): Promise<string | undefined> {
  const secretName = channel.secret ?? usualSecrets[channel.type];
  if (secretName === undefined) return undefined;
  const secret = await findOwnSecret(world, secretName);
  const needsNone = channel.secret === undefined && channel.url !== undefined && channel.type !== "telegram";
  if (secret !== undefined || needsNone) return secret;
  throw new GpuError(`there is no secret \`${secretName}\` for \`notify.${name}\`; \`gpu secret set ${secretName}\``);
}

/** Why it failed, in few words and without the address. */
function reasonOf(error: unknown, mask: Mask): string {
  if (!(error instanceof HttpError)) return mask.text(messageOf(error));
  if (error.status === undefined) return `no connection (${error.reason})`;
  const said = oneLine(mask.text(saidIn(error.body)), 200);
  return `HTTP ${error.status}${said === "" ? "" : `, ${said}`}`;
}

/** Discord says `message`, Telegram `description`, Slack a bare word. */
function saidIn(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== "object" || value === null) return "";
    if ("description" in value && typeof value.description === "string") return value.description;
    if ("message" in value && typeof value.message === "string") return value.message;
    return "";
  } catch {
    return body.startsWith("<") ? "" : body;
  }
}
