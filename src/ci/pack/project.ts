import { resolve } from "node:path";
import type { Context } from "../../command.ts";
import { GpuError } from "../../errors.ts";
import { type Pack, packProject } from "./pack.ts";
import { filesText, sizeText } from "./text.ts";
import type { WarningOptions } from "./warnings.ts";

export interface PackRequest {
  readonly dir: string;
  /** Obey `.gitignore` and `.gpuignore`. */
  readonly ignore: boolean;
  /** What becomes of the archive: one that is sent leaves this computer, so a person is asked where that may be a mistake. */
  readonly use: "send" | "write";
  /** A file that is not packed, wherever it is: the archive itself. */
  readonly except?: string;
}

/** What a command packs, and the names that went away since they were listed: known when the archive has been read. */
export interface CommandPack extends Pack {
  readonly gone: ReadonlySet<string>;
}

/** Packs a folder for a command: says what stays behind and what one may not want to send, and shows how far it is. */
export async function packForCommand(
  { dir, ignore, use, except }: PackRequest,
  context: Context,
): Promise<CommandPack> {
  const { world, signal, progress, note } = context;
  const gone = new Set<string>();
  progress(`looking through ${dir}`);
  const pack = await packProject(resolve(world.cwd, dir), {
    ignore,
    except,
    signal,
    onProgress: ({ files, bytes }) =>
      progress(
        `${use === "send" ? "sending" : "packing"} ${files} of ${filesText(pack.plan.files.length)}, ` +
          `${sizeText(bytes)} of ${sizeText(pack.plan.bytes)}`,
      ),
    onGone: (name) => {
      gone.add(name);
      note(`left out: ${JSON.stringify(name)} went away meanwhile`);
    },
  });
  const { leftOut, skipped } = pack.plan;
  if (leftOut.files > 0) {
    const verb = use === "send" ? "sends" : "packs";
    note(`left out as ignored: ${filesText(leftOut.files)}, ${sizeText(leftOut.bytes)} (\`--no-ignore\` ${verb} them)`);
  }
  for (const { name, why } of skipped) note(`left out: ${JSON.stringify(name)}: ${why}`);
  if (use === "send" && (await warn(pack, context)).length > 0) await confirmSending(context);
  return { ...pack, gone };
}

/** Says what one may not want to send, and returns it. */
export async function warn(pack: Pack, { note }: Context, how?: WarningOptions): Promise<string[]> {
  const warnings = await pack.warnings(how);
  for (const warning of warnings) note(`warning: ${warning}`);
  return warnings;
}

/** Asks where somebody can be asked. A script that sends its project goes on sending it. */
async function confirmSending({ world: { terminal }, globals, signal, progress, around }: Context): Promise<void> {
  const { askYesNo, canAsk } = await import("../../terminal/ask.ts");
  if (globals.yes || globals.json || globals.quiet || !canAsk(terminal)) return;
  progress(undefined);
  let isYes = false;
  // In its turn: behind the warnings it is about, which a terminal may take a moment to write.
  await around(async () => void (isYes = await askYesNo("Send it all the same?", terminal, signal)));
  if (isYes) return;
  throw new GpuError("nothing was sent: the answer was no", { hint: "`.gpuignore` names what stays here" });
}
