import { readVariable } from "../env.ts";
import { GpuError, UsageError } from "../errors.ts";
import type { World } from "../world.ts";

// Written into the code when a release is compiled (scripts/release.ts); not there in any other build.
declare const gpuReleaseUrl: string;
declare const gpuReleaseKey: string;

/** Where releases are, and who signs them. */
export interface ReleasePlace {
  /** Below it each release has a folder, `v1.2.3`, and the newest is `latest` too. No slash at the end. */
  readonly url: string;
  /** Public key of OpenSSH; undefined where releases are not signed. */
  readonly key: string | undefined;
}

/** The place that this executable came from. Throws where it is none that was released. */
export function releasePlace({ env }: Pick<World, "env">): ReleasePlace {
  const compiled = {
    url: typeof gpuReleaseUrl === "string" ? gpuReleaseUrl : "",
    key: typeof gpuReleaseKey === "string" ? gpuReleaseKey : "",
  };
  const url = readVariable(env, "GPU_RELEASE_URL") ?? compiled.url;
  if (url === "") {
    throw new GpuError("this executable was built by hand, so it does not know where releases are", {
      hint: "build it again, or name the place with GPU_RELEASE_URL",
    });
  }
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new UsageError(`\`GPU_RELEASE_URL\` is no address of a server: \`${url}\``, {
      hint: "it begins with `https://`; without it `gpu upgrade` asks where this executable came from",
    });
  }
  return { url: url.replace(/\/+$/, ""), key: compiled.key === "" ? undefined : compiled.key };
}
