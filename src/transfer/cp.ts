import { resolve } from "node:path";
import type { Context } from "../command.ts";
import { UsageError } from "../errors.ts";
import { copyAll } from "./copy.ts";
import type { Side } from "./destinations.ts";
import type { CopyResult } from "./copied.ts";
import { expand } from "./glob.ts";
import { localBytes, localFiles } from "./local-files.ts";
import { Machines } from "./machines.ts";
import type { Files } from "./files.ts";
import type { ReachFlags } from "./params.ts";
import { parsePlace, type Place } from "./place.ts";
import { remoteFiles } from "./remote-files.ts";

export interface CopyRequest {
  readonly words: readonly string[];
  readonly resume: boolean;
  readonly isDryRun: boolean;
  readonly reach: ReachFlags;
}

/** Copies as the words of the command line say: all but the last are sources. */
export async function copyAsTold(
  context: Context,
  { words, resume, isDryRun, reach }: CopyRequest,
): Promise<CopyResult> {
  const { world, signal, progress } = context;
  const startedAt = world.clock.now();
  const places = words.map((word) => parsePlace(word, world.platform));
  const destination = places.at(-1);
  if (destination === undefined || places.length < 2) {
    throw new UsageError("`gpu cp` needs a source and a destination", { hint: "`gpu cp results.csv trainer:`" });
  }
  if (places.every(({ kind }) => kind === "local")) {
    throw new UsageError("all of these paths are on this computer", {
      hint: "a path on a machine is `machine:path`; `gpu status` lists the machines",
    });
  }
  await using machines = new Machines(context, reach);
  return await machines.around(async () => {
    await using opened = new Sides(machines, world.cwd);
    const sources: Side[] = [];
    for (const place of places.slice(0, -1)) {
      const { files, path } = await opened.side(place);
      const paths = files.isLocal ? [path] : await expand(files, path);
      for (const each of paths) sources.push({ files, path: each });
    }
    const to = await opened.side(destination);
    const copied = await copyAll({
      ...{ world, signal, sources, to, isDryRun },
      isResuming: resume,
      onProgress: progress,
    });
    return {
      files: copied.files.length,
      bytes: copied.bytes,
      resumedBytes: copied.resumedBytes,
      skipped: [...copied.skipped],
      dryRun: isDryRun,
      planned: isDryRun ? [...copied.files] : [],
      durationMs: world.clock.now() - startedAt,
    };
  });
}

/** Places as files one can work with; SFTP is started once for each machine. */
class Sides implements AsyncDisposable {
  readonly #machines: Machines;
  readonly #cwd: string;
  readonly #files = new Map<string, Promise<Files>>();
  readonly #stack = new AsyncDisposableStack();

  constructor(machines: Machines, cwd: string) {
    this.#machines = machines;
    this.#cwd = cwd;
  }

  async side(place: Place): Promise<Side> {
    if (place.kind === "local") {
      const path = localBytes(resolve(this.#cwd, place.path));
      return { files: localFiles, path: /[\\/]$/.test(place.path) && path !== "/" ? `${path}/` : path };
    }
    const machine = await this.#machines.machine(place.target);
    const known = this.#files.get(machine.name) ?? machine.session()
      .then((session) => session.sftp())
      .then((sftp) => remoteFiles(this.#stack.use(sftp), machine.name));
    this.#files.set(machine.name, known);
    return { files: await known, path: place.path };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
