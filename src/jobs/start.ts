import type { Context } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";
import type { Target } from "../hosts/target.ts";
import { KeptJobs, type KnownJob } from "./kept.ts";
import { type LaunchAnswer, launchScript } from "./launch-script.ts";
import { isPassing, type Reach } from "./reach.ts";

export interface JobOrder {
  readonly name: string | undefined;
  /** Jobs that one command starts share it. */
  readonly batch: string;
  /** For people: what was typed. */
  readonly shown: string;
  /** A line for the login shell there, and what it reads from its stdin before that ends. */
  readonly command: string;
  readonly ahead: string;
}

/** How often an answer that was lost is asked for again, and the pause before, in milliseconds. */
const attempts = 4;
const pauseMs = 500;

/**
 * Starts a job and returns once it runs by itself. It is written down before, so one whose answer is lost is found
 * again; asking for the same id twice starts it once.
 */
export async function startJob(
  context: Context,
  target: Target,
  order: JobOrder & { readonly reach: Reach },
): Promise<KnownJob> {
  const { name, batch, shown, command, ahead, reach } = order;
  const { world, signal, note } = context;
  checkName(name);
  const kept = new KeptJobs(world);
  const id = await newId(context, kept);
  const machine = reach.machine(target);
  const job: KnownJob = {
    id,
    name: name ?? null,
    batch,
    command: shown.slice(0, 2000),
    machine,
    startedAt: world.clock.now(),
    isConfirmed: false,
    end: null,
    read: { stdout: 0, stderr: 0 },
  };
  await kept.save(job);
  const record = JSON.stringify({ name: job.name, command: job.command, batch });
  const script = launchScript({ id, name, record, command, aheadBytes: Buffer.byteLength(ahead) });
  for (let left = attempts - 1;; left--) {
    let isSent = false;
    try {
      const said = await reach.ask(machine, script, {
        ahead,
        signal,
        endsWithUs: false,
        onSend: () => void (isSent = true),
      });
      const answer = parseAnswer(said);
      if (answer === undefined) throw new GpuError(`\`${machine.name}\` gave no answer that tells of a job`);
      if (answer.kind === "name-taken") {
        throw new GpuError(`a job \`${name}\` runs on \`${machine.name}\` already: ${answer.by}`, {
          hint: `\`gpu job stop ${answer.by}\` ends it`,
        });
      }
      if (answer.endsWithLogin) {
        note(
          `warning: \`${machine.name}\` ends what its users run when they log out; \`KillUserProcesses=no\` in its logind.conf lets jobs go on`,
        );
      }
      const confirmed = { ...job, isConfirmed: true };
      await kept.save(confirmed);
      return confirmed;
    } catch (error) {
      // Nothing left, or the machine itself says that it did not begin.
      if (!isSent || !isPassing(error) && !signal.aborted) {
        await kept.forget(id);
        throw error;
      }
      if (left > 0 && !signal.aborted) {
        await world.clock.sleep(pauseMs, signal);
        continue;
      }
      note(`whether ${id} was started on \`${machine.name}\` is not known; \`gpu job list\` tells once it answers`);
      throw error;
    }
  }
}

function checkName(name: string | undefined): void {
  if (name === undefined) return;
  if (/^[A-Za-z0-9][\w.@:-]{0,63}$/.test(name) && !/^j-[0-9a-f]+$/.test(name)) return;
  throw new UsageError(`\`${name}\` is not a name for a job`, {
    hint: "letters, digits, and `.`, `_`, `-`, `@`, `:` between them; not one that looks like an id",
  });
}

async function newId({ world }: Context, kept: KeptJobs): Promise<string> {
  for (;;) {
    const id = `j-${Buffer.from(world.random(3)).toString("hex")}`;
    if (await kept.find(id) === undefined) return id;
  }
}

/** What the launch script printed, whatever a login shell said before. */
function parseAnswer(said: string): LaunchAnswer | undefined {
  const line = said.trimEnd().split("\n").at(-1) ?? "";
  if (line === "started") return { kind: "started", endsWithLogin: false };
  if (line === "started until-logout") return { kind: "started", endsWithLogin: true };
  const [, by] = /^taken (j-[0-9a-f]{6,16})$/.exec(line) ?? [];
  return by === undefined ? undefined : { kind: "name-taken", by };
}
