import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import { makePrivateFolder, reasonOf } from "../files.ts";
import { generateKeyPair } from "../ssh/keys.ts";
import type { World } from "../world.ts";

/** The key pair that logs in on everything rented from this computer. */
export interface ClientKey {
  readonly path: string;
  readonly privateKey: string;
  readonly publicKey: string;
}

/** This computer's own key, made the first time it is asked for. */
export async function clientKey(world: Pick<World, "folders" | "random">): Promise<ClientKey> {
  const path = join(world.folders.state, "id_ed25519");
  const privateKey = readIfThere(path) ?? await makeKey(world, path);
  try {
    return { path, privateKey, publicKey: publicKeyOf(privateKey) };
  } catch (error) {
    throw new GpuError(`the SSH key \`${path}\` cannot be read: ${messageOf(error)}`, {
      hint: `move it away and a new one is made; what is rented now does not know the new one`,
      cause: error,
    });
  }
}

/** Whole or not at all, and by the first of several who try: a link fails where there is a file, a rename does not. */
async function makeKey(world: Pick<World, "folders" | "random">, path: string): Promise<string> {
  await makePrivateFolder(world.folders.state);
  const draft = `${path}.${Buffer.from(world.random(8)).toString("hex")}.new`;
  try {
    writeFileSync(draft, generateKeyPair("gpu").privateKey, { mode: 0o600, flag: "wx", flush: true });
    linkSync(draft, path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") {
      throw new GpuError(`cannot make the SSH key \`${path}\`: ${reasonOf(error)}`, { cause: error });
    }
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(path, "utf8");
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw new GpuError(`cannot read the SSH key \`${path}\`: ${reasonOf(error)}`, { cause: error });
  }
}

/** An OpenSSH private key file begins with its public key in the clear, so only one of the two is kept. */
function publicKeyOf(privateKey: string): string {
  const body = /^-----BEGIN OPENSSH PRIVATE KEY-----\s([A-Za-z0-9+/=\s]+)-----END/.exec(privateKey)?.[1];
  if (body === undefined) throw new Error("it is not an OpenSSH private key");
  const bytes = Buffer.from(body, "base64");
  let at = "openssh-key-v1\0".length;
  const next = () => {
    if (at + 4 > bytes.length || at + 4 + bytes.readUInt32BE(at) > bytes.length) throw new Error("it is cut short");
    const start = at + 4;
    at = start + bytes.readUInt32BE(at);
    return bytes.subarray(start, at);
  };
  const [cipher] = [next(), next(), next()];
  if (cipher?.toString() !== "none") throw new Error("it has a passphrase");
  // A count of keys, always one.
  at += 4;
  const blob = next();
  const type = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString();
  return `${type} ${blob.toString("base64")} gpu`;
}
