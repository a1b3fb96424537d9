import { createHash, generateKeyPairSync } from "node:crypto";

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
  const publicBlob = Buffer.concat([text("ssh-ed25519"), text(point)]);
  const privateBlob = openSshPrivateKey({ publicBlob, point, seed: Buffer.from(d, "base64url"), comment: safeComment });
  return {
    privateKey: armour(privateBlob),
    publicKey: `ssh-ed25519 ${publicBlob.toString("base64")} ${safeComment}`.trimEnd(),
  };
}

/** The format of OpenSSH's PROTOCOL.key, without a passphrase. */
function openSshPrivateKey(key: { publicBlob: Buffer; point: Buffer; seed: Buffer; comment: string }): Buffer {
  const check = uint32(createHash("sha256").update(key.seed).digest().readUInt32BE());
  const secret = Buffer.concat([
    check,
    check,
    text("ssh-ed25519"),
    text(key.point),
    text(Buffer.concat([key.seed, key.point])),
    text(key.comment),
  ]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7]).subarray(0, -secret.length & 7);
  return Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    text("none"),
    text("none"),
    text(""),
    uint32(1),
    text(key.publicBlob),
    text(Buffer.concat([secret, padding])),
  ]);
}

function armour(blob: Buffer): string {
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join("\n");
}

/** A string of the SSH wire: its length, then its bytes. */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
