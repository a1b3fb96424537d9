import { createHash } from "node:crypto";
import { z } from "zod";
import { GpuError } from "../../errors.ts";
import type { ProviderSshKey, SshKeys } from "../provider.ts";
import type { LambdaApi } from "./api.ts";
import { Anything, SshKey } from "./wire.ts";

export function sshKeysOf(api: LambdaApi): SshKeys {
  return {
    list: (signal) => listKeys(api, signal),
    add: (key, signal) => addKey(api, key, signal),
    async delete(id, signal) {
      const path = `/ssh-keys/${encodeURIComponent(id)}`;
      await api.call({ doing: `delete the SSH key \`${id}\``, path, method: "DELETE", schema: Anything, signal });
    },
  };
}

/**
 * The name under which the account has this public key; it is added where the account has none. Two that add it at the
 * same moment do no harm: what counts is what is listed afterwards.
 */
export async function ensureKey(api: LambdaApi, publicKey: string, signal?: AbortSignal): Promise<string> {
  const name = nameOf(publicKey);
  const found = findName(await listKeys(api, signal), { name, publicKey });
  if (found !== undefined) return found;
  try {
    return (await addKey(api, { name, publicKey }, signal)).name;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof GpuError)) throw error;
    const meanwhile = findName(await listKeys(api, signal), { name, publicKey });
    if (meanwhile === undefined) throw error;
    return meanwhile;
  }
}

/** A launch names its key, so a name that two keys have does not do. */
function findName(
  keys: readonly ProviderSshKey[],
  { name, publicKey }: { name: string; publicKey: string },
): string | undefined {
  const same = keys.filter((key) => blobOf(key.publicKey) === blobOf(publicKey)).map((key) => key.name);
  const different = new Set(keys.filter((key) => blobOf(key.publicKey) !== blobOf(publicKey)).map((key) => key.name));
  if (different.has(name)) {
    throw new GpuError(`the account has another SSH key under the name \`${name}\``, {
      hint: `delete it: \`gpu ssh-key delete ${name}\``,
    });
  }
  return same.includes(name) ? name : same.find((each) => !different.has(each));
}

async function listKeys(api: LambdaApi, signal?: AbortSignal): Promise<ProviderSshKey[]> {
  const keys = await api.call({ doing: "list the SSH keys", path: "/ssh-keys", schema: z.array(SshKey), signal });
  return keys.map(keyOf);
}

// Without a public key Lambda would make a pair and send the private half: so there always is one.
async function addKey(
  api: LambdaApi,
  { name, publicKey }: { name: string; publicKey: string },
  signal?: AbortSignal,
): Promise<ProviderSshKey> {
  const body = { name, public_key: publicKey };
  const doing = `add the SSH key \`${name}\``;
  return keyOf(await api.call({ doing, path: "/ssh-keys", method: "POST", body, schema: SshKey, signal }));
}

function keyOf({ id, name, public_key: publicKey }: SshKey): ProviderSshKey {
  return { id, name, publicKey };
}

/** `gpu-` and 16 hex digits of the key's fingerprint. */
function nameOf(publicKey: string): string {
  return `gpu-${createHash("sha256").update(Buffer.from(blobOf(publicKey), "base64")).digest("hex").slice(0, 16)}`;
}

/** The key itself, without its type and comment. */
function blobOf(publicKey: string): string {
  return publicKey.trim().split(/\s+/)[1] ?? publicKey;
}
