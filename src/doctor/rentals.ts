import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import type { Context } from "../command.ts";
import { answeringBackground } from "../background/client.ts";
import { tunnelStatus } from "../background/tunnel-client.ts";
import { minutesText } from "../duration.ts";
import { GpuError } from "../errors.ts";
import { checkHost } from "../rent/account.ts";
import { isLeaseOver } from "../rent/lease.ts";
import type { Launch } from "../rent/rows.ts";
import { isRunAlive } from "../rent/run.ts";
import { bytesText } from "../bytes-text.ts";
import type { Check, Finding } from "./check.ts";

const largeJournal = 256 * 1024 * 1024;

/** The journal can be read and written; without it nothing is rented. */
export const journalCheck: Check = {
  name: "journal",
  async run(context): Promise<Finding> {
    if (!hasJournal(context)) return { status: "ok", detail: "made when the first instance is rented" };
    const { path, problem } = await context.journal();
    if (problem) return { status: "fail", detail: problem.message, fix: problem.hint ?? `look at \`${path}\`` };
    const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    const detail = `${path}, ${bytesText(bytes)}`;
    if (bytes < largeJournal) return { status: "ok", detail };
    const fix = `when nothing is rented, move \`${path}\` away: the next start makes another`;
    return { status: "warn", detail: `${detail}: it is very large`, fix };
  },
};

/** What is rented has an owner that lives, and a lease that is not over. */
export const rentalsCheck: Check = {
  name: "rentals",
  async run(context): Promise<Finding | readonly Finding[]> {
    const open = await openLaunches(context);
    if (hasJournal(context) && (await context.journal()).problem !== undefined) {
      const fix = "the check `journal` says what to do; `gpu instance list` asks the providers";
      return { status: "warn", detail: "not known: the journal cannot be read", fix };
    }
    if (open.length === 0) return { status: "ok", detail: "nothing is rented" };
    const now = context.world.clock.now();
    const unasked = await Promise.all(open.map((launch) => notAsked(context, launch)));
    const findings = [...open.flatMap((launch) => leftover(context, launch, now)), ...unasked.flat()];
    return findings.length > 0 ? findings : { status: "ok", detail: `${open.length} rented, each with an owner` };
  },
};

/** What was rented at an address that is not the one at hand is nobody's to ask about. */
async function notAsked(context: Context, launch: Launch): Promise<Finding[]> {
  const of = launch.name ?? launch.instanceId ?? launch.token;
  try {
    checkHost(await context.provider(launch.provider), launch);
    return [];
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    return [{ of, status: "warn", detail: error.message, fix: error.hint ?? "`gpu status` shows it" }];
  }
}

function leftover({ world }: Context, launch: Launch, now: number): Finding[] {
  const of = launch.name ?? launch.instanceId ?? launch.token;
  const fix = `\`gpu stop ${of}\` ends it; \`gpu status\` does what is left to do`;
  const since = (time: number) => minutesText((now - time) / 60_000);
  if (launch.state === "STOPPING") {
    const detail = `to be stopped since ${since(launch.stoppingAt ?? now)}: ${launch.endWhy ?? "asked to"}`;
    return [{ of, status: "fail", detail, fix }];
  }
  if (isLeaseOver(launch, now)) {
    return [{ of, status: "fail", detail: `its lease is over since ${since(launch.leaseEndsAt)}`, fix }];
  }
  if (launch.owner === "run" && !isRunAlive(world, launch.run)) {
    return [{ of, status: "fail", detail: "its run died and it is still in the journal", fix }];
  }
  return [];
}

/** The background process, where it is needed, lives and is of this version. */
export const backgroundCheck: Check = {
  name: "background",
  async run(context): Promise<Finding> {
    using background = await answeringBackground(context.world);
    if (background === undefined) {
      const isNeeded = (await openLaunches(context)).length > 0;
      return isNeeded
        ? {
          status: "warn",
          detail: "it does not run, and something is rented: nobody ends its lease while this computer does nothing",
          fix: "`gpu status` starts it",
        }
        : { status: "ok", detail: "it does not run; it starts when it is needed" };
    }
    const { version, held } = await background.ping();
    // One of another version may not know the question.
    const shared = await background.sessions().catch(() => []);
    const sharing = shared.length === 0 ? "" : `, shares SSH with ${shared.map(({ address }) => address).join(", ")}`;
    const detail = `version ${version}, holds ${held}${sharing}`;
    if (version === packageJson.version) return { status: "ok", detail };
    return {
      status: "warn",
      detail: `${detail}; this is version ${packageJson.version}`,
      fix: "`gpu tunnel stop --all` lets it end; the next command starts the other",
    };
  },
};

/** Every tunnel leads somewhere. */
export const tunnelsCheck: Check = {
  name: "tunnels",
  async run(context): Promise<Finding | readonly Finding[]> {
    const tunnels = await tunnelStatus(context.world);
    const rented = new Set((await openLaunches(context)).map(({ instanceId }) => instanceId));
    const findings = tunnels.flatMap(({ name, state, reason, instanceId }): Finding[] => {
      const fix = `\`gpu tunnel stop ${name}\` closes it`;
      const why = reason === null ? "" : `: ${reason}`;
      if (state === "lost") {
        return [{
          of: name,
          status: "warn",
          detail: `it is lost${why}`,
          fix: `\`gpu tunnel stop ${name}\` forgets it`,
        }];
      }
      if (state === "ended") return [{ of: name, status: "warn", detail: `it ended${why}`, fix }];
      if (instanceId !== null && !rented.has(instanceId)) {
        return [{ of: name, status: "warn", detail: `${instanceId} is gone`, fix }];
      }
      return state === "reconnecting" ? [{ of: name, status: "warn", detail: `it reconnects${why}`, fix }] : [];
    });
    if (findings.length > 0) return findings;
    return { status: "ok", detail: tunnels.length === 0 ? "none" : `${tunnels.length} open` };
  },
};

/** Opening a journal makes it, and looking must not. */
function hasJournal({ world }: Context): boolean {
  return existsSync(join(world.folders.state, "journal.db"));
}

async function openLaunches(context: Context): Promise<Launch[]> {
  return hasJournal(context) ? (await context.journal()).launches({ open: true }) : [];
}
