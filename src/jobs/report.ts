import { z } from "zod";

/** A file of a stream: the bytes from `start` on. */
export interface KeptPart {
  readonly start: number;
  readonly bytes: number;
}

/** What a machine says of a job; nothing of it is believed beyond its form. Times are seconds since 1970, by its clock. */
export interface JobReport {
  readonly id: string;
  readonly state: "running" | "ended" | "rebooted" | "orphaned" | "lost";
  readonly exitCode: number | null;
  readonly endedAt: number | null;
  readonly startedAt: number | null;
  /** The signal with which somebody ended it. */
  readonly stopSignal: string | null;
  /** The disk was full, and something was not written. */
  readonly isDropped: boolean;
  readonly parts: Readonly<Record<"stdout" | "stderr", readonly KeptPart[]>>;
  readonly record: JobRecord | undefined;
}

/** What is written down of a job beside its output. */
export const JobRecord = z.object({
  name: z.string().max(200).nullable(),
  command: z.string().max(10_000),
  /** Jobs that one command started share it. */
  batch: z.string().max(100),
});
export type JobRecord = z.output<typeof JobRecord>;

/** What ids look like; nothing else becomes part of a path on a machine. */
export const idPattern = /^j-[0-9a-f]{6,16}$/;

const jobLine =
  /^job (j-[0-9a-f]{6,16}) (running|ended|rebooted|orphaned|lost) (-|\d{1,3}) (-|\d{1,12}) (-|\d{1,12}) (-|[A-Z0-9+]{1,12}) (whole|dropped)$/;
const partLine = /^part ([oe])\.(\d{1,15}) (\d{1,15})$/;

/** Reads what the scripts print. Lines that are not of theirs are a login shell's. */
export function parseReports(text: string): JobReport[] {
  const reports: JobReport[] = [];
  let parts: { stdout: KeptPart[]; stderr: KeptPart[] } = { stdout: [], stderr: [] };
  for (const line of text.split("\n")) {
    const job = jobLine.exec(line);
    if (job) {
      const [, id = "", state, code, ended, started, stop = "-", dropped] = job;
      parts = { stdout: [], stderr: [] };
      reports.push({
        id,
        state: stateOf(state),
        exitCode: numberOf(code),
        endedAt: numberOf(ended),
        startedAt: numberOf(started),
        stopSignal: stop === "-" ? null : stop,
        isDropped: dropped === "dropped",
        parts,
        record: undefined,
      });
      continue;
    }
    const [, letter, start, bytes] = partLine.exec(line) ?? [];
    if (letter !== undefined) {
      const stream = letter === "o" ? parts.stdout : parts.stderr;
      stream.push({ start: Number(start), bytes: Number(bytes) });
      stream.sort((a, b) => a.start - b.start);
    }
    const last = reports.at(-1);
    if (line.startsWith("record ") && last) reports[reports.length - 1] = { ...last, record: recordOf(line.slice(7)) };
  }
  return reports;
}

/** How many bytes a stream has, with those that are not kept. */
export function lengthOf(parts: readonly KeptPart[]): number {
  const last = parts.at(-1);
  return last === undefined ? 0 : last.start + last.bytes;
}

/** Whether a part of a stream is not kept. */
export function hasGap(parts: readonly KeptPart[]): boolean {
  return lengthOf(parts) > parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

function stateOf(word: string | undefined): JobReport["state"] {
  return (["running", "ended", "rebooted", "orphaned"] as const).find((state) => state === word) ?? "lost";
}

function numberOf(word = "-"): number | null {
  return word === "-" ? null : Number(word);
}

function recordOf(text: string): JobRecord | undefined {
  try {
    return JobRecord.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
