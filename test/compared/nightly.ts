import { gpu, notify, recipe, z } from "gpu";

export default recipe({
  summary: "Run a script on a GPU each night and say how it went",
  budget: 5,
  input: z.object({
    script: z.string().default("nightly.sh").meta({ positional: true, description: "script to run" }),
  }),
  async run({ script }) {
    try {
      await using box = await gpu.start({ hours: 2 });
      await box.upload(script, "nightly.sh");
      const { stdout } = await box.$`bash nightly.sh`.timeout("90m");
      await notify(`nightly is well: ${stdout.trimEnd().split("\n").at(-1)}`);
    } catch (error) {
      await notify(`nightly failed: ${error}`);
      throw error;
    }
  },
});
