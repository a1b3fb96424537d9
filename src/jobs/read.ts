import type { Context } from "../command.ts";
import { GpuError, NotFoundError } from "../errors.ts";
import { jobLabel } from "./job.ts";
import type { KnownJob } from "./kept.ts";
import { lookAt } from "./look.ts";
import { isOver as hasEnded } from "./outcome.ts";
import { Persistence } from "./persistence.ts";
import { isPassing, onMachine, type Reach } from "./reach.ts";
import { type JobReport, lengthOf } from "./report.ts";
import { type Part, readScript } from "./scripts.ts";

export type JobStream = "stdout" | "stderr";

/** How far a stream was read, in bytes from its beginning. */
export type Positions = Record<JobStream, number>;

export interface ReadOptions {
  readonly reach: Reach;
  readonly streams: readonly JobStream[];
  readonly follows: boolean;
  /** Moved on as bytes are handed over. */
  readonly positions: Positions;
  readonly signal: AbortSignal;
  /** Nothing more is read before it is done. */
  sink(stream: JobStream, chunk: Uint8Array): void | Promise<void>;
}

/** How soon a job is looked at again whose connection was cut, or that has no file yet; in milliseconds. */
const soonMs = 100;
const orphanMs = 1000;

/**
 * Reads what a job printed from given positions on, each byte once, through lost connections; following it, until it
 * has ended. Returns how it was at the last look.
 */
export async function readJob(context: Context, job: KnownJob, options: ReadOptions): Promise<JobReport> {
  const { reach, streams, follows, positions, signal } = options;
  const { world: { clock }, note } = context;
  const persistence = new Persistence(context, job.machine, { signal, wasThere: reach.wasThere });
  for (;;) {
    // Looked at anew after each cut: how far each file goes has changed meanwhile.
    const look = () => lookAt(reach, job, signal);
    const report = await onMachine(context, job.machine, () => follows ? persistence.do(look) : look());
    if (report === undefined) {
      throw new NotFoundError(`nothing of ${jobLabel(job)} is on \`${job.machine.name}\` any more`);
    }
    const waits = follows && !hasEnded(report);
    for (const stream of streams) {
      const skipped = skipGap(report, stream, positions);
      if (skipped > 0) note(`… ${skipped} bytes of ${stream} are not kept …`);
    }
    const isRead = (stream: JobStream) => positions[stream] >= lengthOf(report.parts[stream]);
    if (!waits && streams.every(isRead)) return report;
    if (streams.some((stream) => waits && report.parts[stream].length === 0)) {
      await clock.sleep(soonMs, signal);
      continue;
    }
    const before = { ...positions };
    const isCut = await onMachine(context, job.machine, async () => {
      try {
        await readOnce(context, job, { ...options, report, follows: waits });
        return false;
      } catch (error) {
        if (!follows || !isPassing(error) || signal.aborted) throw error;
        return true;
      }
    });
    if (isCut) {
      await clock.sleep(soonMs, signal);
      continue;
    }
    // Nothing there waits for what has no supervisor.
    if (report.state === "orphaned") await clock.sleep(orphanMs, signal);
    if (!waits && streams.every((stream) => positions[stream] === before[stream])) {
      throw new GpuError(`what ${jobLabel(job)} printed cannot be read on \`${job.machine.name}\``);
    }
  }
}

/** What is not kept any more is left out. Returns how many bytes that are. */
function skipGap({ parts }: JobReport, stream: JobStream, positions: Positions): number {
  const position = positions[stream];
  // A file may grow after it was looked at: only what begins later says where one ended.
  const next = parts[stream].find(({ start, bytes }) => start + bytes > position);
  if (next === undefined || next.start <= position) return 0;
  positions[stream] = next.start;
  return next.start - position;
}

function partAt({ parts }: JobReport, stream: JobStream, position: number): Part | undefined {
  const part = parts[stream].find(({ start, bytes }) => position >= start && position < start + bytes) ??
    parts[stream].at(-1);
  if (part === undefined) return undefined;
  return { start: part.start, skip: Math.max(0, Math.min(position, part.start + part.bytes) - part.start) };
}

/** Reads the files in which the positions are, to their ends. */
async function readOnce(
  { world }: Context,
  { id, machine }: KnownJob,
  { report, reach, streams, follows, positions, signal, sink }: ReadOptions & { readonly report: JobReport },
): Promise<void> {
  const mark = Buffer.from(world.random(12)).toString("hex");
  const part = (stream: JobStream) => streams.includes(stream) ? partAt(report, stream, positions[stream]) : undefined;
  const openings = { stdout: new Opening(mark), stderr: new Opening(mark) };
  let isOver = false;
  const take = (stream: JobStream) => async (chunk: Uint8Array) => {
    // What comes when the connection was given up already is read again by the next one.
    const bytes = isOver ? new Uint8Array() : openings[stream].behind(chunk);
    if (bytes.length === 0) return;
    // Counted before it is taken: a connection may be lost meanwhile, and the bytes are handed over all the same.
    positions[stream] += bytes.length;
    await sink(stream, bytes);
  };
  const script = readScript({ id, mark, follows, stdout: part("stdout"), stderr: part("stderr") });
  try {
    await reach.run(machine, script, { signal, onStdout: take("stdout"), onStderr: take("stderr") });
  } finally {
    isOver = true;
  }
}

/** Finds where a script's own output begins: a login shell may have printed something before. */
class Opening {
  readonly #mark: Buffer;
  #before: Buffer | undefined = Buffer.alloc(0);

  constructor(mark: string) {
    this.#mark = Buffer.from(`${mark}\n`);
  }

  /** The bytes of a chunk that are behind the mark. */
  behind(chunk: Uint8Array): Uint8Array {
    if (this.#before === undefined) return chunk;
    const all = Buffer.concat([this.#before, chunk]);
    const at = all.indexOf(this.#mark);
    // The mark may come in two pieces.
    this.#before = at < 0 ? all.subarray(-this.#mark.length) : undefined;
    return at < 0 ? new Uint8Array() : all.subarray(at + this.#mark.length);
  }
}
