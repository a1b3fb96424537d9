import { z } from "zod";
import type { Context } from "../command.ts";
import { durationMs, durationPattern } from "../duration.ts";
import { UsageError } from "../errors.ts";
import { tagsOf } from "../hosts/tags.ts";
import { longestLeaseHours } from "../rent/lease.ts";
import type { StartRequest } from "../rent/start.ts";

const defaultHours = 4;

/** What `start` and `instance create` take, but for whether they wait. */
export const startParams = {
  type: z.string().optional().meta({
    aliases: ["gpu"],
    complete: "offer",
    description:
      "instance type, or several with commas between, the preferred first; the cheapest that is free when left out",
  }),
  model: z.string().optional().meta({
    complete: "model",
    description: "model it must have the memory for, as `gpu models list` names it",
  }),
  region: z.string().optional().describe("region; any when left out"),
  hours: z.number().positive().max(longestLeaseHours).optional().meta({
    short: "H",
    env: "GPU_LEASE_HOURS",
    description: "lease in hours, at most 720: the instance is stopped when it ends; 4 when left out",
  }),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/, "letters, digits, `-` and `_`, at most 40").optional()
    .describe("name to call it by"),
  filesystem: z.array(z.string()).optional().meta({ complete: "filesystem", description: "filesystem to mount" }),
  // As Lambda Cloud has them, the narrowest of all.
  tag: z.array(
    z.string().regex(/^[a-z][a-z0-9:-]{1,54}=.{0,128}$/, "`key=value`, with a key of small letters, digits and `-`"),
  ).optional().meta({
    placeholder: "key=value",
    description: "tag to find it by, as `--tag` of other commands",
  }),
  image: z.string().optional().describe("id or family of its image; the provider's own when left out"),
  maxPrice: z.number().positive().optional().meta({
    placeholder: "dollars",
    description: "most it may cost an hour, in US dollars; the first choice's price when left out",
  }),
  budget: z.number().nonnegative().optional().meta({
    placeholder: "dollars",
    description: "most that price × lease may come to, in US dollars",
  }),
  retryUntilUp: z.string().regex(durationPattern, "a duration like `30m` or `6h`").optional().meta({
    implied: "6h",
    placeholder: "duration",
    description: "where nothing is free, go on trying for so long",
  }),
  check: z.boolean().default(true).describe("see that it has the GPUs that are paid for and that they work"),
  readyTimeout: z.number().positive().optional().meta({
    placeholder: "seconds",
    description: "seconds it may take until SSH answers, else it is given back; the provider's own limit when left out",
  }),
  agentBinary: z.string().optional().meta({
    placeholder: "file",
    complete: "file",
    env: "GPU_AGENT_BINARY",
    description: "executable of gpu for the instance's agent, where this one does not run there",
  }),
  fakeGpu: z.string().optional().meta({
    placeholder: "model",
    description: "put a fake nvidia-smi on a local machine: `h100`, `a100`, …",
  }),
};

export type StartInput = z.output<z.ZodObject<typeof startParams>>;

/** The request that the input means, with the configuration's defaults. */
export async function toStartRequest(input: StartInput, wait: boolean, context: Context): Promise<StartRequest> {
  if (!wait && input.readyTimeout !== undefined) {
    throw new UsageError("`--ready-timeout` says how long to wait, and nobody waits here", {
      hint: "`gpu wait --ready-timeout` waits for what boots",
    });
  }
  const { defaults } = await context.config();
  const isNamed = input.type !== undefined || input.model !== undefined || input.maxPrice !== undefined;
  return {
    types: input.type?.split(",").map((type) => type.trim()) ??
      (isNamed ? [] : await usableDefaults(defaults.type, context)),
    region: input.region,
    minVramGiB: input.model === undefined ? undefined : await memoryFor(input.model, context),
    maxPricePerHour: input.maxPrice,
    hours: input.hours ?? defaults.hours ?? defaultHours,
    name: input.name,
    filesystems: input.filesystem,
    image: input.image,
    tags: input.tag && tagsOf(input.tag),
    fakeGpu: input.fakeGpu,
    agentBinary: input.agentBinary,
    wait,
    check: input.check,
    readyTimeoutMs: input.readyTimeout && input.readyTimeout * 1000,
    budgetDollars: input.budget,
    retryForMs: input.retryUntilUp === undefined ? undefined : durationMs(input.retryUntilUp),
  };
}

/** The configuration's types belong to a cloud: `local` has none of them. */
async function usableDefaults(types: readonly string[] | undefined, context: Context): Promise<readonly string[]> {
  return (await context.provider()).name === "local" ? [] : types ?? [];
}

async function memoryFor(name: string, context: Context): Promise<number> {
  const { getModel, minVramGiB } = await import("../models/models.ts");
  return minVramGiB(getModel(await context.config(), name));
}
