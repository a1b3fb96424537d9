import { chmodSync, copyFileSync, lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { Artifact } from "../job.ts";
import { findProjectFiles } from "./project-files.ts";

/** What was kept of a project's files. */
export interface Kept {
  readonly artifacts: readonly Artifact[];
  /** For the job's log. */
  readonly problems: readonly string[];
}

export interface KeepOptions {
  /** The unpacked project, in which nothing runs any more. */
  readonly from: string;
  readonly to: string;
  readonly patterns: readonly string[];
  /** Of all together. */
  readonly maxBytes?: number;
}

const maxArtifacts = 10_000;
const defaultMaxBytes = 2 ** 30;

/** Moves the files that a project's `artifacts` patterns match out of it: plain files, none behind a link. */
export function keepArtifacts({ from, to, patterns, maxBytes = defaultMaxBytes }: KeepOptions): Kept {
  if (patterns.length === 0) return { artifacts: [], problems: [] };
  const artifacts: Artifact[] = [];
  const problems: string[] = [];
  let left = maxBytes;
  let tooMuch = 0;
  for (const { name, path, bytes } of findProjectFiles(from, patterns)) {
    if (artifacts.length >= maxArtifacts || bytes > left) {
      tooMuch++;
      continue;
    }
    try {
      move(path, join(to, name));
    } catch (error) {
      problems.push(`the artifact ${JSON.stringify(name)} could not be kept: ${reasonOf(error)}`);
      continue;
    }
    left -= bytes;
    artifacts.push({ name, size: bytes });
  }
  if (tooMuch > 0) {
    problems.push(
      `${tooMuch} artifacts were not kept: a job may leave ${maxArtifacts} files and ${maxBytes / 2 ** 20} MiB`,
    );
  }
  if (artifacts.length === 0 && problems.length === 0) {
    problems.push(`the job left no artifacts: nothing matches ${patterns.map((each) => `\`${each}\``).join(", ")}`);
  }
  return { artifacts, problems };
}

/** Where a kept artifact is, by the name that a list of them has; undefined for any other name. */
export function artifactPath(folder: string, artifacts: readonly Artifact[], name: string): string | undefined {
  return artifacts.some((artifact) => artifact.name === name) ? join(folder, name) : undefined;
}

function move(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  // What has another name somewhere else is not ours to change: a package manager links from its store.
  if (lstatSync(from).nlink > 1 || !isRenamed(from, to)) {
    copyFileSync(from, to);
    rmSync(from);
  }
  chmodSync(to, 0o600);
}

/** False where the two lie on different file systems. */
function isRenamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (systemCode(error) !== "EXDEV") throw error;
    return false;
  }
}
