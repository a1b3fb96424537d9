import { bar, gpu, GpuError, parallel, recipe, table, z } from "gpu";

/** Where none has a GPU, as on this computer, they are tried all the same. */
async function cheapest(count: number) {
  const offers = await gpu.available({ free: true }); // the cheapest first
  const withGpus = offers.filter(({ gpuCount }) => gpuCount > 0);
  return (withGpus.length > 0 ? withGpus : offers).slice(0, count).map(({ type }) => type);
}

export default recipe({
  summary: "Run one script on several GPU types, and compare time and cost",
  description:
    "Rents one instance of each type, some at once, runs the script there and gives the instance back. A type that is sold\n" +
    "out is a row of the table, as is one on which the script fails; neither ends the others.",
  budget: 20, // US dollars: price × hours of all types together
  input: z.object({
    script: z.string().meta({
      positional: true,
      complete: "file",
      description: "script to run, by what its first line says; its last line is shown",
    }),
    type: z.array(z.string()).default([]).describe("type to try; the three cheapest that are free when left out"),
    dir: z.string().optional().meta({
      placeholder: "folder",
      complete: "folder",
      description: "folder to run it in, sent there first",
    }),
    hours: z.number().default(1).describe("lease of each"),
    limit: z.number().int().min(1).default(4).describe("instances at once"),
  }),

  async run({ script, type, dir, hours, limit }) {
    const types = type.length > 0 ? type : await cheapest(3);

    const runs = await parallel(types, async (type) => {
      try {
        const rentedAt = Date.now();
        await using box = await gpu.start({ type, hours }, { label: type });
        if (dir !== undefined) await box.sync(dir, "sweep");
        const cwd = dir === undefined ? "~" : "sweep";
        const { exitCode, stdout, durationMs } = await gpu.exec({ targets: [box.id], script, cwd }, { label: type });
        await box.stop();
        const costDollars = box.pricePerHour * (Date.now() - rentedAt) / 3_600_000;
        const says = stdout.trimEnd().split("\n").at(-1) ?? "";
        return {
          type,
          outcome: exitCode === 0 ? "ok" : `exit ${exitCode}`,
          seconds: durationMs / 1000,
          costDollars,
          says,
        };
      } catch (error) {
        if (!(error instanceof GpuError)) throw error;
        return { type, outcome: "not run", seconds: 0, costDollars: 0, says: error.message };
      }
    }, { limit });

    const success = runs.some(({ outcome }) => outcome === "ok") && !runs.some(({ outcome }) => /^exit/.test(outcome));
    return { success, runs };
  },

  view({ runs }) {
    const slowest = Math.max(...runs.map(({ seconds }) => seconds));
    const dearest = Math.max(...runs.map(({ costDollars }) => costDollars));
    return table(runs, {
      type: ({ type }) => type,
      outcome: ({ outcome }) => outcome,
      seconds: ({ seconds }) => seconds.toFixed(1),
      time: ({ seconds }) => bar(seconds, { max: slowest, width: 16 }),
      dollars: ({ costDollars }) => costDollars.toFixed(4),
      cost: ({ costDollars }) => bar(costDollars, { max: dearest, width: 16 }),
      says: ({ says }) => says,
    });
  },
});
