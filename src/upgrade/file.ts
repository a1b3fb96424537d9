import { GpuError } from "../errors.ts";
import { request, type Target } from "../http/request.ts";

/** Asks for a file of a release, from wherever its place leads; what begins with https stays with it. */
export async function requestFile(target: Target, path: string): Promise<Response> {
  const response = await request(target, { path });
  const from = URL.parse(response.url);
  if (!target.baseUrl.startsWith("https:") || from === null || from.protocol === "https:") return response;
  await response.body?.cancel();
  throw new GpuError(`${target.baseUrl}${path} leads to ${from.origin}, which anybody on the way can answer for`, {
    hint: "nothing was changed; a place of releases with https has all of it with https",
  });
}
