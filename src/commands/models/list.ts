import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Model } from "../../models/models.ts";

export default defineCommand({
  name: "models list",
  summary: "List known models and the GPU memory they need",
  description:
    "The memory is an estimate: weights and 10 % of them, context, 2 GiB for the runtime. Your own models go under\n" +
    "`models:` in the configuration, with the fields that `--json` shows.",
  effect: "read",
  examples: [
    { command: "gpu models list", says: "all that are known" },
    {
      command: "gpu config set models.phi-4 '{ parametersB: 14, precision: bf16, context: 16384 }'",
      says: "add one of your own",
    },
  ],
  input: z.object({}),
  output: z.array(Model),
  async run(_input, context) {
    const { allModels } = await import("../../models/models.ts");
    return allModels(await context.config());
  },
  view: (models) => ({
    columns: ["model", "name", "parameters", "precision", "context", "vram", "fits into"],
    rows: models.map(({ model, name, parametersB, precision, context, vramGiB, gpuGiB }) => [
      model,
      name,
      parametersB === null ? "-" : `${parametersB} B`,
      precision,
      `${context}`,
      `${vramGiB} GiB`,
      gpuGiB === null ? "none" : `${gpuGiB} GiB`,
    ]),
    narrow: [
      { column: "name", min: 16 },
      { column: "name" },
      { column: "context" },
      { column: "precision" },
      { column: "parameters" },
    ],
  }),
});
