import { GpuError } from "../errors.ts";
import type { Notification } from "../notify/send.ts";
import { trackCall } from "./calls.ts";
import { currentRun } from "./current.ts";

export type { Notification } from "../notify/send.ts";

/** Of `notify`. */
export interface NotifyOptions {
  /** Places by the names that `notify:` in the configuration gives them; all when left out. */
  readonly to?: string | readonly string[];
  /** A message that does not arrive fails the run; `false` when left out: then it is a warning. */
  readonly required?: boolean;
}

/**
 * Tells a text to the places in `notify:` of the configuration: Slack, Discord, Telegram, or any webhook. `gpu notify
 * "text"` tries the setting out. What does not arrive after some attempts is a warning, unless it is `required`.
 * Secrets of the run are stars in it. Returns what became of it in each place.
 *
 * ```ts
 * const { success } = await job.result();
 * await notify(`the nightly tests ${success ? "passed" : "failed"}`, { to: "team" });
 * ```
 */
export function notify(text: string, { to, required = false }: NotifyOptions = {}): Promise<Notification[]> {
  return trackCall("notify", async () => {
    const { planner, context } = currentRun();
    if (planner) {
      planner.shell({ name: "notify", title: text });
      return [];
    }
    const { sendNotifications, nothingConfigured } = await import("../notify/send.ts");
    const { world, signal, run, note } = context;
    const config = await context.config();
    const names = to === undefined || Array.isArray(to) ? to : [to];
    const notifications = await sendNotifications({ world, config, signal, to: names, text, recipe: run.recipe });
    if (notifications.length === 0) {
      if (required) throw nothingConfigured();
      note(`nobody was notified: ${nothingConfigured().message}`);
    }
    for (const { name, error } of notifications) {
      if (error === null) continue;
      if (required) throw new GpuError(`\`${name}\` was not notified: ${error}`);
      note(`warning: \`${name}\` was not notified: ${error}`);
    }
    return notifications;
  });
}
