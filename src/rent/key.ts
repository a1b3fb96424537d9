import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { Config } from "../config.ts";
import { GpuError, messageOf, systemCode } from "../errors.ts";
import { makePrivateFolder, reasonOf } from "../files.ts";
import { jsonOf } from "../http/json.ts";
import { generateKeyPair } from "../ssh/keys.ts";
import type { World } from "../world.ts";
import type { Launch } from "./rows.ts";

/** A key pair that logs in on what is rented from this computer. */
export interface ClientKey {
  readonly path: string;
  readonly privateKey: string;
  readonly publicKey: string;
}

/** This computer's own key, made the first time it is asked for; or the one in a file of the user's own. */
export async function clientKey(world: Pick<World, "folders" | "random">, ownPath?: string): Promise<ClientKey> {
  if (ownPath !== undefined) return await ownKey(ownPath);
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

/** The key that a machine was launched with: `providers.*.sshKey` may say something else by now. */
export async function keyOfLaunch(
  world: Pick<World, "folders" | "random">,
  { request }: Pick<Launch, "request">,
): Promise<ClientKey> {
  const asked = z.object({ sshKey: z.string() }).safeParse(jsonOf(request));
  return await clientKey(world, asked.data?.sshKey);
}

/** The file that `providers.*.sshKey` names, as an absolute path; undefined where it names none. */
export function configuredKeyPath(
  { providers }: Pick<Config, "providers">,
  { provider, home }: { provider: string; home: string },
): string | undefined {
  const text = Object.hasOwn(providers, provider) ? providers[provider]?.sshKey : undefined;
  if (text === undefined) return undefined;
  return resolve(home, text.replace(/^~(?=$|[/\\])/, home));
}

async function ownKey(path: string): Promise<ClientKey> {
  const hint = "`providers.*.sshKey` names the private key, without a passphrase; without it gpu makes one of its own";
  const privateKey = readIfThere(path);
  if (privateKey === undefined) throw new GpuError(`there is no SSH key \`${path}\``, { hint });
  try {
    return { path, privateKey, publicKey: await publicHalfOf(privateKey) };
  } catch (error) {
    throw new GpuError(`the SSH key \`${path}\` cannot be used: ${messageOf(error)}`, { hint, cause: error });
  }
}

/** Of a key in any form that OpenSSH writes. */
async function publicHalfOf(privateKey: string): Promise<string> {
  if (privateKey.startsWith("-----BEGIN OPENSSH PRIVATE KEY-----")) return publicKeyOf(privateKey);
  const { default: ssh2 } = await import("ssh2");
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) {
    throw new Error(/encrypt|passphrase/i.test(key.message) ? "it has a passphrase" : "it is no private key");
  }
  if (!key.isPrivateKey()) throw new Error("it is the public half: name the file without `.pub`");
  return `${key.type} ${key.getPublicSSH().toString("base64")} gpu`;
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
