import { join, resolve } from "node:path";
import type { Context } from "../command.ts";
import type { Selection, Target } from "../hosts/target.ts";
import { fileFact } from "./session-key.ts";
import { sshConfigFiles } from "./ssh-config-files.ts";

/** What a shell changes from one command to the next, and no login depends on. */
const passing = ["_", "OLDPWD", "SHLVL", "PWD", "COLUMNS", "LINES"];
const keptMs = 30_000;
const keptMax = 256;

interface Remembered {
  readonly target: Target;
  /** What was read to find it: with the same facts about these, the same ones would be read again. */
  readonly files: readonly string[];
  readonly facts: string;
  readonly until: number;
}

/** Which machine a selection meant, for as long as no file has changed that says so. */
export class Selections {
  readonly #kept = new Map<string, Remembered>();

  find(context: Context, selection: Selection): Target | undefined {
    const kept = this.#kept.get(keyOf(context, selection));
    if (!kept || kept.until < context.world.clock.monotonic()) return undefined;
    return kept.facts === factsOf(kept.files) ? kept.target : undefined;
  }

  keep(context: Context, selection: Selection, target: Target): void {
    const files = filesOf(context, selection);
    if (files === undefined) return;
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= keptMax && oldest !== undefined) this.#kept.delete(oldest);
    const key = keyOf(context, selection);
    this.#kept.delete(key);
    this.#kept.set(key, { target, files, facts: factsOf(files), until: context.world.clock.monotonic() + keptMs });
  }
}

function keyOf({ world: { env, cwd, home, folders }, globals: { provider, profile } }: Context, selection: Selection) {
  const lasting = Object.entries(env).filter(([name]) => !passing.includes(name));
  return JSON.stringify([selection, provider, profile, selection.hostsFile && cwd, home, folders, lasting]);
}

/** Undefined where nobody can tell without asking again. */
function filesOf(
  { world: { folders, home, cwd } }: Context,
  { sshConfig, hostsFile }: Selection,
): string[] | undefined {
  const files = [
    join(folders.config, "config.yaml"),
    join(folders.state, "journal.db"),
    join(folders.state, "journal.db-wal"),
  ];
  if (hostsFile !== undefined) files.push(resolve(cwd, hostsFile));
  if (!sshConfig) return files;
  const found = sshConfigFiles(home);
  return found && [...files, ...found];
}

function factsOf(files: readonly string[]): string {
  return files.map(fileFact).join("\n");
}
