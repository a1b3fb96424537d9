import { resolve } from "node:path";
import { z } from "zod";
import { defineStream } from "../command.ts";
import { UsageError } from "../errors.ts";
import { HostExecution } from "../exec/execution.ts";
import { manyParams, selectionOf } from "../hosts/params.ts";

export default defineStream({
  name: "exec",
  summary: "Run a command on one or many machines",
  description:
    "One argument behind the dashes is a line for the remote's shell; several are a program and its arguments, each quoted for you.\n" +
    "On one machine input, output and the exit code are the command's own; 255: nobody could log in, 124: it took longer than " +
    "`--timeout`. On several, lines come as they are printed, behind the name of their machine, and the exit code is 0 only " +
    "when all went well. Ctrl-C ends the commands there too; pressed twice it leaves at once. A gpu\n" +
    "that is killed (SIGKILL), or a connection that is cut, ends nothing there: `timeout 1h` before a command does.",
  effect: "write",
  examples: [
    { command: "gpu exec -- nvidia-smi -L", says: "on the only instance there is" },
    { command: "gpu exec i-3f9a1c20 -- 'ls *.log | wc -l'", says: "a line for its shell" },
    { command: "gpu exec trainer -- python3 - < train.py", says: "input goes along" },
    { command: "gpu exec --host root@n1 --host root@n2 --fold -- uname -r", says: "the same answers once" },
    { command: "gpu exec --hosts-file all.txt --script setup.sh --env TOKEN -- --fast", says: "a script from here" },
    {
      command: "gpu exec --detach --name train trainer -- python3 train.py",
      says: "goes on without us; `gpu job log train`",
    },
  ],
  input: z.object({
    targets: z.array(z.string()).default([]).meta({
      positional: true,
      complete: "instance|host",
      description: "instances, hosts and groups; may be left out where there is one instance",
    }),
    instance: z.string().optional().meta({ complete: "instance", description: "one of the targets, as a flag" }),
    instanceId: z.string().optional().meta({ hidden: true, complete: "instance", description: "one more target" }),
    ...manyParams,
    jobs: z.number().int().min(1).default(32).describe("machines at once"),
    timeout: z.string().optional().describe("end the command on a machine after so long: `30s`, `5m`"),
    connectTimeout: z.string().optional().describe("give up a login after so long"),
    failFast: z.boolean().default(false).describe("end the others when it does not go well on one"),
    retry: z.number().int().min(0).default(0).describe(
      "times to try again where nobody answers; what may have run is never repeated",
    ),
    fold: z.boolean().default(false).describe("print what several printed alike once, when all have ended"),
    outputDir: z.string().optional().meta({
      placeholder: "folder",
      complete: "folder",
      description: "write the output of each machine into `HOST.out` and `HOST.err` there",
    }),
    script: z.string().optional().meta({
      placeholder: "file",
      complete: "file",
      description: "run this script from here; what stands behind the dashes are its arguments",
    }),
    shell: z.string().optional().describe("what runs the script; what its first line says when left out"),
    stdin: z.boolean().default(false).describe("send stdin to every machine; to a single one it always goes"),
    env: z.array(z.string()).default([]).meta({
      short: "e",
      placeholder: "name=value",
      description: "variable for the command, with the value it has here where none is given",
    }),
    cwd: z.string().optional().meta({ placeholder: "folder", description: "folder there to run it in" }),
    sudo: z.boolean().default(false).describe("run it as root, with sudo"),
    share: z.boolean().default(true).describe("use a connection that another command left open"),
    detach: z.boolean().default(false).meta({
      short: "d",
      description: "let it go on by itself, and print the id by which `gpu job` knows it",
    }),
    name: z.string().optional().describe("name of what is detached"),
    command: z.array(z.string()).default([]).meta({ rest: true, description: "command to run there" }),
  }),
  output: HostExecution,
  async *run(
    { targets, instance, instanceId, command, env, cwd, script, shell, outputDir, detach, name, ...input },
    context,
  ) {
    const { execOn } = await import("../exec/exec.ts");
    const { requestOf } = await import("../exec/given.ts");
    const { world } = context;
    const named = [instance, instanceId].filter((name) => name !== undefined);
    const plan = {
      ...input,
      selection: selectionOf(input, [...targets, ...named]),
      request: await requestOf(world, { command, env, cwd, script, shell }),
      outputDir: outputDir === undefined ? undefined : resolve(world.cwd, outputDir),
    };
    if (!detach && name !== undefined) throw new UsageError("`--name` is for what goes on by itself, with `--detach`");
    if (!detach) return yield* execOn(context, plan);
    const { detachOn } = await import("../exec/detach.ts");
    yield* detachOn(context, {
      ...plan,
      name,
      shown: [script, ...command].filter((word) => word !== undefined).join(" "),
    });
  },
  async handle(items, context) {
    const { ranOf } = await import("../recipe/ran.ts");
    const hosts: HostExecution[] = [];
    for await (const item of items) hosts.push(item);
    context.signal.throwIfAborted();
    return ranOf(hosts);
  },
  isReadWhole: true,
  exitCode: ({ status, exitCode }) => exitCodes[status] ?? exitCode ?? 1,
  joinExitCodes: (codes) => codes.length === 1 ? codes[0] ?? 0 : codes.every((code) => code === 0) ? 0 : 1,
  view: ({ job }) => job,
});

/** Beside the command's own: as ssh, as timeout(1), as a shell after Ctrl-C. */
const exitCodes: Readonly<Partial<Record<HostExecution["status"], number>>> = {
  unreachable: 255,
  timeout: 124,
  interrupted: 130,
  started: 0,
};
