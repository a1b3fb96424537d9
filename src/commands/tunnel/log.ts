import { z } from "zod";
import { defineStream } from "../../command.ts";
import { NotFoundError } from "../../errors.ts";

export default defineStream({
  name: "tunnel log",
  summary: "Show what happened to tunnels",
  description:
    "Also to those that are closed: when they were opened, lost and reopened, and which connections were refused.",
  effect: "read",
  examples: [
    { command: "gpu tunnel log", says: "of all tunnels" },
    { command: "gpu tunnel log db --follow", says: "of one, as it happens, until Ctrl-C" },
  ],
  input: z.object({
    name: z.string().optional().meta({ positional: true, complete: "tunnel", description: "name of a tunnel" }),
    follow: z.boolean().default(false).meta({ short: "f", description: "go on with what happens from now on" }),
  }),
  output: z.object({
    time: z.iso.datetime().describe("when it happened"),
    tunnel: z.string().describe("name of the tunnel"),
    event: z.string().describe(
      "`open`, `lost`, `silent`, `retry`, `reconnected`, `answers`, `refused`, `unbound`, `bound`, `note`, `ended` or `stopped`",
    ),
    message: z.string().describe("what there is to say about it"),
  }),
  async *run({ name, follow }, { world, signal }) {
    const { followTunnelLog, readTunnelLog } = await import("../../background/tunnel-log.ts");
    let isEmpty = true;
    try {
      for await (const { at, ...entry } of follow ? followTunnelLog(world, signal) : readTunnelLog(world)) {
        if (name !== undefined && entry.tunnel !== name) continue;
        isEmpty = false;
        yield { time: new Date(at).toISOString(), ...entry };
      }
    } catch (error) {
      // Being told to stop is how following ends.
      if (!signal.aborted) throw error;
    }
    if (isEmpty && name !== undefined && !follow) {
      throw new NotFoundError(`nothing is known of a tunnel \`${name}\``, {
        hint: "`gpu tunnel log` shows all of them",
      });
    }
  },
  view: ({ time, tunnel, event, message }) => `${time} ${tunnel} ${event}: ${message}`,
});
