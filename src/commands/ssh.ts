import { z } from "zod";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { Execution } from "../instance/execution.ts";
import { instanceParams } from "../instance/params.ts";

/** The login shell of whoever logs in. */
const loginShell = 'exec "${SHELL:-/bin/sh}" -l';

export default defineCommand({
  name: "ssh",
  summary: "Open a shell on an instance",
  description: "Its host key is the one that it was launched with. With a command behind the dashes it is `gpu exec`.",
  effect: "write",
  examples: [
    { command: "gpu ssh", says: "on the only instance there is" },
    { command: "gpu ssh trainer -- nvidia-smi", says: "run something instead" },
  ],
  input: z.object({
    ...instanceParams,
    command: z.array(z.string()).optional().meta({ rest: true, description: "command to run instead of a shell" }),
  }),
  output: Execution,
  async run({ instance, instanceId, command = [] }, context) {
    const { execute } = await import("../instance/execute.ts");
    const { commandLine } = await import("../quote.ts");
    const { attached } = context;
    if (command.length === 0 && !(attached?.stdin.isTTY && attached.stdout.isTTY)) {
      throw new UsageError("a shell needs a terminal, and there is none here", {
        hint: "`gpu ssh -- <command>` runs one command; `gpu exec -- sh -s < script` a script",
      });
    }
    return await execute(context, instance ?? instanceId, command.length === 0 ? loginShell : commandLine(command));
  },
  exitCode: ({ exitCode }) => exitCode,
  view: () => undefined,
});
