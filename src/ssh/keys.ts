import { createHash, generateKeyPairSync } from "node:crypto";
import { wireNumber, wireString } from "./wire.ts";

/** A key pair in OpenSSH's forms: the private key file, and the public key's one line. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Makes an ed25519 key pair. */
export function generateKeyPair(comment: string): KeyPair {
  const safeComment = comment.replaceAll(/[\x00-\x1f\x7f]/g, " ");
  const { x, d } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  if (x === undefined || d === undefined) throw new Error("an ed25519 key without its two numbers");
  const point = Buffer.from(x, "base64url");
  const publicBlob = Buffer.concat([wireString("ssh-ed25519"), wireString(point)]);
  return {
    privateKey: openSshPrivateKey({ point, seed: Buffer.from(d, "base64url"), comment: safeComment }),
    publicKey: `ssh-ed25519 ${publicBlob.toString("base64")} ${safeComment}`.trimEnd(),
  };
}

/** An ed25519 key as a file of OpenSSH's own format (PROTOCOL.key), without a passphrase. */
export function openSshPrivateKey(key: { point: Buffer; seed: Buffer; comment: string }): string {
  const publicBlob = Buffer.concat([wireString("ssh-ed25519"), wireString(key.point)]);
  const check = wireNumber(createHash("sha256").update(key.seed).digest().readUInt32BE());
  const secret = Buffer.concat([
    check,
    check,
    wireString("ssh-ed25519"),
    wireString(key.point),
    wireString(Buffer.concat([key.seed, key.point])),
    wireString(key.comment),
  ]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, -secret.length & 7);
  return armour(Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    wireString("none"),
    wireString("none"),
    wireString(""),
    wireNumber(1),
    wireString(publicBlob),
    wireString(Buffer.concat([secret, padding])),
  ]));
}

function armour(blob: Buffer): string {
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n");
}
