import { createHmac } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { GpuError, systemCode } from "../errors.ts";
import { exclusively } from "../exclusive.ts";
import { makePrivateFolder, reasonOf } from "../files.ts";
import type { World } from "../world.ts";
import { parseKnownHosts } from "./known-hosts.ts";
import { WireReader } from "./wire.ts";

interface NewHost {
  readonly world: Pick<World, "clock" | "folders" | "random">;
  /** The user's own file first. */
  readonly knownHosts: readonly string[];
  readonly name: string;
  readonly blob: Buffer;
  /** Asked while nobody else writes. Throws where something speaks against it by now. */
  isKnown(): Promise<boolean>;
}

/**
 * Writes a host down, unless it is known by now; returns the file's path where it did. Names are hashed where the file
 * has hashed ones. A line is appended, and nothing is ever replaced: `ssh` may write the same file at the same moment.
 */
export async function writeKnownHost({ world, knownHosts, name, blob, isKnown }: NewHost): Promise<string | undefined> {
  const [path] = knownHosts;
  if (path === undefined || path === "/dev/null") {
    throw new GpuError(`the host key of \`${name}\` cannot be written down: there is no file for known hosts`, {
      hint: "`UserKnownHostsFile` in the ssh configuration says so; a host that is not written down is never believed",
    });
  }
  return await exclusively(world, async () => {
    if (await isKnown()) return undefined;
    try {
      await makePrivateFolder(dirname(path));
      const text = await readFile(path, "utf8").catch((error: unknown) => {
        if (systemCode(error) === "ENOENT") return "";
        throw error;
      });
      const isHashed = parseKnownHosts(text, path).some((line) => line.isHashed);
      const shown = isHashed ? hashedName(name, world.random(20)) : name;
      const line = `${shown} ${new WireReader(blob).text()} ${blob.toString("base64")}\n`;
      await using file = await open(path, "a", 0o600);
      if (!(await file.stat()).isFile()) throw new Error("it is not a file");
      await file.write(text === "" || text.endsWith("\n") ? line : `\n${line}`);
      await file.sync();
      return path;
    } catch (error) {
      throw new GpuError(`cannot write \`${path}\`: ${reasonOf(error)}`, { cause: error });
    }
  });
}

/** As `HashKnownHosts` of OpenSSH: HMAC-SHA1 of the name, with a salt of 20 bytes as its key. */
function hashedName(name: string, salt: Uint8Array): string {
  const hash = createHmac("sha1", salt).update(name).digest("base64");
  return `|1|${Buffer.from(salt).toString("base64")}|${hash}`;
}
