import { createHash, createPublicKey, verify } from "node:crypto";
import { WireReader, wireString } from "../ssh/wire.ts";

/** What signatures of releases are for, in `ssh-keygen -Y`: one made for another purpose is not taken for this one. */
export const namespace = "gpu-release";
const magic = "SSHSIG";

/**
 * Whether a signature of `ssh-keygen -Y sign` is that of `key` over `message` (PROTOCOL.sshsig of OpenSSH; Ed25519
 * only). `key`: `ssh-ed25519 AAAA…`.
 */
export function isSignedBy(key: string, { message, armored }: { message: Uint8Array; armored: string }): boolean {
  try {
    const [kind, encoded = ""] = key.split(" ");
    const blob = Buffer.from(armored.replace(/-----(BEGIN|END) SSH SIGNATURE-----/g, ""), "base64");
    if (kind !== "ssh-ed25519" || blob.toString("latin1", 0, magic.length) !== magic) return false;
    const reader = new WireReader(blob.subarray(magic.length));
    if (reader.number() !== 1) return false;
    const publicKey = reader.string();
    if (!publicKey.equals(Buffer.from(encoded, "base64"))) return false;
    if (reader.text() !== namespace) return false;
    const reserved = reader.string();
    const algorithm = reader.text();
    if (algorithm !== "sha512" && algorithm !== "sha256") return false;
    const signature = new WireReader(reader.string());
    if (signature.text() !== "ssh-ed25519") return false;
    const signed = Buffer.concat([
      Buffer.from(magic),
      ...[wireString(namespace), wireString(reserved), wireString(algorithm)],
      wireString(createHash(algorithm).update(message).digest()),
    ]);
    return verify(null, signed, ed25519(publicKey), signature.string());
  } catch {
    return false;
  }
}

/** The key of the wire as one of Node's: RFC 8410 puts these bytes before it. */
function ed25519(publicKey: Buffer) {
  const reader = new WireReader(publicKey);
  reader.string();
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), reader.string()]);
  return createPublicKey({ key: der, format: "der", type: "spki" });
}
