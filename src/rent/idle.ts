import type { Context } from "../command.ts";
import { durationMs, spanText } from "../duration.ts";
import { type AgentStatus, getAgentStatus } from "./agent-status.ts";
import { type IdleRule, judgeIdle, soonestMs } from "./idle-rule.ts";
import type { Journal } from "./journal.ts";
import { isHeldForIdleness, type Launch } from "./rows.ts";

/** What one look at all instances found. */
export interface IdleLook {
  /** After how many milliseconds to look again at those that answered; null where there was none. */
  readonly nextMs: number | null;
  /** How many instances were asked and did not answer. */
  readonly unanswered: number;
}

/** Asks the agent of an instance how it is used; rejects where there is no answer. */
export type AskUse = (context: Context, launch: Launch) => Promise<AgentStatus>;

const warningKind = "idle-warning";
/** Until the login is done, and for the answer. */
const patienceMs = 10_000;

// A status daemon's token is asked of nobody: the keychain might ask a person.
const askAgent: AskUse = (context, launch) =>
  getAgentStatus(context, launch, { ask: "agent", timeoutMs: patienceMs, connectTimeoutMs: patienceMs });

/**
 * Asks every instance whose lease this computer holds how long nobody has used it, warns in `gpu log` and `gpu status`,
 * and marks what stays idle as to be stopped: the reaper does that. Where the agent has a key it ends its machine itself.
 */
export async function lookForIdle(context: Context, ask: AskUse = askAgent): Promise<IdleLook> {
  const { lease: { idle, enforce = "reaper" } } = await context.config();
  if (idle?.then !== "stop" || enforce !== "reaper") return { nextMs: null, unanswered: 0 };
  const rule = { afterMs: durationMs(idle.after), then: idle.then };
  const journal = await context.journal();
  const launches = journal.launches({ open: true }).filter(isHeldForIdleness);
  const looks = await Promise.all(launches.map(async (launch) => {
    try {
      // One that came with its agent is ended by it.
      if ((await context.provider(launch.provider)).facts.bringsAgent) return null;
      return act(await ask(context, launch), { launch, journal, rule, now: context.world.clock.now() });
    } catch {
      return "unanswered" as const;
    }
  }));
  const times = looks.filter((look) => typeof look === "number");
  const unanswered = looks.filter((look) => look === "unanswered").length;
  return { nextMs: times.length > 0 ? Math.min(...times) : null, unanswered };
}

function act(
  use: AgentStatus,
  { launch: { token }, journal, rule, now }: { launch: Launch; journal: Journal; rule: IdleRule; now: number },
): number {
  const standing = idleWarning(journal, token);
  const { verdict, nextMs } = judgeIdle(use, { rule, warnedAt: standing?.time, now });
  // It may have been extended, kept or stopped while it was asked.
  const launch = journal.launch(token);
  if (launch === undefined || !isHeldForIdleness(launch)) return soonestMs;
  const idleText = spanText((use.idleMinutes ?? 0) * 60_000);
  if (verdict === "stop") journal.markStopping(token, `nobody used it for ${idleText}`);
  if (verdict === "warn" && standing === undefined) {
    const text = `nobody has used it for ${idleText}: after ${spanText(rule.afterMs)} it is stopped`;
    journal.note({ token, run: launch.run, kind: warningKind, text });
  }
  if (verdict === "in use" && standing !== undefined) {
    journal.note({ token, run: launch.run, kind: "idle-over", text: "it is used again" });
  }
  return nextMs;
}

/** The warning that an instance is idle, as long as nobody has used, extended or kept it since. */
export function idleWarning(journal: Journal, token: string): { time: number; text: string } | undefined {
  const last = journal.events({ token, limit: 50 }).findLast(({ kind }) => kinds.includes(kind));
  return last?.kind === warningKind ? last : undefined;
}

const kinds = [warningKind, "idle-over", "lease-moved", "kept", "ready", "stopping"];
