import type { LaunchRequest } from "../provider.ts";
import type { LambdaApi } from "./api.ts";
import { findLaunchRefusal, inWords, notSent } from "./failure.ts";
import { tokenTag } from "./instances.ts";
import { ensureKey } from "./keys.ts";
import { userDataOf } from "./user-data.ts";
import { Launched } from "./wire.ts";

/**
 * Asks for one instance, once. Until its request leaves whatever goes wrong is a refusal; from then on only what proves
 * that nothing was made.
 */
export async function launchInstance(
  api: LambdaApi,
  request: LaunchRequest,
  signal?: AbortSignal,
): Promise<{ id: string }> {
  const body = await prepare(api, request, signal).catch((error: unknown) => {
    throw notSent(error);
  });
  try {
    request.onSent?.();
    const { instance_ids: [id = ""] } = await api.sendLaunch({ body, schema: Launched, signal });
    return { id };
  } catch (error) {
    throw findLaunchRefusal(error) ?? inWords(error, `tell whether the launch of \`${request.name}\` worked`);
  }
}

async function prepare(api: LambdaApi, request: LaunchRequest, signal: AbortSignal | undefined) {
  // A launch that nobody wants any more is not sent; once it is, its answer is worth waiting for.
  const wanted = AbortSignal.any([signal, request.wanted].filter((each) => each !== undefined));
  const body = bodyOf(request, await ensureKey(api, request.authorizedKey, wanted));
  await api.launchTurn(wanted);
  wanted.throwIfAborted();
  return body;
}

function bodyOf(request: LaunchRequest, keyName: string) {
  const { token, name, type, region, filesystems = [], image, hostKey, tags = {} } = request;
  return {
    region_name: region,
    instance_type_name: type,
    ssh_key_names: [keyName],
    name,
    hostname: hostnameOf(name),
    tags: [
      { key: tokenTag, value: token },
      ...Object.entries(tags).filter(([key]) => key !== tokenTag).map(([key, value]) => ({ key, value })),
    ],
    user_data: userDataOf(hostKey),
    ...(filesystems.length === 0 ? {} : { file_system_names: filesystems }),
    ...(image === undefined ? {} : { image: isImageId(image) ? { id: image } : { family: image } }),
  };
}

/** What DNS allows of the name: small letters, digits and dashes, at most 63. */
function hostnameOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9-]+/g, "-").replace(/^-+/, "").slice(0, 63).replace(/-+$/, "") || "gpu";
}

/** Ids are 32 hex digits, with or without dashes; whatever else is said is a family. */
function isImageId(image: string): boolean {
  return /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(image);
}
