import { gpu, GpuError, parallel, recipe, table, UsageError, z } from "gpu";

export default recipe({
  summary: "Run one command on machines of your own and rented ones",
  description:
    "All at once: on hosts, groups and instances that are there, and on one instance of each type that is rented for it and\n" +
    "given back. A type that is sold out and a host that does not answer are rows of the table.",
  budget: 20, // US dollars: price × hours of all that is rented
  input: z.object({
    command: z.string().default("nvidia-smi -L").meta({
      positional: true,
      description: "line for the shell of each machine",
    }),
    on: z.array(z.string()).default([]).meta({
      complete: "instance",
      description: "host, group or instance that is there",
    }),
    tag: z.array(z.string()).default([]).meta({ placeholder: "key=value", description: "those that carry this tag" }),
    rent: z.array(z.string()).default([]).meta({ placeholder: "type", description: "type to rent one instance of" }),
    hours: z.number().default(0.5).describe("lease of what is rented"),
    timeout: z.duration().default("10m").describe("how long the command may take on a machine"),
  }),

  async run({ command, on, tag, rent, hours, timeout }) {
    if (on.length + tag.length + rent.length === 0) {
      throw new UsageError("no machine is named", { hint: "`--on <host>`, `--tag <key=value>` or `--rent <type>`" });
    }
    // What is rented is given back when the run ends.
    const rented = await parallel(rent, async (type) => {
      try {
        const { id } = await gpu.start({ type, hours }, { label: type });
        return { type, id };
      } catch (error) {
        if (error instanceof GpuError) return { type, error: error.message };
        throw error;
      }
    });

    const targets = [...on, ...rented.flatMap(({ id }) => id ?? [])];
    const isAny = targets.length + tag.length > 0;
    const { hosts } = isAny ? await gpu.exec({ targets, tag, command: [command], timeout }) : { hosts: [] };

    const machines = [
      ...hosts.map(({ host, id, status, exitCode, stdout, error, durationMs }) => ({
        machine: host,
        type: rented.find((one) => one.id === id)?.type ?? "own",
        outcome: status === "failed" ? `exit ${exitCode}` : status,
        seconds: durationMs / 1000,
        says: error ?? stdout.trimEnd(),
      })),
      ...rented.filter(({ error }) => error !== undefined).map(({ type, error }) => ({
        ...{ machine: "-", type, outcome: "not rented", seconds: 0, says: error },
      })),
    ];
    return { success: machines.every(({ outcome }) => outcome === "ok"), machines };
  },

  view: ({ machines }) =>
    table(machines, {
      machine: ({ machine }) => machine,
      type: ({ type }) => type,
      outcome: ({ outcome }) => outcome,
      seconds: ({ seconds }) => seconds.toFixed(1),
      says: ({ says }) => says,
    }),
});
