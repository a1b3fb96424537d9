import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import type { ProviderInstance, ProviderState } from "../provider.ts";
import type { LambdaApi } from "./api.ts";
import { isAbsent, LambdaRefusal } from "./failure.ts";
import { priceOf } from "./offers.ts";
import { Anything, Instance, Restarted, Terminated } from "./wire.ts";

/** The tag that carries the launch token. */
export const tokenTag = "gpu-token";

export async function listInstances(api: LambdaApi, signal?: AbortSignal): Promise<ProviderInstance[]> {
  const listed = await api.call({ doing: "list the instances", path: "/instances", schema: z.array(Instance), signal });
  return listed.map((instance) => instanceOf(instance, api));
}

export async function findInstance(
  api: LambdaApi,
  id: string,
  signal?: AbortSignal,
): Promise<ProviderInstance | undefined> {
  const found = await read(api, id, signal);
  return found && instanceOf(found, api);
}

/** Ends an instance; repeated where the answer is lost, since ending twice is ending once. */
export async function terminateInstance(
  api: LambdaApi,
  id: string,
  signal?: AbortSignal,
): Promise<"accepted" | "gone" | "not-yet"> {
  try {
    const { terminated_instances: ended } = await api.call({
      doing: `terminate \`${id}\``,
      path: "/instance-operations/terminate",
      method: "POST",
      body: { instance_ids: [id] },
      schema: Terminated,
      isRepeatable: true,
      signal,
    });
    return ended.some((instance) => instance.id === id) ? "accepted" : "not-yet";
  } catch (error) {
    if (isAbsent(error)) return "gone";
    if (!(error instanceof LambdaRefusal) || (error.status !== 400 && error.status !== 409)) throw error;
    return await explainRefusal({ api, id, signal, error });
  }
}

/** No code says that an instance still boots, or ends already: the instance itself does. */
async function explainRefusal(
  { api, id, signal, error }: { api: LambdaApi; id: string; signal?: AbortSignal; error: LambdaRefusal },
): Promise<"accepted" | "gone" | "not-yet"> {
  const found = await read(api, id, signal);
  if (found === undefined) return "gone";
  const state = stateOf(found);
  if (state === "stopped") return "gone";
  if (state === "stopping") return "accepted";
  if (state === "booting" || found.actions?.terminate?.available === false) return "not-yet";
  throw error;
}

export async function restartInstance(api: LambdaApi, id: string, signal?: AbortSignal): Promise<void> {
  await api.call({
    doing: `restart \`${id}\``,
    path: "/instance-operations/restart",
    method: "POST",
    body: { instance_ids: [id] },
    schema: Restarted,
    signal,
  });
}

/** Gives another name that still holds the launch token: by it the instance is found when all else is lost. */
export async function renameInstance(
  api: LambdaApi,
  { id, name, nameMax, signal }: { id: string; name: string; nameMax: number; signal?: AbortSignal },
): Promise<void> {
  const doing = `rename \`${id}\``;
  const token = (await findInstance(api, id, signal))?.token;
  const whole = token === undefined || name.includes(token)
    ? name
    : `${name.slice(0, nameMax - token.length - 1).replace(/[\s._-]+$/, "")}-${token}`;
  const path = `/instances/${encodeURIComponent(id)}`;
  await api.call({ doing, path, method: "POST", body: { name: whole }, schema: Anything, isRepeatable: true, signal });
}

async function read(api: LambdaApi, id: string, signal?: AbortSignal): Promise<Instance | undefined> {
  try {
    const path = `/instances/${encodeURIComponent(id)}`;
    return await api.call({ doing: `look at \`${id}\``, path, schema: Instance, signal });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function instanceOf(instance: Instance, { isEmulated }: Pick<LambdaApi, "isEmulated">): ProviderInstance {
  const state = stateOf(instance);
  const host = addressOf(instance.ip);
  const port = isEmulated ? instance.ssh_port ?? 22 : 22;
  return {
    id: instance.id,
    name: instance.name ?? "",
    token: tokenOf(instance),
    state,
    type: instance.instance_type?.name ?? "",
    region: instance.region?.name ?? "",
    pricePerHour: priceOf(instance.instance_type),
    ssh: host !== undefined && (state === "running" || state === "unhealthy")
      ? { host, port, user: "ubuntu" }
      : undefined,
  };
}

/**
 * `preempted` is not explained by the document: as long as such an instance can be terminated it may still cost money.
 * A status that is not known yet is taken for booting, which is waited for, may be stopped, and is never given up.
 */
function stateOf({ status, actions }: Instance): ProviderState {
  if (status === "preempted") return actions?.terminate?.available === false ? "stopped" : "unhealthy";
  return states.get(status) ?? "booting";
}

const states = new Map<string, ProviderState>([
  ["booting", "booting"],
  ["active", "running"],
  ["unhealthy", "unhealthy"],
  ["terminating", "stopping"],
  ["terminated", "stopped"],
]);

function tokenOf({ tags, name }: Instance): string | undefined {
  const tagged = tags?.find(({ key }) => key === tokenTag)?.value;
  if (tagged !== undefined && /^[0-9a-f]{20}$/.test(tagged)) return tagged;
  return /(?:^|-)([0-9a-f]{20})$/.exec(name ?? "")?.[1];
}

/** What is listed as an address is dialled, so it has to be one. */
function addressOf(ip: string | null | undefined): string | undefined {
  return typeof ip === "string" && (isIPv4(ip) || isIPv6(ip)) ? ip : undefined;
}
