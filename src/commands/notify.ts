import { z } from "zod";
import { defineCommand } from "../command.ts";
import { exitCodes } from "../errors.ts";

export default defineCommand({
  name: "notify",
  summary: "Send a text to Slack, Discord, Telegram or a webhook",
  description:
    "`notify:` in the configuration says where to, and names the secret that is needed there; a recipe does the same with\n" +
    "`notify(…)`. Slack and Discord: the address of an incoming webhook. Telegram: the token of a bot, and the id of a chat.\n" +
    "A webhook: its `url`. It gets JSON with `text`, `recipe` and `time`.",
  effect: "write",
  examples: [
    { command: "gpu config set notify.team '{ type: slack }'", says: "where to" },
    { command: "gpu secret set SLACK_WEBHOOK_URL", says: "what is needed there" },
    { command: "gpu config set notify.ops '{ type: webhook, url: \"https://…\" }'", says: "any other service" },
    { command: 'gpu notify "the training is done"', says: "to all that are configured" },
    { command: 'gpu notify --to team "the training is done"', says: "to one of them" },
  ],
  input: z.object({
    text: z.string().meta({ positional: true, description: "what to say" }),
    to: z.array(z.string()).optional().meta({
      placeholder: "name",
      complete: "channel",
      description: "names in `notify:`; all when left out",
    }),
  }),
  output: z.array(z.object({
    name: z.string().describe("as the configuration calls the place"),
    type: z.enum(["slack", "discord", "telegram", "webhook"]).describe("what is there"),
    sent: z.boolean().describe("it was taken"),
    error: z.string().nullable().describe("why it was not sent; null when it was"),
  })),
  async run({ text, to }, { world, config, signal, progress }) {
    const { nothingConfigured, sendNotifications } = await import("../notify/send.ts");
    progress("sending");
    const sent = await sendNotifications({ world, config: await config(), signal, to, text, recipe: undefined });
    if (sent.length === 0) throw nothingConfigured();
    return sent;
  },
  exitCode: (notifications) => notifications.every(({ sent }) => sent) ? exitCodes.done : exitCodes.failed,
  view: (notifications) => ({
    columns: ["name", "type", "sent", "error"],
    rows: notifications.map(({ name, type, sent, error }) => [name, type, sent ? "yes" : "no", error ?? "-"]),
  }),
});
