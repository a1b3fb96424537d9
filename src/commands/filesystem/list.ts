import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Filesystem, toFilesystem } from "../../provider/shown.ts";

export default defineCommand({
  name: "filesystem list",
  summary: "List filesystems that outlive instances",
  effect: "read",
  examples: [{ command: "gpu filesystem list --provider lambda", says: "of one provider" }],
  input: z.object({}),
  output: z.array(Filesystem),
  async run(_input, context) {
    const { requireAbility } = await import("../../provider/ability.ts");
    const provider = await context.provider();
    const list = await requireAbility(provider, provider.filesystems, "keep filesystems").list(context.signal);
    return list.map(toFilesystem);
  },
  view: (filesystems) => ({
    columns: ["id", "name", "region", "mounted at", "in use", "size"],
    rows: filesystems.map(({ id, name, region, mountPoint, isInUse, bytesUsed }) => [
      id,
      name,
      region,
      mountPoint,
      isInUse ? "yes" : "no",
      bytesUsed === null ? "-" : `${(bytesUsed / 2 ** 30).toFixed(1)} GiB`,
    ]),
    narrow: [{ column: "mounted at", min: 12 }, { column: "mounted at" }, { column: "size" }, { column: "region" }],
    empty: "there is no filesystem; `gpu filesystem create` makes one",
  }),
});
