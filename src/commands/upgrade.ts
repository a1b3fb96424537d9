import { z } from "zod";
import packageJson from "../../package.json" with { type: "json" };
import { type Context, defineCommand } from "../command.ts";
import type { FoundRelease } from "../upgrade/releases.ts";

const Upgrade = z.object({
  from: z.string().describe("version of this executable"),
  to: z.string().describe("version that is there now, or with `--check` could be"),
  changed: z.boolean().describe("whether the executable was replaced"),
  signed: z.boolean().describe("whether the release has the signature of who makes gpu"),
  previous: z.string().nullable().describe("where the executable before this one is kept"),
});

export default defineCommand({
  name: "upgrade",
  summary: "Replace this executable by a newer release",
  description:
    "Downloads it, checks its signature and checksum, and starts it once; only then it takes the place of this one, in one\n" +
    "step. The one before is kept beside it. It is never done by itself, and not where a package manager installed gpu.",
  effect: "write",
  examples: [
    { command: "gpu upgrade --check", says: "whether there is a newer one" },
    { command: "gpu upgrade", says: "to the newest" },
    { command: "gpu upgrade --to 0.1.0", says: "to this one, also if it is older" },
  ],
  input: z.object({
    check: z.boolean().default(false).describe("only say which release is the newest"),
    to: z.string().regex(/^v?\d+\.\d+\.\d+(-[\w.]+)?$/, "a version is three numbers, as `1.2.3`").optional().meta({
      placeholder: "version",
      description: "this release, also if it is older",
    }),
  }),
  output: Upgrade,
  async run({ check, to }, context) {
    const { releasePlace } = await import("../upgrade/place.ts");
    const { compareVersions, findRelease } = await import("../upgrade/releases.ts");
    const { world, signal, progress } = context;
    const place = releasePlace(world);
    progress("looking for the release");
    const release = await findRelease({ world, place, version: to?.replace(/^v/, ""), signal });
    progress(undefined);
    const from = packageJson.version;
    const isWanted = to === undefined ? compareVersions(release.version, from) > 0 : release.version !== from;
    const found = { from, to: release.version, signed: release.isSigned };
    if (check || !isWanted) return { ...found, changed: false, previous: null };
    return { ...found, changed: true, previous: await replace(release, context) };
  },
  view: ({ from, to, changed, signed, previous }) => {
    const unsigned = signed ? [] : [{ stderr: "warning: nobody signed this release; only its checksums were checked" }];
    if (changed) return [...unsigned, `gpu ${to}, in the place of ${from}, which is \`${previous}\` now`];
    return from === to ? `this is gpu ${from} already` : [...unsigned, `gpu ${to} is there; this is ${from}`];
  },
});

async function replace(release: FoundRelease, { world, signal, progress }: Context): Promise<string> {
  const { GpuError } = await import("../errors.ts");
  const { realpathSync } = await import("node:fs");
  const { findManager } = await import("../upgrade/manager.ts");
  const { replaceExecutable } = await import("../upgrade/replace.ts");
  const { platformName } = await import("../upgrade/platform.ts");
  const [executable = "", script] = world.self;
  if (script !== undefined) {
    throw new GpuError("this runs from its sources, so there is no executable to replace", { hint: "`git pull`" });
  }
  const path = realpathSync(executable);
  const manager = await findManager(world, path, signal);
  if (manager !== undefined) {
    throw new GpuError(`\`${path}\` was installed by ${manager.name}, which would not know of it`, {
      hint: manager.command,
    });
  }
  return await replaceExecutable({
    ...{ world, release, path, signal, platform: platformName(world) },
    onProgress: (bytes, total) => {
      const of = total === undefined ? "" : ` of ${(total / 1e6).toFixed(0)}`;
      progress(`downloading gpu ${release.version}: ${(bytes / 1e6).toFixed(0)}${of} MB`);
    },
  }).finally(() => progress(undefined));
}
