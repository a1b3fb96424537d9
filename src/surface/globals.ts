import { z } from "zod";
import type { Globals } from "../command.ts";
import { readParams } from "./params.ts";

/** The flags that every command has. `--help` and `--version` are beside them. */
export const globalInput = z.object({
  json: z.boolean().default(false).describe("print the result as JSON, errors too"),
  quiet: z.boolean().default(false).meta({ short: "q", description: "say nothing but the result and errors" }),
  verbose: z.boolean().default(false).meta({ short: "v", description: "say more: each step, causes of errors" }),
  color: z.boolean().default(true).describe("colour the output when it goes to a terminal"),
  yes: z.boolean().default(false).meta({ short: "y", description: "do not ask: costs and losses are accepted" }),
  provider: z.string().optional().meta({
    env: "GPU_PROVIDER",
    complete: "provider",
    placeholder: "name",
    description: "provider to use instead of the configured one",
  }),
  profile: z.string().optional().meta({
    env: "GPU_PROFILE",
    complete: "profile",
    placeholder: "name",
    description: "profile of the configuration",
  }),
});

/** Read anew each time: nothing happens on import. */
export function globalParams(): ReturnType<typeof readParams> {
  return readParams(globalInput);
}

/** What holds before the command line has been understood. */
export const defaultGlobals: Globals = {
  json: false,
  quiet: false,
  verbose: false,
  color: true,
  yes: false,
  provider: undefined,
  profile: undefined,
};
