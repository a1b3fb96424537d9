import type { NotifyChannel } from "../config.ts";
import { GpuError } from "../errors.ts";

/** What is told. */
export interface Message {
  readonly text: string;
  /** The recipe that tells it. */
  readonly recipe: string | undefined;
  /** ISO 8601. */
  readonly time: string;
}

/** One HTTP call that brings a message. Its address may be a secret. */
export interface MessageRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a person calls each kind of place. */
export const channelTypes = {
  slack: "Slack",
  discord: "Discord",
  telegram: "Telegram",
  webhook: "the webhook",
} as const;

/** The secret that is meant where the configuration names none. */
export const usualSecrets: Readonly<Record<NotifyChannel["type"], string | undefined>> = {
  slack: "SLACK_WEBHOOK_URL",
  discord: "DISCORD_WEBHOOK_URL",
  telegram: "TELEGRAM_BOT_TOKEN",
  webhook: undefined,
};

/** Longest texts that are taken, in characters. */
const longest = {
  slack: 40_000, // https://docs.slack.dev/changelog/2018-truncating-really-long-messages
  discord: 2_000, // https://discord.com/developers/docs/resources/webhook#execute-webhook
  telegram: 4_096, // https://core.telegram.org/bots/api#sendmessage
  webhook: 100_000,
} as const;

/** The call that brings `message` to a channel of that name. */
export function requestOf(
  name: string,
  channel: NotifyChannel,
  { message, secret }: { message: Message; secret: string | undefined },
): MessageRequest {
  const text = shortened(message.text, longest[channel.type]);
  const json = { "content-type": "application/json" };
  switch (channel.type) {
    case "slack":
      // The three characters that Slack reads itself; `<!channel>` in some output calls nobody.
      return {
        url: addressOf(name, secret ?? channel.url),
        headers: json,
        body: JSON.stringify({
          text: text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
        }),
      };
    case "discord":
      return {
        url: addressOf(name, secret ?? channel.url),
        headers: json,
        body: JSON.stringify({ content: text, allowed_mentions: { parse: [] } }),
      };
    case "telegram":
      return {
        url: addressOf(
          name,
          `${(channel.url ?? "https://api.telegram.org").replace(/\/$/, "")}/bot${secret}/sendMessage`,
        ),
        headers: json,
        body: JSON.stringify({ chat_id: channel.chat, text, link_preview_options: { is_disabled: true } }),
      };
    case "webhook":
      return {
        // What is told to a server in the next room may go there in the clear; a secret may not.
        url: addressOf(name, channel.url, { mayBePlain: secret === undefined }),
        headers: secret === undefined ? json : { ...json, authorization: `Bearer ${secret}` },
        body: JSON.stringify({ text, recipe: message.recipe ?? null, time: message.time }),
      };
  }
}

/** What is wrong with an address is said without it: it may be the secret. */
function addressOf(name: string, address: string | undefined, { mayBePlain = false } = {}): string {
  if (address === undefined) {
    // The table of `gpu notify` has room for one line.
    throw new GpuError(`\`notify.${name}\` has no address; \`gpu config set notify.${name}.url https://…\``);
  }
  const url = URL.canParse(address ?? "") ? new URL(address ?? "") : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new GpuError(`the address for \`notify.${name}\` is not that of a web page`);
  }
  const isHere = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (url.protocol === "http:" && !isHere && !mayBePlain) {
    throw new GpuError(`the address for \`notify.${name}\` is not encrypted`, {
      hint: "it has to begin with `https:`",
    });
  }
  return url.href;
}

function shortened(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}
