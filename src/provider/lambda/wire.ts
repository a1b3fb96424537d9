import { z } from "zod";

// The wire as the OpenAPI document of version 1.10.0 has it. Fields and enum values that are not known are let through,
// and what is not needed to find and end a machine may be missing: a change there must not hide what costs money.
// `jupyter_token` and `jupyter_url` are in no schema, so they end here.

/** Text for people: nothing in it steers a terminal. */
const Text = z.string().transform((text) => text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, " ").trim());

const Region = z.object({ name: Text, description: Text.catch("") });

const InstanceType = z.object({
  name: Text,
  description: Text.catch(""),
  gpu_description: Text.catch(""),
  price_cents_per_hour: z.number(),
  specs: z.object({ gpus: z.number().int().nonnegative() }),
});
export type InstanceType = z.output<typeof InstanceType>;

const Action = z.object({ available: z.boolean() });

export const Instance = z.object({
  id: Text,
  name: Text.nullish().catch(undefined),
  ip: z.string().nullish().catch(undefined),
  // Not Lambda's: an emulated instance is a process that may listen at another port than 22.
  ssh_port: z.number().int().min(1).max(65_535).optional().catch(undefined),
  status: Text,
  region: Region.optional().catch(undefined),
  instance_type: InstanceType.optional().catch(undefined),
  actions: z.object({ terminate: Action.optional() }).optional().catch(undefined),
  tags: z.array(z.object({ key: z.string(), value: z.string() })).nullish().catch(undefined),
});
export type Instance = z.output<typeof Instance>;

export const SshKey = z.object({ id: Text, name: Text, public_key: Text });
export type SshKey = z.output<typeof SshKey>;

export const Filesystem = z.object({
  id: Text,
  name: Text,
  mount_point: Text.catch(""),
  is_in_use: z.boolean(),
  region: Region,
  bytes_used: z.number().nullish().catch(undefined),
});
export type Filesystem = z.output<typeof Filesystem>;

export const Image = z.object({
  id: Text,
  name: Text,
  family: Text,
  version: Text.catch(""),
  architecture: Text.catch(""),
  region: Region,
});
export type Image = z.output<typeof Image>;

/** An object with the types' names as keys. */
export const InstanceTypes = z.record(
  z.string(),
  z.object({ instance_type: InstanceType, regions_with_capacity_available: z.array(Region) }),
);
export type InstanceTypes = z.output<typeof InstanceTypes>;

export const Launched = z.object({ instance_ids: z.array(Text.pipe(z.string().min(1))).min(1) });
export const Terminated = z.object({ terminated_instances: z.array(z.object({ id: Text })) });
export const Restarted = z.object({ restarted_instances: z.array(z.object({ id: Text })) });
/** Of an answer whose content does not matter. */
export const Anything = z.unknown();

const Refusal = z.object({
  error: z.object({ code: Text, message: Text.catch(""), suggestion: Text.nullish().catch(undefined) }),
});

/** What Lambda says went wrong. Its code is for branching, the rest for people. */
export interface ErrorEnvelope {
  readonly code: string;
  readonly message: string;
  readonly suggestion: string | undefined;
}

/** The error in an answer's body; undefined where the body is not Lambda's own. */
export function findEnvelope(body: string): ErrorEnvelope | undefined {
  const parsed = Refusal.safeParse(jsonOf(body));
  if (!parsed.success || parsed.data.error.code === "") return undefined;
  const { code, message, suggestion } = parsed.data.error;
  return { code, message, suggestion: suggestion || undefined };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
