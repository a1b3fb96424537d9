import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { NotFoundError } from "../../errors.ts";
import { Filesystem, toFilesystem } from "../../provider/shown.ts";

export default defineCommand({
  name: "filesystem delete",
  summary: "Delete a filesystem and all that is on it",
  effect: "destroy",
  examples: [{ command: "gpu filesystem delete data", says: "asks first: nothing brings it back" }],
  input: z.object({
    filesystem: z.string().meta({
      positional: true,
      complete: "filesystem",
      description: "id or name of the filesystem",
    }),
  }),
  output: Filesystem,
  plan: ({ filesystem }) =>
    Promise.resolve({ action: `delete the filesystem ${filesystem}`, loss: "all that is on it" }),
  async run({ filesystem }, context) {
    const { requireAbility } = await import("../../provider/ability.ts");
    const provider = await context.provider();
    const filesystems = requireAbility(provider, provider.filesystems, "keep filesystems");
    const list = await filesystems.list(context.signal);
    const found = list.find(({ id, name }) => id === filesystem || name === filesystem);
    if (!found) {
      throw new NotFoundError(`there is no filesystem \`${filesystem}\``, { hint: "`gpu filesystem list` lists them" });
    }
    await filesystems.delete(found.id, context.signal);
    return toFilesystem(found);
  },
  view: ({ name }) => `${name} is deleted`,
});
