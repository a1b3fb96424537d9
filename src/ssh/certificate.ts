import { createPublicKey, verify } from "node:crypto";
import { WireReader, wireString } from "./wire.ts";

/** An OpenSSH certificate: a key, whom it is for, and who vouches for it. */
export interface Certificate {
  /** `ssh-ed25519-cert-v01@openssh.com` */
  readonly type: string;
  readonly blob: Buffer;
  /** The key itself, as it would travel without its certificate. */
  readonly keyBlob: Buffer;
  readonly kind: "user" | "host" | "other";
  readonly id: string;
  /** Users or hosts it is for; empty: all. */
  readonly principals: readonly string[];
  /** Seconds since 1970. */
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly criticalOptions: readonly string[];
  readonly authority: Buffer;
  /** What the authority has signed, and its signature. */
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** Fields of the key between the nonce and the serial number. PROTOCOL.certkeys of OpenSSH. */
const keyFields: Readonly<Record<string, number>> = {
  "ssh-ed25519": 1,
  "ssh-rsa": 2,
  "ecdsa-sha2-nistp256": 2,
  "ecdsa-sha2-nistp384": 2,
  "ecdsa-sha2-nistp521": 2,
  "sk-ssh-ed25519@openssh.com": 2,
  "sk-ecdsa-sha2-nistp256@openssh.com": 3,
};

/** The type of the key that a certificate of this type is about; undefined when it is no certificate's type. */
export function certifiedType(type: string): string | undefined {
  const plain = /^(.+)-cert-v01@openssh\.com$/.exec(type)?.[1];
  return plain?.startsWith("sk-") ? `${plain}@openssh.com` : plain;
}

/** Reads a certificate; undefined when the bytes are a plain key. Throws when they are a broken certificate. */
export function parseCertificate(blob: Buffer): Certificate | undefined {
  const reader = new WireReader(blob);
  const type = reader.text();
  const plain = certifiedType(type);
  if (plain === undefined) return undefined;
  const count = keyFields[plain];
  if (count === undefined) throw new Error(`certificates of the type \`${type}\` are not known here`);
  reader.string();
  const fields = Array.from({ length: count }, () => wireString(reader.string()));
  const keyBlob = Buffer.concat([wireString(plain), ...fields]);
  reader.bigNumber();
  const kind = reader.number();
  const id = reader.text();
  const principals = [...texts(reader.string())];
  const validAfter = reader.bigNumber();
  const validBefore = reader.bigNumber();
  const criticalOptions = [...texts(reader.string())].filter((_, index) => index % 2 === 0);
  reader.string();
  reader.string();
  const authority = Buffer.from(reader.string());
  const signed = Buffer.from(reader.before);
  const signature = Buffer.from(reader.string());
  return {
    ...{ type, blob, keyBlob, id, principals, validAfter, validBefore, criticalOptions, authority, signed, signature },
    kind: kind === 1 ? "user" : kind === 2 ? "host" : "other",
  };
}

/** Whether the authority that it names has signed it. */
export function isSignedByAuthority({ authority, signed, signature }: Certificate): boolean {
  const reader = new WireReader(signature);
  const algorithm = reader.text();
  const value = reader.string();
  const key = new WireReader(authority);
  const type = key.text();
  if (type === "ssh-ed25519" && algorithm === type) {
    const jwk = { kty: "OKP", crv: "Ed25519", x: key.string().toString("base64url") };
    return verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), value);
  }
  const hash = { "rsa-sha2-256": "sha256", "rsa-sha2-512": "sha512" }[algorithm];
  if (type === "ssh-rsa" && hash !== undefined) {
    const e = number(key.string()).toString("base64url");
    const n = number(key.string()).toString("base64url");
    return verify(hash, signed, createPublicKey({ key: { kty: "RSA", e, n }, format: "jwk" }), value);
  }
  const curve = curves[type];
  if (curve !== undefined && algorithm === type) {
    key.string();
    const point = key.string();
    const half = (point.length - 1) / 2;
    const [x, y] = [point.subarray(1, 1 + half), point.subarray(1 + half)].map((one) => one.toString("base64url"));
    const numbers = new WireReader(value);
    const fixed = Buffer.concat([numbers.string(), numbers.string()].map((one) => padded(number(one), half)));
    const publicKey = createPublicKey({ key: { kty: "EC", crv: curve.name, x, y }, format: "jwk" });
    return verify(curve.hash, signed, { key: publicKey, dsaEncoding: "ieee-p1363" }, fixed);
  }
  return false;
}

const curves: Readonly<Record<string, { name: string; hash: string }>> = {
  "ecdsa-sha2-nistp256": { name: "P-256", hash: "sha256" },
  "ecdsa-sha2-nistp384": { name: "P-384", hash: "sha384" },
  "ecdsa-sha2-nistp521": { name: "P-521", hash: "sha512" },
};

/** A number of the wire without the zero in front that keeps it positive. */
function number(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  return bytes.subarray(start);
}

function padded(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([Buffer.alloc(Math.max(0, length - bytes.length)), bytes]);
}

function* texts(bytes: Buffer): Generator<string> {
  const reader = new WireReader(bytes);
  while (!reader.isOver) yield reader.text();
}
