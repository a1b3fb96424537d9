import { oneLine } from "../safe-text.ts";
import type { Session } from "../ssh/session.ts";
import { folderLine } from "./far-scripts.ts";
import { bufferOf, type Bytes } from "./names.ts";

/** How a command there ended. */
export interface Ended {
  readonly exitCode: number;
  /** The beginning of what it said on stderr, in harmless characters. */
  readonly said: string;
  /** Why, without what was being done to what. */
  readonly reason: string;
}

interface Run {
  readonly folder?: Bytes;
  /** Read before the archive. */
  readonly ahead?: Bytes;
  readonly archive?: AsyncIterable<Uint8Array>;
  readonly onStdout?: (chunk: Uint8Array) => void | Promise<void>;
}

interface FarShellOptions {
  readonly session: Session;
  readonly folder: Bytes;
  readonly signal: AbortSignal;
}

/** Runs scripts in a folder of a machine. */
export class FarShell {
  readonly #options: FarShellOptions;

  constructor(options: FarShellOptions) {
    this.#options = options;
  }

  /** Runs one of our scripts in the folder, or in another. */
  async run(command: string, { folder, ahead = "", archive, onStdout }: Run): Promise<Ended> {
    const { session, signal } = this.#options;
    let said = "";
    const { exitCode } = await session.exec(command, {
      signal,
      stdin: joined(bufferOf(folderLine(folder ?? this.#options.folder) + ahead), archive),
      onStdout,
      onStderr: (chunk) => {
        if (said.length < 2000) said += Buffer.from(chunk).toString("utf8");
      },
    });
    const [first = ""] = said.split("\n");
    return {
      exitCode,
      said: oneLine(said, 300),
      reason: oneLine(first.slice(first.lastIndexOf(": ") + 1), 200).trim(),
    };
  }
}

async function* joined(first: Uint8Array, rest: AsyncIterable<Uint8Array> | undefined): AsyncGenerator<Uint8Array> {
  yield first;
  if (rest) yield* rest;
}
