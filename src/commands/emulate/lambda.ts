import { z } from "zod";
import { defineStream } from "../../command.ts";
import { EmulatorEvent, viewEvent } from "../../emulate/events.ts";

export default defineStream({
  name: "emulate lambda",
  summary: "Serve Lambda Cloud's API here, with machines of your own",
  description:
    "Each instance is a machine on this computer that answers SSH; it costs nothing, and a bill says what it would have cost.\n" +
    "A command behind two dashes finds the emulator in its environment, and the emulator ends with it. On a\n" +
    "terminal, which is the command's then, `--verbose` shows the requests that are shown elsewhere anyway.\n" +
    "`GET /_emulator/bill` lists every instance ever made; `GET` and `POST /_emulator/faults` show and change what goes wrong.\n" +
    "Faults: none, capacity, flaky, lost-answers, late-listing, slow, bad-machines, rate-limit, hostile, or a file of them.",
  effect: "write",
  examples: [
    { command: "gpu emulate lambda", says: "until Ctrl-C; it prints what to put before your commands" },
    { command: "gpu emulate lambda -- gpu run train.ts --yes", says: "a recipe against it, in CI" },
    {
      command: "gpu emulate lambda --faults hostile --seed 7",
      says: "with everything that can go wrong, the same each time",
    },
  ],
  input: z.object({
    command: z.array(z.string()).min(1, "there is nothing to run").optional().meta({
      rest: true,
      description: "command to run with the emulator in its environment",
    }),
    port: z.number().int().min(0).max(65_535).default(0).describe("port of 127.0.0.1; 0 is any free one"),
    key: z.string().min(8, "it has at least 8 characters").max(200).regex(/^[\x21-\x7e]+$/, "a key has no spaces")
      .optional()
      .describe("what accepted API keys begin with; a secret one is made when left out"),
    seed: z.number().int().min(0).max(2 ** 32 - 1).optional().describe("what chance is drawn from"),
    faults: z.array(z.string()).optional().meta({
      placeholder: "preset|file",
      complete: "fault|file",
      description: "what goes wrong; several are joined",
    }),
    boot: z.string().default("2s").meta({ placeholder: "time", description: "how long an instance boots" }),
    data: z.string().optional().meta({
      complete: "folder",
      placeholder: "folder",
      description: "where the machines are; one emulator at a time",
    }),
    keep: z.boolean().default(false).describe("leave the machines running; the next emulator takes them up"),
  }),
  output: EmulatorEvent,
  async *run({ command, port, key, seed, faults = [], boot, data, keep }, context) {
    const { resolve } = await import("node:path");
    const { durationMs } = await import("../../duration.ts");
    const { readFaults } = await import("../../emulate/fault-file.ts");
    const { followEmulator } = await import("../../emulate/follow.ts");
    const { cwd } = context.world;
    yield* followEmulator({
      context,
      command,
      options: {
        ...{ port, key, seed, keep },
        bootMs: durationMs(boot),
        faults: await readFaults(faults, context.world),
        dataFolder: data === undefined ? undefined : resolve(cwd, data),
      },
    });
  },
  exitCode: (event) => event.type === "ended" ? event.exitCode ?? 0 : 0,
  view: viewEvent,
});
