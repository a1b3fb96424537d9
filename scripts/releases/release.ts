import { spawnSync } from "node:child_process";
import project from "../../package.json" with { type: "json" };
import { root } from "../toolchain.ts";

/** What is released, and from what. */
export interface Release {
  /** As package.json says, and no other place. */
  readonly version: string;
  /** The commit that it is made of. */
  readonly commit: string;
  /** Of the commit: everything that is made carries this time, so that it can be made again. */
  readonly date: Date;
  /** Whether there is something in the folder that no commit has. */
  readonly isDirty: boolean;
  /** Of the release before this one. */
  readonly lastTag: string | undefined;
  /** Subjects of the commits since then, the newest first. */
  readonly subjects: readonly string[];
}

/** The release that this folder is. */
export function thisRelease(): Release {
  const lastTag = git("describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^") || undefined;
  const range = lastTag === undefined ? ["HEAD"] : [`${lastTag}..HEAD`];
  return {
    version: project.version,
    commit: git("rev-parse", "HEAD"),
    date: new Date(Number(git("log", "-1", "--format=%ct")) * 1000),
    isDirty: git("status", "--porcelain") !== "",
    lastTag,
    subjects: git("log", "--format=%s", "--no-merges", ...range).split("\n").filter((line) => line !== ""),
  };
}

function git(...words: readonly string[]): string {
  const { stdout } = spawnSync("git", words, { cwd: root, encoding: "utf8" });
  return stdout?.trim() ?? "";
}
