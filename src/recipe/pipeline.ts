import { Conduit, ReaderGone } from "./conduit.ts";

/** How a command is carried out: by a shell here, or by one on an instance. */
export type Executor = (command: string, options: ExecutorOptions) => Promise<{ readonly exitCode: number }>;

export interface ExecutorOptions {
  /** When it fires, the command and all it started end before the promise settles. */
  readonly signal: AbortSignal;
  /**
   * The output, as it comes. Awaiting it is backpressure. Where it rejects with `ReaderGone` the command is treated as
   * one whose pipe was closed; any other error ends it.
   */
  output(chunk: Uint8Array, stream: "stdout" | "stderr"): void | Promise<void>;
  /** What the command reads; nothing when left out. It is told where the command wants no more of it. */
  readonly input?: AsyncIterable<Uint8Array> | undefined;
  /** Variables beside those that it has anyway; `undefined` takes one away, where that can be. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Folder that it runs in, from where it would run otherwise. */
  readonly folder?: string | undefined;
}

/** One command of several that read from each other. */
export interface Stage {
  readonly command: string;
  readonly execute: Executor;
  readonly environment?: ExecutorOptions["environment"];
  readonly folder?: string | undefined;
  /** Ends it, beside the signal of all. */
  readonly signal?: AbortSignal | undefined;
  /** Its exit code does not count. */
  readonly isForgiven?: boolean | undefined;
}

export interface PipelineOptions {
  readonly signal: AbortSignal;
  /** What the first command reads. */
  readonly input: AsyncIterable<Uint8Array> | undefined;
  /** Stdout of the last command. */
  stdout(chunk: Uint8Array): void | Promise<void>;
  /** Stderr of all commands, as it comes. */
  stderr(chunk: Uint8Array): void | Promise<void>;
}

/** What became of one command of a pipe. */
export interface StageExit {
  readonly exitCode: number;
  /** It was ended because nobody read on; its exit code says nothing. */
  readonly isCut: boolean;
}

/**
 * Runs commands of which each reads what the one before prints, wherever they run, with as much in memory as a pipe has.
 * One that cannot be carried out, because its machine is lost or its time over, ends the others, and they do not take
 * its end for that of its output.
 */
export async function runPipeline(
  stages: readonly Stage[],
  { signal, input, stdout, stderr }: PipelineOptions,
): Promise<StageExit[]> {
  const failing = new AbortController();
  const conduits = stages.slice(1).map(() => new Conduit());
  const failures: unknown[] = [];

  const runStage = async (stage: Stage, index: number): Promise<StageExit> => {
    const { command, execute, environment, folder } = stage;
    const before = conduits[index - 1];
    const behind = conduits[index];
    let isCut = false;
    const pass = async (chunk: Uint8Array) => {
      try {
        await (behind === undefined ? stdout(chunk) : behind.write(chunk));
      } catch (error) {
        isCut ||= error instanceof ReaderGone;
        throw error;
      }
    };
    try {
      const { exitCode } = await execute(command, {
        signal: AbortSignal.any([signal, failing.signal, ...(stage.signal ? [stage.signal] : [])]),
        output: (chunk, stream) => stream === "stdout" ? pass(chunk) : stderr(chunk),
        input: before ?? (index === 0 ? input : undefined),
        environment,
        folder,
      });
      behind?.end();
      return { exitCode, isCut };
    } catch (error) {
      if (isCut) return { exitCode: brokenPipeCode, isCut };
      failures.push(error);
      behind?.end({ error });
      failing.abort(error);
      return { exitCode: brokenPipeCode, isCut: true };
    } finally {
      before?.leave();
    }
  };
  const exits = await Promise.all(stages.map(runStage));
  if (failures.length > 0) throw failures[0];
  return exits;
}

/** 128 + SIGPIPE, as a shell says it. */
const brokenPipeCode = 141;

/** The exit code of a pipe: that of the last command that failed, as `set -o pipefail` counts it. */
export function pipelineExitCode(stages: readonly Stage[], exits: readonly StageExit[]): number {
  return exits.findLast(({ exitCode, isCut }, index) => exitCode !== 0 && !isCut && !stages[index]?.isForgiven)
    ?.exitCode ?? 0;
}
