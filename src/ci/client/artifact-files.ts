import { randomUUID } from "node:crypto";
import { lstat, mkdir, open, realpath, rename, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { CiError, systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import { abortable } from "../../http/body.ts";
import { watchQuiet } from "../../http/quiet.ts";
import type { World } from "../../world.ts";
import type { CiClient } from "./client.ts";
import type { Artifact } from "../job.ts";

/** How long nothing may come of a file, in milliseconds. */
const quietMs = 60_000;
/** How often one that was cut off is asked for. */
const attempts = 4;

interface SaveOptions {
  readonly world: Pick<World, "clock">;
  /** Absolute; made where it is missing. Nothing is written outside of it. */
  readonly folder: string;
  readonly signal?: AbortSignal;
}

/** Fetches a file that a job left, whole or not at all, and returns where it is. Its name is the server's word: data. */
export async function saveArtifact(
  client: CiClient,
  { jobId, artifact }: { jobId: string; artifact: Artifact },
  options: SaveOptions,
): Promise<string> {
  const parts = safeParts(artifact.name);
  const name = parts.at(-1) ?? "";
  try {
    const folder = await safeFolder(options.folder, parts.slice(0, -1));
    const path = join(folder, name);
    const draft = join(folder, `.${randomUUID()}.new`);
    try {
      await fetchInto(draft, client, { jobId, artifact }, options);
      // A folder or a link with that name is not what was asked to be replaced.
      const there = await lstat(path).catch(() => undefined);
      if (there !== undefined && !there.isFile()) throw refused(artifact.name, `\`${path}\` is there and is no file`);
      await rename(draft, path);
      return path;
    } finally {
      await rm(draft, { force: true });
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new CiError(`cannot write \`${artifact.name}\` below \`${options.folder}\`: ${reasonOf(error)}`, {
      hint: "`--output` names another folder",
      cause: error,
    });
  }
}

async function fetchInto(
  draft: string,
  client: CiClient,
  { jobId, artifact }: { jobId: string; artifact: Artifact },
  { world, signal }: SaveOptions,
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    const bytes = await receive(draft, await client.openArtifact(jobId, artifact.name), {
      world,
      signal,
      mostBytes: artifact.size,
    });
    if (bytes === artifact.size) return;
    if (attempt < attempts) continue;
    throw new CiError(`\`${artifact.name}\` did not come whole: ${bytes} of ${artifact.size} bytes`, {
      hint: "try again",
    });
  }
}

/** How many bytes came; one more than `mostBytes` where there were more. A cut connection is an end. */
async function receive(
  draft: string,
  { body }: Response,
  { world, signal, mostBytes }: Pick<SaveOptions, "world" | "signal"> & { mostBytes: number },
): Promise<number> {
  await using file = await open(draft, "w", 0o600);
  if (body === null) return 0;
  using watch = watchQuiet({ clock: world.clock, quietMs, signal });
  let bytes = 0;
  const reader = abortable(body, watch.signal).getReader();
  try {
    for (;;) {
      const next = await reader.read().catch(() => {
        signal?.throwIfAborted();
        return { done: true as const, value: undefined };
      });
      if (next.done) return bytes;
      watch.touch();
      bytes += next.value.length;
      if (bytes > mostBytes) return mostBytes + 1;
      await file.writeFile(next.value);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** The parts of a relative name, none of which means anything but itself on any system. */
function safeParts(name: string): string[] {
  const parts = name.split("/");
  // deno-lint-ignore no-control-regex
  const isWrong = (part: string) => /^\.{0,2}$|[\x00-\x1f\x7f\\:]|[. ]$/.test(part) || reserved.test(part);
  if (parts.some(isWrong) || name.length > 4096) {
    throw refused(name, "its name is not that of a file below the project");
  }
  return parts;
}

/** The folder of these parts below another, made where it is missing. A link among them must not lead out. */
async function safeFolder(root: string, parts: readonly string[]): Promise<string> {
  await mkdir(root, { recursive: true });
  const realRoot = await realpath(root);
  let folder = realRoot;
  for (const part of parts) {
    folder = join(folder, part);
    await mkdir(folder).catch((error) => {
      if (systemCode(error) !== "EEXIST") throw error;
    });
    const real = await realpath(folder);
    if (real !== realRoot && !real.startsWith(realRoot + sep)) {
      throw refused(parts.join("/"), `\`${folder}\` leads out of \`${root}\``);
    }
    folder = real;
  }
  return folder;
}

function refused(name: string, why: string): CiError {
  return new CiError(`the artifact ${JSON.stringify(name)} is not written: ${why}`, {
    hint: "the others can be fetched by name: `gpu ci artifacts <job> <name> --output <folder>`",
  });
}
