import { z } from "zod";
import { defineCommand } from "../command.ts";
import { CopyResult, viewCopy } from "../transfer/copied.ts";
import { reachParams } from "../transfer/params.ts";

export default defineCommand({
  name: "cp",
  summary: "Copy files and folders to, from and between machines",
  description:
    "A path on a machine is `machine:path`, relative to the home there; `:path` is on the only instance. `./a:b` is a file here.\n" +
    "Folders come with all that is in them. `*`, `?` and `[…]` in a path on a machine are names there: quote them.\n" +
    "Permissions and times are kept. A file is replaced when all of it has arrived; an interrupted copy is gone on with.",
  effect: "write",
  examples: [
    { command: "gpu cp train.py data trainer:project/", says: "a file and a folder into a folder there" },
    { command: "gpu cp 'trainer:runs/*.pt' .", says: "what matches there, into this folder" },
    { command: "gpu cp alice@lab:model.bin trainer:", says: "from one machine to another" },
    { command: "gpu cp alice@lab:2222:log.txt .", says: "from a machine of your own, at another port" },
  ],
  input: z.object({
    paths: z.array(z.string()).min(2, "a source and a destination").meta({
      positional: true,
      complete: "file|place",
      placeholder: "path",
      description: "what to copy, and last where to",
    }),
    resume: z.boolean().default(true).describe("go on with what an interrupted copy left"),
    dryRun: z.boolean().default(false).describe("print what would be copied, and how much"),
    ...reachParams,
  }),
  output: CopyResult,
  async run({ paths, resume, dryRun, ...reach }, context) {
    const { copyAsTold } = await import("../transfer/cp.ts");
    return await copyAsTold(context, { words: paths, resume, isDryRun: dryRun, reach });
  },
  view: viewCopy,
});
