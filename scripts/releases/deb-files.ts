import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { root } from "../toolchain.ts";
import type { DebFile } from "./archives.ts";

/** Where Debian looks for what completes names in each shell. */
const completions = {
  bash: "usr/share/bash-completion/completions/gpu",
  zsh: "usr/share/zsh/vendor-completions/_gpu",
  fish: "usr/share/fish/vendor_completions.d/gpu.fish",
} as const;

/** What goes into a package of Debian beside the executable: the licence, and what the executable itself says. */
export function debFiles(executable: string, date: Date): DebFile[] {
  const ask = (...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(executable, words, {
      env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent", SOURCE_DATE_EPOCH: String(date.getTime() / 1000) },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`\`gpu ${words.join(" ")}\` failed: ${stderr}`);
    return stdout;
  };
  return [
    ...Object.entries(completions).map(([shell, path]) => ({ path, content: ask("completion", shell) })),
    { path: "usr/share/doc/gpu/copyright", content: readFileSync(join(root, "LICENSE")) },
    { path: "usr/share/man/man1/gpu.1.gz", content: gzipSync(ask("help", "--man"), { level: 9 }) },
  ];
}
