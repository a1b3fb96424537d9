import { gpu, recipe, z } from "gpu";

export default recipe({
  summary: "Run a project's tests on a rented GPU, then give it back",
  budget: 5, // US dollars: checked before anything is rented
  input: z.object({
    dir: z.string().default(".").describe("project to test"),
    type: z.string().optional().describe("instance type; the cheapest that is free when left out"),
    hours: z.number().default(1).describe("lease"),
  }),
  async run({ dir, type, hours }) {
    await gpu.ci.check({ dir }); // nothing is rented for a project that cannot be tested
    await using box = await gpu.start({ type, hours }); // intent journaled, launched, waited for
    await using tunnel = await box.tunnel({ forward: ["0:ci"] }); // 0: any free local port; ci: the instance's CI server
    const job = await gpu.ci.submit.test({ dir, ...tunnel.ci() }); // its address and token
    for await (const line of job.log()) console.log(line);
    const { success } = await job.result();
    if (!success) await box.keep({ hours: 0.5, why: "look at the failure" });
    return { success }; // success: false makes the exit code 1
  },
});
