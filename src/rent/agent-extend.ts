import { z } from "zod";
import type { Context } from "../command.ts";
import { GpuError } from "../errors.ts";
import { HttpError } from "../http/errors.ts";
import { agentRequest, nameOf } from "./agent-request.ts";
import { askReviving } from "./agent-revive.ts";
import { type AgentStatus, getAgentStatus, parseAnswerOf } from "./agent-status.ts";
import type { Launch } from "./rows.ts";

const hourMs = 3_600_000;
/** How far two clocks, or a time that was rounded to seconds, may differ. */
const toleranceMs = 90_000;

const Extended = z.object({ extended_by_hours: z.number(), new_shutdown_at: z.string() });

/** A status daemon ends the instance by its own time, and does not give more of it. */
export class RefusedExtension extends GpuError {
  override name = "RefusedExtension";
}

/** When an instance ends now by what it knows itself. `limit`: it gave less than was asked for, and why. */
export interface Moved {
  readonly endsAt: number;
  readonly limit: string | undefined;
}

/**
 * Tells the instance itself that its lease ends at `until`, or later where it only knows whole hours. Never asks twice
 * for hours whose answer was lost: it looks what became of them.
 */
export async function moveLeaseOnInstance(context: Context, launch: Launch, until: number): Promise<Moved> {
  const before = await askReviving(context, launch, () => getAgentStatus(context, launch));
  if (before.server === "gpu") return await moveTo(context, launch, { before, until });
  if (before.shutdownAt === undefined) {
    throw new GpuError(`the status daemon on \`${nameOf(launch)}\` does not say when it ends the instance`);
  }
  return await addHours(context, launch, { before, from: before.shutdownAt, until });
}

/** Our agent takes the end itself, so a question whose answer was lost is simply put again. */
async function moveTo(
  context: Context,
  launch: Launch,
  { before: { asked: ask }, until }: Pick<Hours, "before" | "until">,
): Promise<Moved> {
  const json = { shutdown_at: new Date(until).toISOString() };
  const attempt = () => agentRequest(context, launch, "/extend", { json, ask, timeoutMs: 10_000 });
  const answer = await attempt().catch((error: unknown) => {
    if (!isLost(error) || context.signal.aborted) throw error;
    return attempt();
  });
  const { new_shutdown_at } = parseAnswerOf(answer, { schema: Extended, launch, asked: "for a longer lease" });
  const endsAt = Date.parse(new_shutdown_at);
  if (Math.abs(endsAt - until) < toleranceMs) return { endsAt, limit: undefined };
  throw new GpuError(`the agent on \`${nameOf(launch)}\` did not take the new end of its lease`);
}

interface Hours {
  readonly before: AgentStatus;
  /** When the daemon ends it now. */
  readonly from: number;
  readonly until: number;
}

async function addHours(
  context: Context,
  launch: Launch,
  { before: { asked: ask }, from, until }: Hours,
): Promise<Moved> {
  const hours = Math.ceil((until - from - toleranceMs) / hourMs);
  if (hours <= 0) return { endsAt: from, limit: undefined };
  try {
    // Only as a form: of a JSON body it would take nothing and add two hours all the same.
    const form = { hours: String(hours) };
    const answer = await agentRequest(context, launch, "/extend", { form, ask, timeoutMs: 10_000 });
    const said = parseAnswerOf(answer, { schema: Extended, launch, asked: "for a longer lease" });
    return judge(launch, { hours, from, added: said.extended_by_hours, endsAt: Date.parse(said.new_shutdown_at) });
  } catch (error) {
    if (!isLost(error) || context.signal.aborted) throw error;
    const { shutdownAt = from } = await getAgentStatus(context, launch, { ask });
    if (shutdownAt - from > hourMs - toleranceMs) {
      return judge(launch, { hours, from, added: Math.round((shutdownAt - from) / hourMs), endsAt: shutdownAt });
    }
    throw new RefusedExtension(`the status daemon on \`${nameOf(launch)}\` did not answer, and its end has not moved`, {
      hint: "the hours were asked for once and are not asked for again blindly; look at `gpu status`, then try again",
      cause: error,
    });
  }
}

function judge(
  launch: Launch,
  { hours, from, added, endsAt }: { hours: number; from: number; added: number; endsAt: number },
): Moved {
  const name = nameOf(launch);
  // At its limit it answers 200 with nothing, or less than nothing.
  if (Number.isNaN(endsAt) || added <= 0 || endsAt - from < toleranceMs) {
    throw new RefusedExtension(`the status daemon on \`${name}\` refuses a longer lease: its limit is reached`, {
      hint: `it ends the instance at ${new Date(from).toISOString()}`,
    });
  }
  if (added >= hours) return { endsAt, limit: undefined };
  return { endsAt, limit: `the status daemon on \`${name}\` gave ${added} of ${hours} h: its limit is reached` };
}

/** The request may have arrived, and what it did is not known. */
function isLost(error: unknown): boolean {
  return error instanceof HttpError && (error.reason === "timeout" || error.reason === "cut");
}
