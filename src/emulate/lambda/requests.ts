import { z } from "zod";
import { invalidParameters } from "./answers.ts";

// The request bodies of the API's document, version 1.10.0. What else is in a body is passed over, as the document allows.

const filesystemName = z.string().min(1).max(60).regex(/^[a-zA-Z]+[0-9a-zA-Z-]*$/);
const maxUserDataBytes = 1_000_000;

export const LaunchBody = z.object({
  region_name: z.string(),
  instance_type_name: z.string(),
  ssh_key_names: z.array(z.string()).length(1, "exactly one SSH key must be named"),
  file_system_names: z.array(z.string()).default([]),
  file_system_mounts: z.array(z.object({
    mount_point: z.string().max(256).regex(/^(\/home|\/lambda\/nfs|\/data)[/a-zA-Z0-9-]*$/),
    file_system_id: z.string(),
  })).default([]),
  hostname: z.string().min(1).max(63).regex(/^[a-z0-9][0-9a-z-]{0,62}$/).optional(),
  name: z.string().max(64).optional(),
  image: z.union([z.object({ id: z.string() }), z.object({ family: z.string() })]).optional(),
  user_data: z.string().refine((text) => Buffer.byteLength(text) <= maxUserDataBytes, "user data is at most 1 MB")
    .optional(),
  tags: z.array(z.object({
    key: z.string().max(55).regex(/^[a-z][a-z0-9-:]+$/),
    value: z.string().max(128),
  })).default([]),
  firewall_rulesets: z.array(z.object({ id: z.string() })).default([]),
  // Not in the document any more, though old clients send it.
  quantity: z.literal(1, "Requested too many instances").optional(),
});
export type LaunchBody = z.output<typeof LaunchBody>;

export const InstanceIds = z.object({ instance_ids: z.array(z.string()) });
export const Renaming = z.object({ name: z.string().max(64).optional() });
export const NewKey = z.object({
  name: z.string().min(1).max(64),
  public_key: z.string().min(1).max(4096).optional(),
});
export const NewFilesystem = z.object({ name: filesystemName, region: z.string() });

/** The body of a request; throws the API's own refusal when it does not conform. */
export async function readBody<T>(request: Request, schema: z.ZodType<T>): Promise<T> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\b/i.test(type)) throw invalidParameters("The body must be application/json.");
  const parsed = schema.safeParse(await request.json().catch(() => undefined));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalidParameters(`${issue?.path.join(".") || "body"}: ${issue?.message}`);
}
