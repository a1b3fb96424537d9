import type { Context } from "../command.ts";
import { GpuError, NotFoundError } from "../errors.ts";
import { jobLabel } from "./job.ts";
import type { KnownJob } from "./kept.ts";
import { lookAt } from "./look.ts";
import type { JobStream, Positions } from "./read.ts";
import { onMachine, type Reach } from "./reach.ts";
import { type KeptPart, lengthOf } from "./report.ts";
import { tailScript } from "./scripts.ts";

/** Last lines are looked for in so many files of a stream. */
const searched = 3;

/** Where the last lines of each stream begin. */
export async function lastLines(
  context: Context,
  job: KnownJob,
  { reach, lines, streams }: { readonly reach: Reach; readonly lines: number; readonly streams: readonly JobStream[] },
): Promise<Positions> {
  const { machine, id } = job;
  return await onMachine(context, machine, async () => {
    const report = await lookAt(reach, job, context.signal);
    if (report === undefined) throw new NotFoundError(`nothing of ${jobLabel(job)} is on \`${machine.name}\` any more`);
    const positions = { stdout: 0, stderr: 0 };
    for (const stream of streams) {
      const parts = lastInRow(report.parts[stream]);
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      const end = lengthOf(parts);
      if (bytes === 0 || lines === 0) {
        positions[stream] = end;
        continue;
      }
      const letter = stream === "stdout" ? "o" : "e";
      const said = await reach.ask(
        machine,
        tailScript({ id, letter, bytes, lines, starts: parts.map(({ start }) => start) }),
      );
      const back = Number(said.trim().split("\n").at(-1));
      if (!Number.isSafeInteger(back) || back < 0 || back > bytes) {
        throw new GpuError(`\`${machine.name}\` does not say where the last lines begin`);
      }
      positions[stream] = end - back;
    }
    return positions;
  });
}

/** The last files between which nothing is missing. */
function lastInRow(parts: readonly KeptPart[]): readonly KeptPart[] {
  const last = parts.slice(-searched);
  const gap = last.findLastIndex(({ start }, index) => {
    const before = last[index - 1];
    return before !== undefined && before.start + before.bytes !== start;
  });
  return gap < 0 ? last : last.slice(gap);
}
