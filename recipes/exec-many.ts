import { gpu, parallel, recipe, z } from "gpu";

export default recipe({
  summary: "Run a command on several machines at once",
  budget: 0, // machines of the local provider cost nothing, and no other is rented
  input: z.object({
    command: z.string().default("uname -n").meta({
      positional: true,
      description: "command for the shell of each machine",
    }),
    count: z.number().int().min(1).default(2).meta({ short: "n", description: "machines to start" }),
  }),
  async run({ command, count }) {
    const numbers = Array.from({ length: count }, (_, index) => index + 1);
    return await parallel(numbers, async (number) => {
      await using box = await gpu.start({ hours: 0.25 }, { label: `machine ${number}` });
      return { machine: box.name, says: await box.exec(command).text() };
    }, { limit: 4 });
  },
});
