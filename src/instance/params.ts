import { z } from "zod";

/** Which instance is meant: on every command about one. */
export const instanceParams = {
  instance: z.string().optional().meta({
    positional: true,
    complete: "instance",
    description: "id, unique beginning of an id, or name; may be left out where there is one",
  }),
  instanceId: z.string().optional().meta({ hidden: true, complete: "instance", description: "the same, as a flag" }),
};
