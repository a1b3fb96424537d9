import { z } from "zod";
import { defineCommand } from "../../command.ts";
import { Acted, actOn } from "../../instance/act.ts";
import { instanceParams } from "../../instance/params.ts";

export default defineCommand({
  name: "instance pause",
  summary: "Pause an instance and keep its disk",
  description: "Where a provider can: the disk and its cost stay. `gpu stop` ends all billing.",
  effect: "write",
  examples: [{ command: "gpu instance pause trainer", says: "by id, the beginning of one, or name" }],
  input: z.object(instanceParams),
  output: Acted,
  run: (input, context) => actOn(input, context, "pause"),
  view: ({ id }) => `${id} is paused; its disk still costs`,
});
