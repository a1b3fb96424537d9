import { z } from "zod";
import { defineCommand } from "../command.ts";
import { Execution } from "../instance/execution.ts";
import { instanceParams } from "../instance/params.ts";

export default defineCommand({
  name: "exec",
  summary: "Run a command on an instance",
  description:
    "One argument behind the dashes is a line for the instance's shell; several are a program and its arguments, each quoted for you.\n" +
    "Input, output and the exit code are the command's own.",
  effect: "write",
  examples: [
    { command: "gpu exec -- nvidia-smi -L", says: "on the only instance there is" },
    { command: "gpu exec i-3f9a1c20 -- 'ls *.log | wc -l'", says: "a line for its shell" },
    { command: "gpu exec trainer -- python3 - < train.py", says: "input goes along" },
  ],
  input: z.object({
    ...instanceParams,
    command: z.array(z.string()).min(1, "there is nothing to run").meta({
      rest: true,
      description: "command to run there",
    }),
  }),
  output: Execution,
  async run({ instance, instanceId, command }, context) {
    const { execute } = await import("../instance/execute.ts");
    const { commandLine } = await import("../quote.ts");
    return await execute(context, instance ?? instanceId, commandLine(command));
  },
  exitCode: ({ exitCode }) => exitCode,
  view: () => undefined,
});
