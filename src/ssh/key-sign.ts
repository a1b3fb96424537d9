import { sign as signBytes } from "node:crypto";
import type { ParsedKey } from "ssh2";
import type { RsaHash } from "./identities.ts";
import { wireString } from "./wire.ts";

/** A signature of the wire: RFC 4253 6.6, RFC 5656 3.1.2, RFC 8332, RFC 8709. */
export function signWithKey(
  key: ParsedKey,
  { type, data, hash }: { type: string; data: Buffer; hash: RsaHash | undefined },
): Buffer {
  const algorithm = type === "ssh-rsa" ? hash ?? type : type;
  const pem = key.getPrivatePEM();
  if (!type.startsWith("ecdsa-")) {
    return Buffer.concat([wireString(algorithm), wireString(signBytes(hashes[algorithm], data, pem))]);
  }
  const both = signBytes(hashes[algorithm], data, { key: pem, dsaEncoding: "ieee-p1363" });
  const half = both.length / 2;
  const numbers = [both.subarray(0, half), both.subarray(half)].map(positive);
  return Buffer.concat([wireString(algorithm), wireString(Buffer.concat(numbers))]);
}

const hashes: Readonly<Record<string, string>> = {
  "rsa-sha2-256": "sha256",
  "rsa-sha2-512": "sha512",
  "ssh-rsa": "sha1",
  "ecdsa-sha2-nistp256": "sha256",
  "ecdsa-sha2-nistp384": "sha384",
  "ecdsa-sha2-nistp521": "sha512",
};

/** A positive number of the wire: no zeros in front but the one that keeps it positive. */
function positive(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const short = bytes.subarray(start);
  return wireString((short[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), short]) : short);
}
