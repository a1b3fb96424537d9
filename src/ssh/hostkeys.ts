import { createHash } from "node:crypto";
import type { ServerHostKeyAlgorithm } from "ssh2";
import { GpuError } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import { hostKeyAlgorithms } from "./algorithms.ts";
import { addressText, SshError } from "./failure.ts";

/** A public key as it travels: its type, and the bytes that identify it. */
export interface PublicKey {
  readonly type: string;
  readonly blob: Buffer;
}

/** Which host keys are believed. */
export interface HostTrust {
  /** Types of keys that the host is known by: one of these is asked for. */
  readonly types: readonly string[];
  /** An authority vouches for it: a certificate is asked for before all. */
  readonly isVouchedFor: boolean;
  /** Comes back when the key that it shows, or its certificate, is believed; throws where it is not. */
  judge(blob: Buffer): Promise<void> | void;
}

/** Believes one key and no other. */
export function exactTrust(line: string, address: SshAddress): HostTrust {
  const expected = parsePublicKey(line);
  return {
    types: [expected.type],
    isVouchedFor: false,
    judge(shown) {
      if (shown.equals(expected.blob)) return;
      throw new SshError(
        `the host key of \`${addressText(address)}\` is not the one that is known: expected ${
          fingerprint(expected.blob)
        }, got ${fingerprint(shown)}`,
        {
          reason: "host-key",
          hint:
            "somebody may be in between, or another machine has this address now: do not log in until you know which",
        },
      );
    },
  };
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

/** The algorithms to offer, so that a server with several host keys shows one that is known. */
export function hostKeyPreference(types: readonly string[]): ServerHostKeyAlgorithm[] {
  const isKnown = (algorithm: string) => types.includes(algorithm.startsWith("rsa-") ? "ssh-rsa" : algorithm);
  return [...hostKeyAlgorithms.filter(isKnown), ...hostKeyAlgorithms.filter((one) => !isKnown(one))];
}

/** The type that is written inside of the key itself; empty when there is none. */
function typeOf(blob: Buffer): string {
  if (blob.length < 4) return "";
  return blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1");
}
