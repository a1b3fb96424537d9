import { createHash } from "node:crypto";
import { z } from "zod";
import { GpuError, NotFoundError } from "../errors.ts";
import { HttpError } from "../http/errors.ts";
import { jsonOf } from "../http/json.ts";
import { readAnswer, type Target } from "../http/request.ts";
import type { World } from "../world.ts";
import { requestFile } from "./file.ts";
import type { ReleasePlace } from "./place.ts";
import { isSignedBy } from "./signature.ts";

/** `release.json` of a release. */
const Description = z.object({ version: z.string().regex(/^\d+\.\d+\.\d+(-[\w.]+)?$/), date: z.iso.datetime() });

/** A release whose checksums are known to be right. */
export interface FoundRelease {
  readonly version: string;
  /** When it was made. */
  readonly date: string;
  /** Its folder. */
  readonly url: string;
  /** Whether its checksums have the signature of who makes the releases. */
  readonly isSigned: boolean;
  /** SHA-256 of each of its files, in hex. */
  readonly checksums: ReadonlyMap<string, string>;
}

interface FindOptions {
  readonly world: Pick<World, "fetch" | "clock" | "random"> & Partial<Pick<World, "env">>;
  readonly place: ReleasePlace;
  /** The newest when left out. */
  readonly version?: string | undefined;
  readonly signal: AbortSignal;
}

/** Looks a release up. Nothing of it is believed before the signature, where there is a key for it. */
export async function findRelease({ world, place, version, signal }: FindOptions): Promise<FoundRelease> {
  const url = `${place.url}/${version === undefined ? "latest" : `v${version}`}`;
  const target: Target = { world, service: "the place of the releases", baseUrl: url, signal };
  const read = async (path: string) => {
    try {
      return await readAnswer(target, await requestFile(target, path), { url: new URL(url) });
    } catch (error) {
      if (!(error instanceof HttpError) || error.status !== 404) throw error;
      throw new NotFoundError(
        `there is no ${version === undefined ? "release" : `release ${version}`} at ${place.url}`,
        {
          hint: version === undefined ? undefined : "`gpu upgrade --check` says which is the newest",
          cause: error,
        },
      );
    }
  };
  const sums = await read("/SHA256SUMS");
  if (place.key !== undefined) {
    const armored = await read("/SHA256SUMS.sig");
    if (!isSignedBy(place.key, { message: Buffer.from(sums), armored })) {
      throw new GpuError(`the signature of the release at ${url} is wrong`, {
        hint: "nothing was changed; whoever answers there is not who made this executable",
      });
    }
  }
  const checksums = new Map(
    sums.split("\n").flatMap((line): [string, string][] => {
      const [, sum, name] = /^([0-9a-f]{64}) [ *]([\w.-]+)$/.exec(line) ?? [];
      return sum === undefined || name === undefined ? [] : [[name, sum]];
    }),
  );
  const text = await read("/release.json");
  const description = Description.safeParse(jsonOf(text));
  if (createHash("sha256").update(text).digest("hex") !== checksums.get("release.json") || !description.success) {
    throw new GpuError(`what describes the release at ${url} is damaged`, { hint: "try again; nothing was changed" });
  }
  // What was signed once is right for ever, and whoever answers may give another one than was asked for.
  if (version !== undefined && description.data.version !== version) {
    throw new GpuError(`the release at ${url} is ${description.data.version}, not ${version}`, {
      hint: "nothing was changed; whoever answers there gives another one than was asked for",
    });
  }
  return { ...description.data, url, isSigned: place.key !== undefined, checksums };
}

/** Negative when `one` is older than `other`; both as `1.2.3`, with what is not final yet behind a hyphen. */
export function compareVersions(one: string, other: string): number {
  return Bun.semver.order(one, other);
}
