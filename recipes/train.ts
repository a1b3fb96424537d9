import { join } from "node:path";
import { gpu, onExit, recipe, z } from "gpu";

export default recipe({
  summary: "Train on a rented GPU, and bring the checkpoints home",
  description:
    "Sends the project, starts the training there as a job that a lost connection does not end, and shows its log. What it\n" +
    "writes to the folder of results comes back every few minutes, before the lease ends, and at the end. The exit code is\n" +
    "that of the training.",
  budget: 50, // US dollars: price × hours, checked before anything is rented
  input: z.object({
    command: z.string().default("python3 train.py").meta({
      positional: true,
      description: "line for the shell there, run in the project",
    }),
    dir: z.string().default(".").meta({ placeholder: "folder", complete: "folder", description: "project to send" }),
    results: z.string().default("checkpoints").meta({
      placeholder: "folder",
      description: "folder of the project to bring back",
    }),
    every: z.duration().default("10m").describe("pause between two times it is brought back"),
    type: z.string().optional().describe("instance type; the cheapest that is free when left out"),
    hours: z.number().default(8).describe("lease: so long it may take"),
  }),

  async run({ command, dir, results, every, type, hours }) {
    const box = await gpu.start({ type, hours }); // given back when the run ends, however that is
    await box.sync(dir, "project");
    await box.$`mkdir -p project/${results}`.retry();
    const job = await box.job("train", command, { cwd: "project" });

    const save = () => box.sync(join(dir, results), `project/${results}`, { pull: true, ignore: false });
    box.every(every, save);
    box.onLeaseEnd(save, { before: "15m" });
    onExit(save, { timeout: "5m" }); // after an error or Ctrl-C, too

    for await (const line of job.log()) console.log(line);
    const { state, exitCode } = await job.wait();
    await save();

    process.exitCode = exitCode ?? 1;
    return { success: state === "ok", state, exitCode, results: join(dir, results) };
  },

  view: ({ state, exitCode, results }) =>
    `the training ended: ${state}${exitCode ? ` (${exitCode})` : ""}; what it saved is in ${results}`,
});
