import { z } from "zod";
import { defineCommand } from "../command.ts";
import { GpuError, UsageError } from "../errors.ts";
import { HostExecution } from "../exec/execution.ts";
import { hostParams, selectionOf } from "../hosts/params.ts";
import { instanceParams } from "../instance/params.ts";

export default defineCommand({
  name: "ssh",
  summary: "Open a shell on a machine",
  description:
    "On an instance, or a host of your own. The terminal is the remote's until the shell ends; at the start of a line `~.` " +
    "cuts the connection and `~?` tells more. With a command behind the dashes that is run instead of a shell.\n" +
    "The exit code is the remote's; 255: there was no connection, or it was cut.",
  effect: "write",
  examples: [
    { command: "gpu ssh", says: "on the only instance there is" },
    { command: "gpu ssh trainer -- nvidia-smi", says: "run something instead" },
    { command: "gpu ssh --host me@lab.example:2222 -A", says: "a host of your own, with your SSH agent" },
    { command: "gpu ssh trainer --openssh", says: "the system's ssh, told everything it needs" },
  ],
  input: z.object({
    ...instanceParams,
    instance: instanceParams.instance.meta({ ...instanceParams.instance.meta(), complete: "instance|host" }),
    ...hostParams,
    forwardAgent: z.boolean().default(false).meta({
      short: "A",
      description: "let the machine use your SSH agent while you are there",
    }),
    openssh: z.boolean().default(false).describe("hand over to the system's `ssh`, with everything resolved"),
    share: z.boolean().default(true).describe("use a connection that another command left open"),
    command: z.array(z.string()).default([]).meta({ rest: true, description: "command to run instead of a shell" }),
  }),
  output: HostExecution,
  async run({ instance, instanceId, command, forwardAgent, openssh, share, ...input }, context) {
    const { attached, world, globals } = context;
    const isTerminal = attached?.stdin.isTTY && attached.stdout.isTTY;
    if (command.length === 0 && !isTerminal) {
      throw new UsageError("a shell needs a terminal, and there is none here", {
        hint: "`gpu ssh -- <command>` runs one command; `gpu exec -- sh -s < script` a script",
      });
    }
    if (globals.json && (openssh || forwardAgent)) {
      throw new UsageError(`\`--${openssh ? "openssh" : "forward-agent"}\` and \`--json\` do not go together`);
    }
    const { commandLine } = await import("../quote.ts");
    const named = [instance, instanceId].filter((name) => name !== undefined);
    const selection = selectionOf(input, named);
    if (!attached) {
      const { execOn } = await import("../exec/exec.ts");
      const plan = { jobs: 1, failFast: false, fold: false, stdin: false, sudo: false, retry: 0 };
      const [ended] = await Array.fromAsync(
        execOn(context, { ...plan, selection, share, request: { line: commandLine(command) } }),
      );
      if (!ended) throw new Error("nothing was run");
      if (ended.error !== null) throw new GpuError(`\`${ended.host}\`: ${ended.error}`, { exitCode: 255 });
      return ended;
    }
    const { selectTarget } = await import("../hosts/select.ts");
    const target = await selectTarget(context, selection);
    const isForwarding = forwardAgent || (target.kind === "host" && target.login.forwardAgent === true);
    if (openssh) {
      const { runOpenSsh } = await import("../exec/openssh.ts");
      return await runOpenSsh(context, target, { command: commandLine(command), isForwarding });
    }
    const agent = isForwarding ? world.env.SSH_AUTH_SOCK || undefined : undefined;
    if (forwardAgent && agent === undefined) {
      throw new GpuError("there is no SSH agent to forward", {
        hint: "`eval $(ssh-agent)` starts one, and `ssh-add` gives it a key",
      });
    }
    const { openShell } = await import("../exec/shell.ts");
    return await openShell(context, target, attached, {
      command: commandLine(command),
      share,
      forwardAgent: agent,
    });
  },
  exitCode: ({ exitCode }) => exitCode ?? 255,
  view: () => undefined,
});
