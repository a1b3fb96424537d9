import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Filesystem, toFilesystem } from "../../provider/shown.ts";

export default defineCommand({
  name: "filesystem create",
  summary: "Make a filesystem that outlives instances",
  description: "What it costs is the provider's to say: look there. `gpu start --filesystem` mounts it.",
  effect: "write",
  examples: [{
    command: "gpu filesystem create data --region us-west-1",
    says: "in the region where it is to be mounted",
  }],
  input: z.object({
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,59}$/, "letters, digits and `-`, at most 60").meta({
      positional: true,
      description: "name of the filesystem",
    }),
    region: z.string().optional().describe("region; the provider's configured one when left out"),
  }),
  output: Filesystem,
  async run({ name, region }, context) {
    const { requireAbility } = await import("../../provider/ability.ts");
    const { UsageError } = await import("../../errors.ts");
    const provider = await context.provider();
    const where = region ?? (await context.config()).providers[provider.name]?.region;
    if (where === undefined) {
      throw new UsageError("a filesystem is made in a region, and none is named", { hint: "`--region us-west-1`" });
    }
    const filesystems = requireAbility(provider, provider.filesystems, "keep filesystems");
    return toFilesystem(await filesystems.create({ name, region: where }, context.signal));
  },
  view: ({ name, region, mountPoint }) => `${name} is made in ${region}, mounted at ${mountPoint}`,
});
