import { gpu, parallel, recipe, z } from "gpu";

export default recipe({
  summary: "Time a script on several types of GPU",
  budget: 10, // US dollars, for all of them together
  input: z.object({
    script: z.string().meta({ positional: true, description: "script to time" }),
    types: z.array(z.string()).default(["gpu_1x_a10", "gpu_1x_a100", "gpu_1x_h100_pcie"]).describe("instance types"),
  }),
  run: ({ script, types }) =>
    parallel(types, async (type) => {
      await using box = await gpu.start({ type, hours: 1 }, { label: type });
      await box.upload(script, "bench.sh");
      const begin = Date.now();
      await box.$`bash bench.sh`;
      return { type, seconds: (Date.now() - begin) / 1000 };
    }),
});
