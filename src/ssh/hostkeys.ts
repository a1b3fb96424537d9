import { createHash } from "node:crypto";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { GpuError } from "../errors.ts";
import { hostKeyAlgorithms } from "./algorithms.ts";

/** A public key as it travels: its type, and the bytes that identify it. */
export interface PublicKey {
  readonly type: string;
  readonly blob: Buffer;
}

/** Reads OpenSSH's one-line form: `ssh-ed25519 AAAA… comment`. */
export function parsePublicKey(line: string): PublicKey {
  const [type = "", encoded = ""] = line.trim().split(/\s+/);
  const blob = Buffer.from(encoded, "base64");
  if (blob.length === 0 || typeOf(blob) !== type) {
    throw new GpuError(`\`${line.trim().slice(0, 60)}\` is not a public key in OpenSSH's one-line form`);
  }
  return { type, blob };
}

/** The fingerprint as OpenSSH prints it: `SHA256:…`. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** The algorithms to offer, so that a server with several host keys shows the one that is expected. */
export function hostKeyPreference({ type }: PublicKey): ServerHostKeyAlgorithm[] {
  const isExpected = (algorithm: string) => algorithm === type || (type === "ssh-rsa" && algorithm.startsWith("rsa-"));
  return [...hostKeyAlgorithms.filter(isExpected), ...hostKeyAlgorithms.filter((one) => !isExpected(one))];
}

/** The type that is written inside of the key itself; empty when there is none. */
function typeOf(blob: Buffer): string {
  if (blob.length < 4) return "";
  return blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1");
}
